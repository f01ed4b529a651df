"""What belongs to one process: in a fork of it there are no threads behind it, and its memory is shared.

A child that a process is forked into finds copies of all objects, and none of the threads behind them. What
it gave to a streamer would lie in memory that is the parent's ring as well, in place of the parent's frames.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

from rheed_acquire.errors import RheedAcquireError


class ForkedError(RheedAcquireError):
    """Something was used in a process that it does not belong to."""


class Disowned(Protocol):
    """What has to let go of what it holds where it finds itself in a fork."""

    def disown(self) -> None:
        """Let go of it, touching nothing that the parent uses."""


_forks = 0
"""How many forks lie between this process and the one that was started: no look-up needs the system."""
_to_disown: WeakSet[Disowned] = WeakSet()


class HomeProcess:
    """Remembers the process in which it was made.

    Parameters
    ----------
    what
        It is for, as it begins a sentence.
    """

    __slots__ = ("_forks", "_pid", "_what")

    def __init__(self, what: str) -> None:
        self._what, self._pid, self._forks = what, os.getpid(), _forks

    @property
    def is_here(self) -> bool:
        """Whether this is that process."""
        return self._forks == _forks

    def check(self) -> None:
        """Raise ForkedError in any other process."""
        if self._forks != _forks:
            raise ForkedError(
                f"{self._what} belongs to process {self._pid}, and this process ({os.getpid()}) is a fork of "
                'it, which has none of its threads: start processes by the start method "spawn" '
                '(multiprocessing.get_context("spawn")), and make a streamer of its own in each'
            )


def disown_in_forks(owner: Disowned) -> None:
    """Have `Disowned.disown` called in every process that this one is forked into."""
    _to_disown.add(owner)


def _has_forked() -> None:
    global _forks
    _forks += 1
    for owner in list(_to_disown):
        owner.disown()
    _to_disown.clear()


if hasattr(os, "register_at_fork"):  # where there is none, no process forks
    os.register_at_fork(after_in_child=_has_forked)
