"""The readings of one run's channels, while it goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rheed_acquire.channels.channel import Reading
from rheed_acquire.findings import FindingCode
from rheed_acquire.recording.readings import Batch, ChannelSummary, append_readings
from rheed_acquire.run.report import Journal
from rheed_acquire.system.priority import make_way

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
"""How often what has come is written and synced: what a power cut or a kill may take."""
MOST_READINGS = 4_000_000
"""Of one run, all channels together: one at 100 Hz has as many in eleven hours."""
MOST_WAITING = 100_000
"""Readings of one channel that wait for a disk."""


@dataclass(slots=True)
class _Tally:
    """What became of one channel in the run."""

    unit: str | None
    kept: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Folder:
    """A folder of the run, and what is to be written there."""

    path: Path
    waiting: dict[str, tuple[str | None, list[float], list[float]]] = field(default_factory=dict)
    is_refused: bool = False


class RunReadings:
    """Takes what channels read from the run's first moment to its last, and writes it once a second.

    Any thread may use it; none waits for a disk.

    Parameters
    ----------
    on_second
        Called once a second while it is open, in the thread that writes.
    """

    def __init__(self, on_second: Callable[[RunReadings], object] = lambda run: None) -> None:  # noqa: ARG005
        self._on_second = on_second
        self._lock = threading.Lock()
        self._folders: tuple[_Folder, ...] = ()
        self._journal: Journal | None = None
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self._tallies: dict[str, _Tally] = {}
        self._noted: set[tuple[str, str]] = set()
        self._total = 0
        self._is_full = False

    @property
    def is_open(self) -> bool:
        """Whether `add` takes readings."""
        return self._journal is not None and not self._ends.is_set()

    @property
    def is_closed(self) -> bool:
        """Whether the run is ending."""
        return self._ends.is_set()

    def begin(self, folders: Iterable[Path], journal: Journal) -> None:
        """Take readings from now on, keep them in each of these folders, and note here what goes wrong."""
        with self._lock:
            self._folders = tuple(_Folder(path) for path in dict.fromkeys(folders))
            self._journal = journal
        self._thread = threading.Thread(target=self._write_on, name="readings", daemon=True)
        self._thread.start()

    def add(self, name: str, unit: str | None, readings: Sequence[Reading]) -> None:
        """Take readings, each with its time. Nothing happens before `begin` and after `close`."""
        with self._lock:
            if not readings or not self.is_open:
                return
            room = MOST_READINGS - self._total
            taken = readings[: max(room, 0)]
            is_first_too_many = len(taken) < len(readings) and not self._is_full
            self._is_full |= is_first_too_many
            self._total += len(taken)
            tally = self._tallies.setdefault(name, _Tally(unit))
            tally.unit = tally.unit or unit
            tally.kept += len(taken)
            for folder in self._folders:
                _, times, values = folder.waiting.setdefault(name, (tally.unit, [], []))
                if len(times) < MOST_WAITING:  # else the disk hangs, or has refused them for long
                    times += [reading.time_unix_ms or 0.0 for reading in taken]
                    values += [reading.value for reading in taken]
        if is_first_too_many:
            self._warn(
                FindingCode.READINGS_NOT_KEPT,
                f"the run has {MOST_READINGS:,} readings of its channels, and takes no more",
            )

    def fail(self, name: str, unit: str | None, who: str, why: str) -> None:
        """Count that a channel could not be read; the first time of each channel is a warning."""
        with self._lock:
            if not self.is_open:
                return
            tally = self._tallies.setdefault(name, _Tally(unit))
            tally.failed += 1
            is_first = tally.failed == 1
        if is_first:
            self._warn(FindingCode.CHANNEL_FAILED, f"{name}, of {who}, cannot be read: {why}")

    def miss(self, name: str, unit: str | None, who: str, why: str) -> None:
        """Warn once that there is nothing of a channel; it may be told again and again."""
        with self._lock:
            is_known = name in self._tallies and self._tallies[name].failed > 0
        if not is_known:
            self.fail(name, unit, who, why)

    def note(self, who: str, why: str) -> None:
        """Warn once of a plugin whose channels there are not."""
        with self._lock:
            is_new = (who, why) not in self._noted
            self._noted.add((who, why))
        if is_new:
            self._warn(FindingCode.CHANNEL_FAILED, f"{who}: {why}")

    def close(self) -> None:
        """Take no more, and write what is left."""
        with self._lock:
            self._ends.set()
        if self._thread is not None:
            # A disk that hangs is left behind with its thread.
            self._thread.join(FLUSH_S * 10)
            self._thread = None

    @property
    def summaries(self) -> tuple[ChannelSummary, ...]:
        """What has been taken of each channel, in the order in which they came."""
        with self._lock:
            return tuple(
                ChannelSummary(name, tally.unit, tally.kept, tally.failed)
                for name, tally in self._tallies.items()
            )

    def _write_on(self) -> None:
        make_way()
        self._on_second(self)
        while not self._ends.wait(FLUSH_S):
            self._on_second(self)
            self._write()
        self._write()

    def _write(self) -> None:
        for folder in self._folders:
            with self._lock:
                waiting, folder.waiting = folder.waiting, {}
            if not waiting:
                continue
            batches = [Batch(name, unit, times, values) for name, (unit, times, values) in waiting.items()]
            try:
                append_readings(folder.path, batches)
                folder.is_refused = False
            except OSError as error:
                self._keep_waiting(folder, waiting)
                if not folder.is_refused:
                    folder.is_refused = True
                    why = error.strerror or error
                    self._warn(
                        FindingCode.READINGS_NOT_KEPT,
                        f"readings could not be written in {folder.path} for a while: {why}",
                    )

    def _keep_waiting(
        self, folder: _Folder, waiting: dict[str, tuple[str | None, list[float], list[float]]]
    ) -> None:
        """Put back what a disk has refused."""
        with self._lock:
            for name, (unit, times, values) in waiting.items():
                _, more_times, more_values = folder.waiting.get(name, (unit, [], []))
                folder.waiting[name] = (unit, times + more_times, values + more_values)

    def _warn(self, code: FindingCode, text: str) -> None:
        if self._journal is not None:
            self._journal.warn(code, text)
