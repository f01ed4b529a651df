"""What clients have noted in the run that goes on: marks, changes of the camera, readings of instruments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.recording.marks import Mark
from rheed_acquire.run.channels import Channels
from rheed_acquire.run.marks import MarkError, TooManyMarksError
from rheed_acquire.view.asked_runs import AskedRun
from rheed_acquire.view.refusal import RefusedRequestError
from rheed_acquire.view.sent_readings import SentReadingError, StrangeReadingError, take_sent

if TYPE_CHECKING:
    from rheed_acquire.run.acquisition import Acquisition

AHEAD_MS = 5_000.0
"""How far a client's clock may be off when it says a mark's time."""
_MARKED = {"exposure_us": ("exposure", "us"), "gain": ("gain", None)}
"""By which text and unit a change of the camera is marked."""


def keep_mark(
    run: AskedRun | None, acquisition: Acquisition | None, question: Mapping[str, Any]
) -> dict[str, Any]:
    """Keep a mark of the run that goes on, on disk.

    Raises
    ------
    RefusedRequestError
        No run records, or another one than was named; or it cannot be kept.
    """
    name = question.get("run")
    if run is None or run.is_over or acquisition is None:
        raise RefusedRequestError(409, "no-run", "there is no run to mark: this is a preview")
    if name is not None and name != run.name:
        raise RefusedRequestError(409, "another-run", f"run {name} is not the one that goes on")
    if not acquisition.marks.is_open:
        state = "is ending" if acquisition.marks.is_closed else "has not begun to record"
        raise RefusedRequestError(409, "run-not-recording", f"run {run.name} {state}")
    # It may have been asked for while the run was being opened.
    arrived_ms = max(process_clock().utc_ns(int(question["at_ns"])) / 1e6, acquisition.marks.began_ms)
    said_ms = question.get("time_unix_ms")
    _refuse_strange_time(said_ms, arrived_ms, run, acquisition)
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


def change_camera(
    run: AskedRun | None, acquisition: Acquisition, changes: Mapping[str, float], origin: str
) -> dict[str, Any]:
    """Change exposure or gain of the camera while it runs, and mark that in the run that records.

    Raises
    ------
    RefusedRequestError
        The camera refuses it, or is away.
    """
    try:
        held = acquisition.adjust(changes)
    except CameraSettingError as error:
        raise RefusedRequestError(422, "invalid", str(error)) from None
    except CameraError as error:
        raise RefusedRequestError(409, "camera-away", str(error)) from None
    marked = [(*_MARKED[name], value) for name, value in held.items()]
    done = ", ".join(f"{text} {value:.10g}{f' {unit}' if unit else ''}" for text, unit, value in marked)
    acquisition.journal.event(f"the camera has {done} from now on, as asked {origin}")
    keeping = run if run is not None and acquisition.marks.is_open else None
    now_ms = round(process_clock().now_ns() / 1e6, 4)
    for text, unit, value in marked if keeping is not None else ():
        try:
            acquisition.marks.add(Mark(now_ms, text, value, unit))
        except MarkError as error:  # the camera is changed all the same, which the run's events say
            acquisition.journal.event(f"the change is not marked: {error}", "warning")
    return {**held, "run": None if keeping is None else keeping.name}


def keep_readings(
    run: AskedRun | None,
    acquisition: Acquisition | None,
    channels: Channels,
    question: Mapping[str, Any],
) -> dict[str, Any]:
    """Take readings that a client has sent; the run that records keeps them.

    Raises
    ------
    RefusedRequestError
        Another run was named, or they cannot be taken.
    """
    is_kept = run is not None and acquisition is not None and acquisition.marks.is_open
    keeping = run.name if run is not None and is_kept else None
    name = question.get("run")
    if name not in (None, keeping):
        raise RefusedRequestError(409, "another-run", f"run {name} does not record just now")
    try:
        take_sent(channels, question["readings"], int(question["at_ns"]))
    except StrangeReadingError as error:
        raise RefusedRequestError(422, "invalid", str(error)) from None
    except SentReadingError as error:
        raise RefusedRequestError(409, "channel-taken", str(error)) from None
    return {"run": keeping, "readings": len(question["readings"])}


def _refuse_strange_time(
    said_ms: float | None, arrived_ms: float, run: AskedRun, acquisition: Acquisition
) -> None:
    if said_ms is None:
        return
    began_ms = acquisition.marks.began_ms
    if not began_ms - AHEAD_MS <= said_ms <= arrived_ms + AHEAD_MS:
        raise RefusedRequestError(
            422,
            "invalid",
            f"time_unix_ms: {said_ms:.0f} lies outside run {run.name}, which began at {began_ms:.0f}; "
            f"now it is {arrived_ms:.0f}",
        )
