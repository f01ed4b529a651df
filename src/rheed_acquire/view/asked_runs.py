"""The runs that a station was asked for: what each is told, and what is known of it.

Everything here runs in the thread that attends the runs.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.recording.marks import Mark, read_marks
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.conditions import Watch
from rheed_acquire.view.interface import Run, RunPhase

if TYPE_CHECKING:
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress
    from rheed_acquire.run.report import RunReport

KEPT_RUNS = 100


@dataclass(slots=True, eq=False)
class AskedRun:
    """A run that a client has asked for, or that the command began with.

    Attributes
    ----------
    settings
        Of the run.
    origin
        How it was asked for, and from where: ``through the interface, from 127.0.0.1:53422``; None for the
        command's own.
    asked_ns
        When it was asked for, as ``time.perf_counter_ns``.
    when, until
        What it waits for to begin, and what ends it; None for nothing.
    is_stopped
        Whether its end was asked for.
    ended
        What became of it.
    folders
        Where its marks lie.
    known
        What was known of it last.
    """

    name: str
    settings: RunSettings
    origin: str | None = None
    asked_ns: int = 0
    when: Watch | None = None
    until: Watch | None = None
    phase: RunPhase = "waiting"
    is_stopped: bool = False
    error: str | None = None
    ended: Run | None = None
    folders: tuple[Path, ...] = ()
    known: Run | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.ended is not None

    @property
    def is_due(self) -> bool:
        """Whether it waits for nothing of its own any more."""
        return self.when is None or self.when.met_ns is not None

    @property
    def begin_ns(self) -> int:
        """When it is to begin, as ``time.perf_counter_ns``: when it was asked for, or ``when`` came true."""
        met_ns = None if self.when is None else self.when.met_ns
        return self.asked_ns if met_ns is None else met_ns

    @property
    def pre_roll_s(self) -> float:
        """How far it reaches back before it was to begin, in seconds."""
        return self.settings.pre_roll

    def view(self) -> Run:
        """Say what is known of it."""
        if self.ended is not None:
            return self.ended
        known = self.known or Run(run=self.name, phase=self.phase, stream_name=self.settings.stream_name)
        conditions = {
            name: None if watch is None else str(watch.condition)
            for name, watch in (("when", self.when), ("until", self.until))
        }
        return known.model_copy(update={"phase": self.phase, "error": self.error, **conditions})

    def note(self, progress: Progress, acquisition: Acquisition) -> None:
        """Note how far it has come."""
        info = progress.info
        if progress.phase == "capturing":
            self.phase = "recording"
        elif acquisition.marks.is_closed:
            self.phase = "ending"
        if info is None:
            return
        self.folders = acquisition.marks.folders
        self.known = Run(
            run=self.name,
            phase=self.phase,
            stream_name=self.settings.stream_name,
            data_id=info.data_id or None,
            started_utc=info.started_utc.isoformat(timespec="milliseconds"),
            output=None if info.output is None else str(info.output),
            archive=None if info.archive_place is None else str(info.archive_place),
            frames=progress.frames_received,
            frames_lost=progress.frames_missing + progress.frames_overrun + progress.frames_not_taken,
            marks=len(acquisition.marks),
        )

    def end(self, report: RunReport, exit_code: int, html: Path | None) -> None:
        """Note what became of it."""
        self.phase = "ended"
        lost = report.frames_dropped_by_camera + report.frames_overrun
        self.ended = self.view().model_copy(
            update={
                "data_id": report.info.data_id or None,
                "frames": report.frames_received,
                "frames_lost": lost + report.frames_rejected + report.frames_not_taken,
                "marks": len(report.marks),
                "exit_code": exit_code,
                "problems": tuple(map(str, report.problems)),
                "warnings": tuple(map(str, report.warnings)),
                "report": None if html is None else str(html),
            }
        )

    def fail(self, error: str) -> None:
        """Note that it could not begin, or has left no report."""
        self.phase, self.error = "failed", error
        self.ended = self.view()

    def marks(self) -> tuple[Mark, ...]:
        """Read the marks of one that is over."""
        for folder in self.folders:
            try:
                return read_marks(folder)
            except OSError:
                continue
        return ()


class AskedRuns:
    """The latest of them, by their names."""

    def __init__(self) -> None:
        self._count = 0
        self._runs: OrderedDict[str, AskedRun] = OrderedDict()

    def new(
        self,
        settings: RunSettings,
        origin: str | None,
        asked_ns: int,
        when: Watch | None = None,
        until: Watch | None = None,
    ) -> AskedRun:
        """Give a run its name."""
        self._count += 1
        # With the time, so that a name of yesterday's station is none of today's.
        name = f"{time.strftime('%y%m%d-%H%M%S', time.gmtime())}-{self._count}"
        run = AskedRun(name, settings, origin, asked_ns, when, until)
        self._runs[run.name] = run
        if len(self._runs) > KEPT_RUNS:
            self._runs.popitem(last=False)
        return run

    def find(self, name: str | None) -> AskedRun | None:
        """Find a run; None where there is none of this name."""
        return None if name is None else self._runs.get(name)
