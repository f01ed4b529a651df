"""What becomes of requests for runs: which may begin, end or be marked, and that none is done twice.

Everything here runs in the thread that attends the runs.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.recording.marks import Mark
from rheed_acquire.run.adjustments import Adjustments
from rheed_acquire.run.channels import Channels
from rheed_acquire.run.marks import MarkError, TooManyMarksError
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.asked_runs import AskedRun, AskedRuns
from rheed_acquire.view.conditions import ConditionError, Watch, read_condition
from rheed_acquire.view.interface import STOPPED_FIRST, ProblemCode
from rheed_acquire.view.sent_readings import (
    SentReadingError,
    StrangeReadingError,
    take_sent,
    told_channels,
)

if TYPE_CHECKING:
    from rheed_acquire.regions.regions import Region
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress
    from rheed_acquire.run.report import RunReport

KEPT_ANSWERS = 1_000
AHEAD_MS = 5_000.0
"""How far a client's clock may be off when it says a mark's time."""
_OF_THE_WAY = frozenset({"ask", "key", "origin", "at_ns"})
"""What a question has besides what is asked: a repeated one has others of these."""


_MARKED = {"exposure_us": ("exposure", "us"), "gain": ("gain", None)}
"""By which text and unit a change of the camera is marked."""


class RefusedRequestError(Exception):
    """A request is refused as things stand; the message says why."""

    def __init__(self, status: int, code: ProblemCode, error: str) -> None:
        super().__init__(error)
        self.status, self.code = status, code

    @property
    def body(self) -> dict[str, Any]:
        """As a `rheed_acquire.view.interface.Problem`."""
        return {"code": self.code, "error": str(self)}


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
        self._adjustments = adjustments or Adjustments()
        self.going: AskedRun | None = None
        self.next_run: AskedRun | None = None
        self.last: AskedRun | None = None
        self.has_stopped = False
        self._acquisition: Acquisition | None = None
        self._runs = AskedRuns()
        self._answers: OrderedDict[str, tuple[str, Callable[[], tuple[int, dict[str, Any]]]]] = OrderedDict()

    # ---- what the attending thread tells ---------------------------------------------------------------

    def first_run(self) -> AskedRun:
        """The run that the command begins with."""
        return self._runs.new(self._settings, None, time.perf_counter_ns())

    def follow(self, acquisition: Acquisition, run: AskedRun | None) -> None:
        """Take requests for this acquisition from now on: a run, or a preview."""
        self._acquisition, self.going, self.has_stopped = acquisition, run, False
        if run is not None:
            run.phase = "starting"
            if run.until is not None:
                run.until.since_ns = run.begin_ns  # nothing that it reaches back to ends it
            if self.next_run is run:
                self.next_run = None

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
        waiting, going, names = self.next_run, self.going, {region.name for region in regions}
        assert self._acquisition is not None
        when = None if waiting is None else waiting.when
        if waiting is None or when is None or when.is_met():
            pass
        elif when.region not in (None, *names):
            self.next_run = None
            self._fail(waiting, f"it waited for {when.condition}, and there is no such region now")
        until = None if going is None or going.is_over or going.is_stopped else going.until
        if going is None or until is None or going.phase == "ending":
            return
        if until.is_met():
            self.stop(f"by its condition, {until.condition}")
        elif until.region not in (None, *names):
            going.until = None
            text = f"the run was to end by {until.condition}, and there is no such region now: stop it"
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
        key = question.get("key")
        asked = {name: value for name, value in question.items() if name not in _OF_THE_WAY}
        fingerprint = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key is not None and key in self._answers:
            before, again = self._answers[key]
            if before != fingerprint:
                raise RefusedRequestError(
                    422, "key-reused", "this idempotency key was used for another request"
                )
            return *again(), True
        again = self._do(question, origin)
        if key is not None:
            self._answers[key] = fingerprint, again
            if len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return *again(), False

    def _do(self, question: Mapping[str, Any], origin: str) -> Callable[[], tuple[int, dict[str, Any]]]:
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
        if name is not None and (going is None or name != going.name):
            run = self._find(name)
            if run.is_over:
                return run
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
        """Change exposure or gain of the camera while it runs, and mark that in the run that records.

        Raises
        ------
        RefusedRequestError
            The camera refuses it, or is away.
        """
        acquisition = self._acquisition
        assert acquisition is not None
        try:
            held = acquisition.adjust(changes)
        except CameraSettingError as error:
            raise RefusedRequestError(422, "invalid", str(error)) from None
        except CameraError as error:
            raise RefusedRequestError(409, "camera-away", str(error)) from None
        self._adjustments.note(changes, held)
        done = ", ".join(f"{name} {value:.10g}" for name, value in held.items())
        acquisition.journal.event(f"the camera has {done} from now on, as asked {origin}")
        keeping = self.going if self.going is not None and acquisition.marks.is_open else None
        now_ms = round(process_clock().now_ns() / 1e6, 4)
        for name, value in held.items() if keeping is not None else ():
            text, unit = _MARKED[name]
            try:
                acquisition.marks.add(Mark(now_ms, text, value, unit))
            except MarkError as error:  # the camera is changed all the same, which the run's events say
                acquisition.journal.event(f"the change is not marked: {error}", "warning")
        return {**held, "run": None if keeping is None else keeping.name}

    def mark(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a mark of the run that goes on, on disk.

        Raises
        ------
        RefusedRequestError
            No run records, or another one than was named; or it cannot be kept.
        """
        run, acquisition, name = self.going, self._acquisition, question.get("run")
        if run is None or run.is_over or acquisition is None:
            raise RefusedRequestError(409, "no-run", "there is no run to mark: this is a preview")
        if name is not None and name != run.name:
            raise RefusedRequestError(409, "another-run", f"run {name} is not the one that goes on")
        if not acquisition.marks.is_open:
            state = "is ending" if acquisition.marks.is_closed else "has not begun to record"
            raise RefusedRequestError(409, "run-not-recording", f"run {run.name} {state}")
        arrived_ms = process_clock().utc_ns(int(question["at_ns"])) / 1e6
        said_ms = question.get("time_unix_ms")
        self._refuse_strange_time(said_ms, arrived_ms, run)
        mark = Mark(
            round(arrived_ms if said_ms is None else float(said_ms), 4),
            question["text"],
            question.get("value"),
            question.get("unit") or None,
        )
        try:
            acquisition.marks.add(mark)
        except TooManyMarksError as error:
            raise RefusedRequestError(409, "too-many", f"run {run.name}: {error}") from None
        except MarkError as error:
            if not acquisition.marks.is_open:  # it ended this very moment
                raise RefusedRequestError(409, "run-not-recording", f"run {run.name} is ending") from None
            raise RefusedRequestError(507, "not-kept", f"the mark is not kept: {error}") from None
        return {"run": run.name, **mark.as_json()}

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

    def take_readings(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Take readings that a client has sent; the run that records keeps them.

        Raises
        ------
        RefusedRequestError
            Another run was named, or they cannot be taken.
        """
        acquisition, run = self._acquisition, self.going
        is_kept = run is not None and acquisition is not None and acquisition.marks.is_open
        keeping = run.name if run is not None and is_kept else None
        name = question.get("run")
        if name not in (None, keeping):
            raise RefusedRequestError(409, "another-run", f"run {name} does not record just now")
        try:
            take_sent(self._channels, question["readings"], int(question["at_ns"]))
        except StrangeReadingError as error:
            raise RefusedRequestError(422, "invalid", str(error)) from None
        except SentReadingError as error:
            raise RefusedRequestError(409, "channel-taken", str(error)) from None
        return {"run": keeping, "readings": len(question["readings"])}

    def _refuse_strange_time(self, said_ms: float | None, arrived_ms: float, run: AskedRun) -> None:
        if said_ms is None:
            return
        assert self._acquisition is not None
        began_ms = self._acquisition.marks.began_ms
        if not began_ms - AHEAD_MS <= said_ms <= arrived_ms + AHEAD_MS:
            raise RefusedRequestError(
                422,
                "invalid",
                f"time_unix_ms: {said_ms:.0f} lies outside run {run.name}, which began at {began_ms:.0f}; "
                f"now it is {arrived_ms:.0f}",
            )

    def _watch(self, name: str, text: str | None, asked_ns: int) -> Watch | None:
        """What a run waits for to begin or to end.

        Raises
        ------
        RefusedRequestError
            It is no condition, or can never come true.
        """
        if text is None:
            return None
        try:
            watch = Watch(read_condition(text, process_clock().utc_ns(asked_ns)), asked_ns)
        except ConditionError as error:
            raise RefusedRequestError(422, "invalid", f"{name}: {error}") from None
        acquisition = self._acquisition
        if watch.region is None or acquisition is None:
            return watch
        known = [] if acquisition.tap is None else [region.name for region in acquisition.tap.regions]
        if watch.region not in known:
            told = f"of {', '.join(known)}" if known else "yet: draw it first"
            raise RefusedRequestError(422, "invalid", f"{name}: there is no region {watch.region!r} {told}")
        if name == "when" and acquisition.source is not None and acquisition.source.can_wait:
            text = "a recording begins anew with a run: it has no frame to wait for"
            raise RefusedRequestError(422, "invalid", f"{name}: {text}")
        return watch

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
