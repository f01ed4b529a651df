"""Observers: plugins that are told of a run, each in a thread of its own, and never at its cost.

An observer is given a copy of each chunk and takes its time over it; the push does not wait, unless the
frames come from a recording. One that has two chunks before it is given no third: it misses chunks, and the
run's report says which plugin, how many, and how long it takes for one.
"""

from __future__ import annotations

import copy
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.calls import LOOK_S, Patience
from rheed_acquire.system.priority import make_way
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.run.report import Journal, RunInfo, RunReport

logger = logging.getLogger(__name__)

STARTED, COMPLETED, FINISHED = "rheed_run_started", "rheed_chunk_completed", "rheed_run_finished"
AT_ONCE = 2
"""Chunks that an observer may have before it: the one that it is looking at, and the next."""


@dataclass(frozen=True, slots=True)
class ObserverLimits:
    """How long observers are waited for, in seconds.

    Attributes
    ----------
    start_s
        By the first frame, for `rheed_run_started`.
    hook_s
        By the end of a run, for a hook, counted from when it was called.
    last_s
        By the end of a run, for a hook that was called so long ago already.
    """

    start_s: float = 10.0
    hook_s: float = 60.0
    last_s: float = 5.0


LIMITS = ObserverLimits()


@dataclass(frozen=True, slots=True)
class Hook:
    """One observer's function for one hook, and which of the hook's arguments it takes."""

    function: Callable[..., object]
    arguments: tuple[str, ...]


@dataclass(slots=True)
class _Task:
    hook: str
    arguments: dict[str, Any]
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Failures:
    """What went wrong in one hook in the course of a run."""

    first: str
    count: int = 0


class Observer:
    """One plugin's hooks, called in order in a thread of its own for each run.

    Parameters
    ----------
    name
        As messages name the plugin: its distribution and its entry point.
    hooks
        By the hook's name.
    """

    def __init__(self, name: str, hooks: Mapping[str, Hook]) -> None:
        self.name, self._hooks = name, hooks
        self._thread: threading.Thread | None = None
        self._begin()

    def _begin(self) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(AT_ONCE)
        self._now: tuple[str, float] | None = None
        self._failures: dict[str, _Failures] = {}
        self._told, self._missed = 0, 0
        self._missed_in: set[str] = set()
        self._longest_s: dict[str, float] = {}

    def begin(self) -> bool:
        """Get ready for a run; False where it has not come back from an earlier one."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._begin()
        tasks = self._tasks
        self._thread = threading.Thread(
            target=self._serve, args=(tasks,), name=f"observer-{self.name}", daemon=True
        )
        self._thread.start()
        return True

    def has(self, hook: str) -> bool:
        """Whether the plugin implements a hook."""
        return hook in self._hooks

    def tell(self, hook: str, **arguments: Any) -> threading.Event:
        """Call a hook in the observer's thread, after those before it; what is set when it has returned."""
        task = _Task(hook, arguments)
        self._tasks.put(task)
        return task.done

    def takes_a_chunk(self, give_up: Callable[[float], bool] | None) -> bool:
        """Whether it has time for another chunk; where not, it misses this one.

        Parameters
        ----------
        give_up
            Asked now and then whether to wait no longer, with how long the hook that is running has been;
            None where the run cannot wait at all.
        """
        while not self._room.acquire(timeout=0 if give_up is None else LOOK_S):
            if give_up is None or give_up(self.busy_s):
                now = self._now
                self._missed_in.add(COMPLETED if now is None else now[0])
                self._missed += 1
                return False
        return True

    def misses(self) -> None:
        """Take back what `takes_a_chunk` said: there is no chunk for it."""
        self._missed += 1
        self._room.release()

    def end(self) -> None:
        """Call no further hook after those that wait."""
        self._tasks.put(None)

    @property
    def busy_s(self) -> float:
        """For how many seconds the hook that is running has been; 0 where none is."""
        now = self._now
        return 0.0 if now is None else time.monotonic() - now[1]

    def slowness(self) -> str | None:
        """Say how long it took for a chunk, or to begin, where it was too slow for some chunks."""
        if not self._missed:
            return None
        now, found = self._now, []
        for hook in sorted(self._missed_in or {COMPLETED}, reverse=True):  # in the order of their calls
            running_s = self.busy_s if now is not None and now[0] == hook else 0.0
            longest_s = max(self._longest_s.get(hook, 0.0), running_s)
            found.append(
                f"up to {longest_s:.2g} s for a chunk"
                if hook == COMPLETED
                else f"{longest_s:.2g} s in {hook}"
            )
        return f"plugin {self.name} took {' and '.join(found)}"

    def findings(self) -> Iterable[tuple[FindingCode, str]]:
        """What the run's report has to say of it."""
        for hook, failures in list(self._failures.items()):
            times = f" {failures.count} times, first with" if failures.count > 1 else ":"
            yield (
                FindingCode.OBSERVER_FAILED,
                f"plugin {self.name} failed in {hook}{times} {failures.first}",
            )
        slowness = self.slowness()
        if slowness is not None:
            seen = self._told + self._missed
            yield FindingCode.OBSERVER_SLOW, f"{slowness} and missed {self._missed} of {seen} chunks"
        now = self._now
        if now is not None:
            text = f"plugin {self.name} did not return from {now[0]} within {self.busy_s:.2g} s"
            yield FindingCode.OBSERVER_HANGS, f"{text} and was left behind"

    def _serve(self, tasks: queue.SimpleQueue[_Task | None]) -> None:
        make_way()
        while (task := tasks.get()) is not None:
            if self.has(task.hook):
                self._call(task)
            task.done.set()

    def _call(self, task: _Task) -> None:
        hook = self._hooks[task.hook]
        begun_s = time.monotonic()
        self._now = (task.hook, begun_s)
        try:
            hook.function(*(task.arguments[name] for name in hook.arguments))
        # Nothing but the plugin raises in its thread: a SystemExit or KeyboardInterrupt is its own too.
        except BaseException as error:  # noqa: BLE001
            self._note(task.hook, error)
        finally:
            self._now = None
            lasted_s = time.monotonic() - begun_s
            self._longest_s[task.hook] = max(self._longest_s.get(task.hook, 0.0), lasted_s)
            if task.hook == COMPLETED:
                self._told += 1
                self._room.release()

    def _note(self, hook: str, error: BaseException) -> None:
        reason = told(error)
        known = self._failures.setdefault(hook, _Failures(reason))
        known.count += 1
        logger.error("plugin %s failed in %s: %s", self.name, hook, reason)
        logger.debug("plugin %s", self.name, exc_info=error)


class Observers:
    """All observers of a host, told of one run after another.

    Parameters
    ----------
    observers
        Whoever implements one of the hooks.
    patience
        Whether the user still waits for them.
    limits
        How long they are waited for.
    """

    def __init__(
        self,
        observers: Iterable[Observer] = (),
        patience: Patience | None = None,
        limits: ObserverLimits = LIMITS,
    ) -> None:
        self._all, self._limits = tuple(observers), limits
        self._patience = patience or Patience()
        self._present: list[Observer] = []

    def started(self, run: RunInfo, journal: Journal, give_up: Callable[[], bool] = lambda: False) -> None:
        """Tell all that a run has begun, and give them a moment, unless the run is over already."""
        self._present = []
        for observer in self._all:
            if observer.begin():
                self._present.append(observer)
            else:
                journal.warn(
                    FindingCode.OBSERVER_HANGS,
                    f"plugin {observer.name} has not returned from a hook of an earlier run and is left out",
                )
        ends_s = time.monotonic() + self._limits.start_s
        told_all = [(observer, observer.tell(STARTED, run=run)) for observer in self._present]
        for observer, done in told_all:
            if not self._patience.wait(done, max(0.0, ends_s - time.monotonic()), give_up):
                journal.event(f"plugin {observer.name} is still in {STARTED}: the run begins without it")

    def completed(self, run: RunInfo, chunk: Chunk, journal: Journal) -> None:
        """Tell of a chunk, which may be pushed as soon as this returns.

        Waits for an observer only where the source can wait too, as a recording can.
        """
        give_up = self._gives_up if run.camera.can_wait else None
        ready = [one for one in self._present if one.has(COMPLETED) and one.takes_a_chunk(give_up)]
        if not ready:
            return
        from rheed_acquire.host.guard.observed_chunk import ObservedChunk

        try:
            shown = ObservedChunk.of(chunk)
        except MemoryError:
            journal.event(f"no memory to show chunk {chunk.index} to the observers", "warning")
            for observer in ready:
                observer.misses()
            return
        for observer in ready:
            observer.tell(COMPLETED, run=run, chunk=shown)

    def finished(self, run: RunInfo, report: RunReport, journal: Journal) -> None:
        """Tell all how the run ended, wait for them, and note what is to be said of them."""
        told_all = [(one, one.tell(FINISHED, run=run, report=_own_copy(report))) for one in self._present]
        self._end()
        for observer, done in told_all:
            begun_s = time.monotonic()
            while not self._patience.wait(done, LOOK_S):
                has_had_time = time.monotonic() - begun_s > self._limits.last_s
                if self._patience.is_over or (has_had_time and observer.busy_s > self._limits.hook_s):
                    break
            for code, text in observer.findings():
                journal.warn(code, text)

    def slowness(self) -> list[str]:
        """Say of each observer that missed chunks how long it took for one."""
        return [text for one in self._present if (text := one.slowness()) is not None]

    def abandon(self) -> None:
        """Let the threads end without telling how the run ended: it never began."""
        self._end()
        self._present = []

    def _gives_up(self, busy_s: float) -> bool:
        return self._patience.is_over or busy_s > self._limits.hook_s

    def _end(self) -> None:
        for observer in self._present:
            observer.end()


def _own_copy(report: RunReport) -> RunReport:
    """Make a report that an observer may do with as it likes."""
    return replace(
        report,
        events=list(report.events),
        problems=list(report.problems),
        warnings=list(report.warnings),
        camera_statistics=dict(report.camera_statistics),
        delivery=copy.deepcopy(report.delivery),
    )
