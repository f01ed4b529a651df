"""Calls into a camera that can neither hang a test nor raise what no rule explains."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from rheed_acquire.cameras.camera import Camera
from rheed_acquire.testing.rules import ContractBreachError, Rule, broken, told

LIMIT_S = 30.0
"""After which something that should have happened is a failure: a limit for hangs, not a speed."""
PARTING_S = 2.0
"""How long a camera that has broken a rule is given to close."""

Answer = TypeVar("Answer")

abandoned: list[Camera] = []
"""Cameras that did not return from a call: nobody can close them, and their devices are still taken."""


class HangError(ContractBreachError):
    """A call has not returned."""


def within(call: Callable[[], Answer], rule: Rule, name: str, limit_s: float | None = None) -> Answer:
    """Make a call that has to return, from a thread of its own, as a run does; by default within `LIMIT_S`.

    Raises
    ------
    ContractBreachError
        It has raised, or (`HangError`) not returned.
    """
    limit_s = LIMIT_S if limit_s is None else limit_s
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def make() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=make, name=f"contract-{name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise HangError(told(rule, f"{name} has not returned within {limit_s:g} s"))
    if errors and isinstance(errors[0], ContractBreachError):
        raise errors[0]
    if errors:
        broken(rule, f"{name} raised {errors[0]!r}")
    return answers[0]


@contextlib.contextmanager
def opened(open_camera: Callable[[], Camera]) -> Iterator[Camera]:
    """Open a camera and close it, also where it has broken a rule; one that hangs is left behind."""
    camera = open_camera()
    try:
        yield camera
    except HangError:
        abandoned.append(camera)
        raise
    except BaseException:
        part_with(camera)  # what is wrong has been found
        raise
    within(camera.close, Rule.CLOSES, "close")


def part_with(camera: Camera) -> bool:
    """Close a camera of which more has been found wrong than matters here; whether it returned."""
    if camera in abandoned:
        return False
    thread = threading.Thread(target=_close_quietly, args=(camera,), name="contract-parting", daemon=True)
    thread.start()
    thread.join(PARTING_S)
    if thread.is_alive():
        abandoned.append(camera)
    return not thread.is_alive()


def _close_quietly(camera: Camera) -> None:
    with contextlib.suppress(BaseException):  # the breach that was found first is told
        camera.close()
