"""The rules of a camera, in the words of its contract, and the one form in which a breach is told."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

PAGE = "docs/reference/camera-contract.md"


class Rule(StrEnum):
    """Each text stands as it is in the docstring that makes it a rule, and on the contract's page."""

    REGISTERED = "Call ``register`` once for each camera backend that the plugin brings"
    IMPORT = "its SDK is imported when its camera is used, not before"
    FIELDS = "A pydantic model whose every field has a default and a description"
    SOURCES = "Each field is at once a flag"
    DISCOVER = "Lists the devices that can be opened now"
    OPEN = "Opens the device that the settings choose and configures it. Raises a `CameraError`"
    SETTINGS = "Every setting that was asked for, as the device took it"
    STARTS = "`start` returns at once"
    ONE_THREAD = "``on_frame`` is called from one thread, in order, one call at a time"
    LENT = "``frame.pixels`` is valid until ``on_frame`` returns"
    IMAGE = "One image as the camera delivered it"
    PIXELS = "Shape (H, W) for monochrome and Bayer formats, uint8 or uint16"
    ID = "The camera's own frame counter as it counts it"
    GAP = "A jump means that frames were lost"
    STAMP = "on the camera's own clock in nanoseconds from any origin"
    FAULT = "``on_fault`` is called, from any thread but not from within `stop`, when the device is gone"
    STOPS = "When `stop` returns no callback is running and none comes any more"
    RESTARTS = "`start` may then be called again"
    CLOSES = "`stop` on a stopped camera and `close` on a closed one do nothing. `close` stops first"
    GIVE_BACK = "Give the device back"

    @property
    def anchor(self) -> str:
        """The heading of its paragraph on the contract's page."""
        return self.name.lower().replace("_", "-")


class ContractBreachError(AssertionError):
    """The camera breaks a rule; the message is one line for each breach."""


def told(rule: Rule, what: str) -> str:
    """Say in one line what happened, which rule it breaks, and where that is explained."""
    return f"{what}; this breaks rule {rule.name}: {rule.value} ({PAGE}#{rule.anchor})"


def broken(rule: Rule, what: str) -> NoReturn:
    """Fail the test by this rule."""
    raise ContractBreachError(told(rule, what))
