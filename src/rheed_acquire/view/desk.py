"""What becomes of requests for runs: which may begin, end or be marked, and that none is done twice.

Everything here runs in the thread that attends the runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rheed_acquire.run.adjustments import Adjustments
from rheed_acquire.run.channels import Channels
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.answers import Again, Answers, ReusedKeyError
from rheed_acquire.view.asked_runs import AskedRun, AskedRuns
from rheed_acquire.view.conditions import Watch
from rheed_acquire.view.interface import STOPPED_FIRST
from rheed_acquire.view.noting import change_camera, keep_mark, keep_readings
from rheed_acquire.view.refusal import RefusedRequestError
from rheed_acquire.view.sent_readings import told_channels
from rheed_acquire.view.watches import look_on, watch_for

if TYPE_CHECKING:
    from rheed_acquire.regions.regions import Region
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress
    from rheed_acquire.run.report import RunReport

_OF_THE_WAY = frozenset({"ask", "key", "origin", "at_ns"})
"""What a question has besides what is asked: a repeated one has others of these."""


class Desk:
    """Takes requests, one after another, and knows the runs that they are about.

    Parameters
    ----------
    settings
        Of the command, by which each run goes but for what it is told.
    channels
        Other instruments, by default those alone whose readings are sent.
    adjustments
        Remembers what is changed of the camera.

    Attributes
    ----------
    going
        The run that goes on; None in a preview.
    next_run
        The one that begins when it is due and the run that goes on has ended.
    last
        The one that ended last.
    has_stopped
        Whether the end of this run was asked for.
    """

    def __init__(
        self,
        settings: RunSettings,
        channels: Channels | None = None,
        adjustments: Adjustments | None = None,
    ) -> None:
        self._settings, self._channels = settings, channels or Channels()
        self.adjustments = adjustments or Adjustments()
        self.going: AskedRun | None = None
        self.next_run: AskedRun | None = None
        self.last: AskedRun | None = None
        self.has_stopped = False
        self._acquisition: Acquisition | None = None
        self._preview: Acquisition | None = None
        self._runs = AskedRuns()
        self._answers = Answers()

    # ---- what the attending thread tells ---------------------------------------------------------------

    def first_run(self) -> AskedRun:
        """The run that the command begins with."""
        return self._runs.new(self._settings, None, time.perf_counter_ns())

    def follow(self, acquisition: Acquisition, run: AskedRun | None) -> None:
        """Take requests for this acquisition from now on: a run, or a preview."""
        self._acquisition, self.going, self.has_stopped = acquisition, run, False
        if run is None:
            self._preview = acquisition
        else:
            run.phase = "starting"
            if run.until is not None:
                run.until.since_ns = run.begin_ns  # nothing that it reaches back to ends it
            if self.next_run is run:
                self.next_run = None

    @property
    def with_camera(self) -> Acquisition | None:
        """The acquisition that has the camera: the preview behind a run that is delivered or over."""
        going = self.going
        has_captured = going is not None and (going.phase == "ending" or going.is_over)
        return self._preview if has_captured and self._preview is not None else self._acquisition

    def update(self, progress: Progress) -> None:
        """Note how far the run has come that goes on."""
        run, acquisition = self.going, self._acquisition
        if run is not None and not run.is_over and acquisition is not None:
            run.note(progress, acquisition)

    def end(self, report: RunReport, exit_code: int, html: Path | None) -> None:
        """Note what became of the run that went on."""
        assert self.going is not None
        self.going.end(report, exit_code, html)
        self.last = self.going

    def fail(self, error: str) -> None:
        """Note that the run that went on could not begin, or has left no report."""
        assert self.going is not None
        self._fail(self.going, error)

    def heed(self, regions: Sequence[Region]) -> None:
        """Begin and end what waits for conditions that have come true; called often.

        Parameters
        ----------
        regions
            Those that are followed.
        """
        names = {region.name for region in regions}
        self._heed_when(names)
        self._heed_until(names)

    def _heed_when(self, regions: Set[str]) -> None:
        waiting = self.next_run
        when = None if waiting is None else waiting.when
        if waiting is None or when is None or when.is_met():
            return
        trouble = look_on(when, regions, self.with_camera)
        if trouble is not None:
            self.next_run = None
            self._fail(waiting, f"it waited for {when.condition}, and {trouble}")

    def _heed_until(self, regions: Set[str]) -> None:
        going = self.going
        until = None if going is None else going.until
        if going is None or until is None or going.is_over or going.is_stopped or going.phase == "ending":
            return
        assert self._acquisition is not None
        trouble = look_on(until, regions, self._acquisition if going.phase == "recording" else None)
        if until.is_met():
            self.stop(f"by its condition, {until.condition}")
        elif trouble is not None:
            going.until = None
            text = f"the run was to end by {until.condition}, and {trouble}: stop it"
            self._acquisition.journal.event(text, "warning")

    @property
    def is_called(self) -> bool:
        """Whether the preview is to make way for a run."""
        return self.due_run is not None and self.going is None

    @property
    def due_run(self) -> AskedRun | None:
        """The one that begins now, or when the run that goes on has ended; None where it waits for more."""
        return None if self.next_run is None or not self.next_run.is_due else self.next_run

    # ---- requests --------------------------------------------------------------------------------------

    def answer(self, question: Mapping[str, Any], origin: str) -> tuple[int, dict[str, Any], bool]:
        """Do what a client of the interface asks for, once for each key.

        Returns
        -------
        status
            As of HTTP.
        body
            As JSON has it.
        is_replayed
            Whether it was done before, and nothing now.

        Raises
        ------
        RefusedRequestError
            It cannot be done as things stand.
        """
        asked = {name: value for name, value in question.items() if name not in _OF_THE_WAY}
        try:
            return self._answers.once(question.get("key"), asked, lambda: self._do(question, origin))
        except ReusedKeyError as error:
            raise RefusedRequestError(422, "key-reused", str(error)) from None

    def _do(self, question: Mapping[str, Any], origin: str) -> Again:
        match question.get("do"):
            case "start":
                run = self.start(question["settings"], origin, int(question["at_ns"]))
                return lambda: (202, _as_json(run))
            case "stop":
                run = self.stop(origin, question.get("run"))
                return lambda: (202, _as_json(run))
            case "adjust":
                held = self.adjust(question["changes"], origin)
                return lambda: (200, held)
            case "mark":
                body = self.mark(question)
                return lambda: (201, body)
            case "marks":
                marks = self.marks(question.get("run"))
                return lambda: (200, marks)
            case "readings":
                taken = self.take_readings(question)
                return lambda: (201, taken)
            case "channels":
                told = told_channels(self._channels, float(question["since"]))
                return lambda: (200, told)
            case "run":
                run = self._find(question.get("run"))
                return lambda: (200, _as_json(run))
        raise RefusedRequestError(422, "invalid", f"there is nothing to do as {question.get('do')!r}")

    def start(self, changes: Mapping[str, Any], origin: str, asked_ns: int) -> AskedRun:
        """Have a run begin: now, or when the one has ended that is ending.

        Parameters
        ----------
        changes
            Settings that differ from the command's.
        asked_ns
            When it was asked for, as ``time.perf_counter_ns``.

        Raises
        ------
        RefusedRequestError
            Another run goes on or waits, or these are no settings for one.
        """
        wanted = dict(changes)
        when, until = (self._watch(name, wanted.pop(name, None), asked_ns) for name in ("when", "until"))
        settings = self._told(wanted)
        waiting = self.next_run
        if waiting is not None:
            does = "is about to begin" if waiting.is_due else f"waits already for {waiting.view().when}"
            raise RefusedRequestError(409, "run-waiting", f"run {waiting.name} {does}")
        going = self.going
        if going is not None and not (going.is_over or going.is_stopped or going.phase == "ending"):
            raise RefusedRequestError(
                409, "run-going-on", "a run is going on: stop it before you start another"
            )
        run = self.next_run = self._runs.new(settings, origin, asked_ns, when, until)
        if when is not None and self._acquisition is not None:
            self._acquisition.journal.event(f"run {run.name} waits for {when.condition}, as asked {origin}")
        return run

    def stop(self, origin: str, name: str | None = None) -> AskedRun:
        """Have the run end that goes on, or the one not begin that waits; again it changes nothing.

        Raises
        ------
        RefusedRequestError
            There is none, or another one than was named.
        """
        waiting, going = self.next_run, self.going
        if waiting is not None and name in (None, waiting.name):
            self.next_run = None
            self._fail(waiting, STOPPED_FIRST)
            if waiting.when is not None and self._acquisition is not None:
                self._acquisition.journal.event(f"run {waiting.name} waits no more, as asked {origin}")
            return waiting
        named = None if name is None else self._find(name)
        if named is not None and named.is_over:
            return named
        if named is not None and named is not going:
            raise RefusedRequestError(409, "another-run", f"run {name} is not the one that goes on")
        if going is None or going.is_over:
            raise RefusedRequestError(409, "no-run", "there is no run to stop: this is a preview")
        assert self._acquisition is not None
        if not going.is_stopped and going.phase != "ending":
            self._acquisition.journal.event(f"stopped {origin}")
        going.is_stopped = self.has_stopped = True
        self._acquisition.stop()
        return going

    def adjust(self, changes: Mapping[str, float], origin: str) -> dict[str, Any]:
        """Change exposure or gain of the camera while it runs; see `rheed_acquire.view.noting`."""
        acquisition = self.with_camera
        assert acquisition is not None
        recording = self.going if acquisition is self._acquisition else None
        held = change_camera(recording, acquisition, changes, origin)
        self.adjustments.note(changes)
        return held

    def mark(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a mark of the run that goes on, on disk; see `rheed_acquire.view.noting`."""
        return keep_mark(self.going, self._acquisition, question)

    def take_readings(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Take readings that a client has sent; see `rheed_acquire.view.noting`."""
        return keep_readings(self.going, self._acquisition, self._channels, question)

    def marks(self, name: str | None) -> dict[str, Any]:
        """The marks of a run; without a name, of the one that goes on or ended last."""
        run = (self.going or self.last) if name is None else self._find(name)
        if run is None:
            return {"run": None, "marks": []}
        if run is self.going and self._acquisition is not None:
            marks = self._acquisition.marks.items
        else:
            marks = run.marks()
        return {"run": run.name, "marks": [{"run": run.name, **mark.as_json()} for mark in marks]}

    def _watch(self, name: str, text: str | None, asked_ns: int) -> Watch | None:
        return None if text is None else watch_for(name, text, asked_ns, self._acquisition, self.with_camera)

    def _told(self, changes: Mapping[str, Any]) -> RunSettings:
        """The command's settings, with what a request changes."""
        wanted = dict(changes)
        if "pre_roll_s" in wanted:
            wanted["pre_roll"] = wanted.pop("pre_roll_s")
        if "archive" in wanted:
            keeps = wanted.pop("archive")
            if keeps and self._settings.archive is None:
                raise RefusedRequestError(
                    422,
                    "no-archive",
                    "archive: the station has none: it was started without --archive DIR",
                )
            if not keeps:
                wanted["archive"] = None
        fields = {name: getattr(self._settings, name) for name in RunSettings.model_fields}
        try:
            return RunSettings.model_validate(fields | wanted)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise RefusedRequestError(
                422, "invalid", f"{f'{place}: ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
            ) from None

    def _find(self, name: str | None) -> AskedRun:
        run = self._runs.find(name)
        if run is None:
            raise RefusedRequestError(404, "not-found", f"there is no run {name!r} here")
        return run

    def _fail(self, run: AskedRun, error: str) -> None:
        run.fail(error)
        self.last = run


def _as_json(run: AskedRun) -> dict[str, Any]:
    return run.view().model_dump(mode="json")
