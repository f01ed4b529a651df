"""Raises at whatever call a thread of this project makes, one after the other."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest

import rheed_acquire

SOURCE = str(Path(rheed_acquire.__file__).parent)
GIVING_BACK = ("release", "__exit__", "lock.release", "lock.__exit__", "RLock.release", "RLock.__exit__")
"""Of a lock: what an interpreter cannot do for want of memory, no program can make good."""

Site: TypeAlias = "tuple[str, int, str]"
"""A call: the file and the line that it stands in, and what is called."""


class RaisesOnce:
    """Raises at a call that this project's code makes in a thread, once; at none, it notes them all.

    Parameters
    ----------
    thread
        How the thread's name begins.
    site
        Where to raise; None for nowhere.
    """

    def __init__(self, thread: str, site: Site | None = None) -> None:
        self._thread, self._site = thread, site
        self._lock = threading.Lock()
        self.seen: dict[Site, None] = {}
        self.raised = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            caller, callee = frame, argument.__qualname__
        elif event == "call" and frame.f_back is not None:
            caller, callee = frame.f_back, frame.f_code.co_qualname
        else:
            return
        if not caller.f_code.co_filename.startswith(SOURCE) or callee.endswith(GIVING_BACK):
            return
        site = (caller.f_code.co_filename.removeprefix(SOURCE), caller.f_lineno, callee)
        with self._lock:
            if site == self._site and not self.raised:
                self.raised = True
                raise MemoryError(f"at {site}")
            self.seen.setdefault(site)

    @contextmanager
    def in_new_threads(self) -> Iterator[None]:
        """Be called in the threads of the name that are started meanwhile.

        Not by ``threading.setprofile``, which each new thread heeds: CPython 3.11 ends a thread before it
        begins where another is installing a profile function, which takes time where there is an audit hook.
        """
        run = threading.Thread.run

        def run_watched(thread: threading.Thread) -> None:
            if thread.name.startswith(self._thread):
                with self._lock:
                    sys.setprofile(self)
            run(thread)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "run", run_watched)
            yield


EveryCall: TypeAlias = "Callable[[str, Callable[[RaisesOnce], None]], int]"


@pytest.fixture(autouse=True)
def collected_here() -> Iterator[None]:
    """Collect what a close that was prevented leaves: elsewhere it would be the next test's failure.

    Automatic, and so the last to end: what the servers and streamers of a test hold is let go of before.
    """
    yield
    gc.unfreeze()
    gc.collect()


@pytest.fixture(scope="session")
def every_call() -> EveryCall:
    """Make the run once to see what is called in the threads of a name, and once more for each call.

    Gives the number of calls. Within a run the collector knows only what the run has made, so that it can be
    looked through hundreds of times, however much the tests before have left.
    """

    def make_runs(thread: str, make_run: Callable[[RaisesOnce], None]) -> int:
        watched = RaisesOnce(thread)
        gc.freeze()
        make_run(watched)
        for site in watched.seen:
            raising = RaisesOnce(thread, site)
            gc.freeze()
            try:
                make_run(raising)
            except Exception as error:
                error.add_note(f"with an error raised at {site}")
                raise
        return len(watched.seen)

    return make_runs
