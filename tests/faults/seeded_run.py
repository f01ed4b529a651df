"""What the runs of every campaign share: a seed decides them, and the store must hold what was taken."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer
    from tests.faults.rig import Rig

    from rheed_acquire.server.process import LocalServer

DELIVERED = 0
RECOVERIES = 5
"""After which a spool that is not empty is a failure."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a run's frames.

    Attributes
    ----------
    taken, stored
        Frames whose callback has returned, and those in the store at the end.
    recoveries
        Calls of ``rheed-acquire recover`` until nothing was left to deliver.
    failure
        What was lost, doubled or untrue, in words; None where nothing was.
    """

    taken: int
    stored: int
    recoveries: int
    seconds: float
    failure: str | None

    def __str__(self) -> str:
        verdict = "ok" if self.failure is None else f"FAILED: {self.failure}"
        return (
            f"{self.taken:5d} taken {self.stored:5d} stored {self.recoveries} recoveries "
            f"{self.seconds:5.1f} s  {verdict}"
        )


@dataclass(frozen=True, slots=True)
class Outcome(ABC):
    """What became of a run, and of which kind it was."""

    seed: int
    fate: Fate

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, tuple[str, ...]]:
        """Of which kinds it was, under what each is called."""

    @property
    @abstractmethod
    def counts(self) -> Mapping[str, int]:
        """What happened to it, and how often."""

    def __str__(self) -> str:
        kinds = ", ".join(kind for several in self.kinds.values() for kind in several)
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return f"seed {self.seed:6d}  {kinds:<24} {counts:<16} {self.fate}"


OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class SeededRun(ABC, Generic[OutcomeT]):
    """A run, decided by its seed as far as chance allows: when anything happens is never quite the same.

    Parameters
    ----------
    seed
        Of everything that is chosen at random.
    folder
        Where the run's spool and output lie.
    upstream
        The real server behind the run's faulty one.
    """

    def __init__(self, seed: int, folder: Path, upstream: LocalServer) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._folder, self._upstream = folder, upstream
        self._limit = sys.maxsize
        """Frames that the run takes at most; past it the camera goes on, and nothing is taken."""

    @abstractmethod
    def make(self) -> OutcomeT:
        """Make the run, and judge it."""

    @abstractmethod
    def _run(self, rig: Rig, server: FaultyServer) -> None:
        """Let the command take frames, until it has ended in whatever way.

        Raises
        ------
        AssertionError
            If what it said at its end is not so.
        """

    @abstractmethod
    def _disturb_recovery(self, rig: Rig, server: FaultyServer) -> None:
        """Make a recovery, or none, that does not come to its end."""

    def _see_through(self, rig: Rig, server: FaultyServer) -> Fate:
        """Run, recover, and compare the store with what the camera gave."""
        begun = time.monotonic()
        stored, recoveries, failure = 0, 0, None
        try:
            self._run(rig, server)
            self._disturb_recovery(rig, server)
            server.heal()
            recoveries = self._recover(rig)
            taken = self._taken(rig)
            stored = rig.expect_delivered(taken, min(taken + 1, self._limit))
            if rig.archive is not None:
                rig.expect_archived(stored)
            left = [path.parent.name for path in rig.waiting()]
            assert not left, f"left behind in the spool: {left}"
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failure = str(error)
        finally:
            rig.end()
        return Fate(self._taken(rig), stored, recoveries, time.monotonic() - begun, failure)

    def _taken(self, rig: Rig) -> int:
        return min(rig.frames_taken, self._limit)

    @staticmethod
    def _recover(rig: Rig) -> int:
        for number in range(1, RECOVERIES + 1):
            ended = rig.recover("--drain-timeout", "60")
            if ended.code == DELIVERED:
                return number
        raise AssertionError(f"recover exits {ended.code}: {ended.err or ended.out}")
