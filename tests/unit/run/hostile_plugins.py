"""What plugins do that do their worst at every call, and what a report has to say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.host.guard.camera import CameraLimits
from rheed_acquire.run.report import RunReport

if TYPE_CHECKING:
    pass

FRAMES = 11
LIMITS = CameraLimits(1.0, 1.0, 1.0, 1.0, 0.3, 1.0)


class OwnError(BaseException):
    """What a careless plugin makes its errors of."""


class Mute(Exception):  # noqa: N818 - as a plugin may call it
    """An exception that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise OwnError


Deed = Callable[..., Any]


def raising(error: BaseException) -> Deed:
    def deed(*_: object, **__: object) -> Any:
        raise error

    return deed


def returning(value: object) -> Deed:
    def deed(*_: object, **__: object) -> Any:
        return value

    return deed


RAISED = {
    "OSError": raising(OSError(19, "No such device")),
    "KeyError": raising(KeyError("serial")),
    "SystemExit": raising(SystemExit("bye")),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "OwnError": raising(OwnError("two\nlines")),
    "Mute": raising(Mute()),
}
RETURNED = {"None": returning(None), "text": returning("nonsense"), "number": returning(7.5)}
each_raised = pytest.mark.parametrize("raised", RAISED)


def do(thing: object, method: str, deed: Deed) -> None:
    setattr(thing, method, deed)


def assert_told(report: RunReport, who: str, method: str) -> None:
    """One line of the report names the plugin and the method, and it is one line."""
    lines = [str(one) for one in (*report.problems, *report.warnings)]
    naming = [line for line in lines if who in line and method in line]
    assert len(naming) == 1, lines
    assert all("\n" not in line for line in lines)


def assert_delivered(report: RunReport, streamer: Any, frames: int = FRAMES) -> None:
    assert streamer.frames == list(range(frames))
    assert (report.frames_received, report.frames_pushed, report.adds_up) == (frames, frames, True)


CAMERA, STREAMER = "camera scripted (a test 1.0)", "streamer scripted (a test 1.0)"
