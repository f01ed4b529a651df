"""What runs wait for, before a camera: refused where it can never come true, its lines looked at."""

from __future__ import annotations

import time
from collections.abc import Set
from typing import TYPE_CHECKING

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.view.conditions import ConditionError, Watch, read_condition
from rheed_acquire.view.refusal import RefusedRequestError

if TYPE_CHECKING:
    from rheed_acquire.run.acquisition import Acquisition


def watch_for(
    name: str, text: str, asked_ns: int, acquisition: Acquisition | None, with_camera: Acquisition | None
) -> Watch:
    """Begin to watch for a condition.

    Parameters
    ----------
    name
        What it is of a request: ``when`` or ``until``.
    asked_ns
        When it was asked for, as ``time.perf_counter_ns``.
    acquisition
        Whose regions are followed.
    with_camera
        By which the camera can be asked.

    Raises
    ------
    RefusedRequestError
        It is no condition, or can never come true.
    """
    try:
        watch = Watch(read_condition(text, process_clock().utc_ns(asked_ns)), asked_ns)
        if watch.line is not None and with_camera is not None:
            _level(watch.line, with_camera)
    except (ConditionError, CameraSettingError) as error:
        raise RefusedRequestError(422, "invalid", f"{name}: {error}") from None
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


def look_on(watch: Watch, regions: Set[str], with_camera: Acquisition | None) -> str | None:
    """Ask the camera for the line that is watched; why the condition cannot come true any more, if so.

    Parameters
    ----------
    regions
        Names of those that are followed.
    with_camera
        None where the line does not count yet.
    """
    if watch.region not in (None, *regions):
        return "there is no such region now"
    if watch.line is not None and with_camera is not None:
        asked_ns = time.perf_counter_ns()
        try:
            is_high = _level(watch.line, with_camera)
        except CameraSettingError as error:
            return str(error)
        if is_high is not None:
            watch.see_line(asked_ns, is_high=is_high)
    return None


def _level(line: str, with_camera: Acquisition) -> bool | None:
    """Whether a line is high; None while the camera is away, or does not answer."""
    try:
        return with_camera.line_is_high(line)
    except CameraSettingError:
        raise
    except CameraError:  # whoever attends the camera says so
        return None
