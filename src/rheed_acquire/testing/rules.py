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
    INFO = "An opened and configured camera: what its frames will look like and how fast they will come"
    SETTINGS = "Every setting that was asked for, as the device took it"
    STARTS = "`start` returns at once"
    ONE_THREAD = "``on_frame`` is called from one thread, in order, one call at a time"
    LENT = "``frame.pixels`` is valid until ``on_frame`` returns"
    IMAGE = "One image as the camera delivered it"
    PIXELS = "Shape (H, W) for monochrome and Bayer formats, uint8 or uint16"
    ID = "The camera's own frame counter as it counts it"
    CYCLE = "After how many frames `Frame.id` starts again"
    GAP = "A jump means that frames were lost"
    STAMP = "on the camera's own clock in nanoseconds from any origin"
    STATISTICS = "Counters of the device and its driver since `start`, by name"
    TEMPERATURE = "The device's temperature now, in degrees Celsius; None where it has none, or cannot tell"
    ADJUSTABLE = "What `adjust` can change, each by its name, as the device holds it now"
    LINE = "Whether a line of the device, an input or an output, is high just now"
    FAULT = "``on_fault`` is called, from any thread but not from within `stop`, when the device is gone"
    STOPS = "When `stop` returns no callback is running and none comes any more"
    RESTARTS = "`start` may then be called again"
    CLOSES = "`stop` on a stopped camera and `close` on a closed one do nothing. `close` stops first"
    GIVE_BACK = "Give the device back"

    @property
    def anchor(self) -> str:
        """The heading of its paragraph on the contract's page."""
        return self.name.lower().replace("_", "-")

    @property
    def advice(self) -> str:
        """What to do about it, where nothing more exact is known."""
        return _ADVICE[self]


_ADVICE = {
    Rule.REGISTERED: "name the module in the entry points of the group rheed_acquire, and register once",
    Rule.IMPORT: "import it in the function that needs it",
    Rule.FIELDS: "write Field(DEFAULT, description=...)",
    Rule.SOURCES: "use a type, and validators, that take the value as text",
    Rule.DISCOVER: "list each device once, with its serial number or address",
    Rule.OPEN: "choose by the settings, and raise the error that says what there is",
    Rule.INFO: "tell what the device holds once all is set, and the same as long as it is open",
    Rule.SETTINGS: "read each value back from the device once all are written",
    Rule.STARTS: "make the device send frames, and return",
    Rule.ONE_THREAD: "derive from GrabLoopCamera, or from CallbackCamera (its `from_several_threads`)",
    Rule.LENT: "give the buffer back to the SDK when on_frame has returned, not before",
    Rule.IMAGE: "copy what is kept beyond a call, and leave out what was not filled",
    Rule.PIXELS: "lend a numpy array of the shape and dtype of info.pixel_format",
    Rule.ID: "pass on the device's own counter as an int, or None for all where it has none",
    Rule.CYCLE: "set frame_id_cycle to the number of ids after which the device's counter starts again",
    Rule.GAP: "pass on the device's own counter, or count losses as frames_lost in statistics",
    Rule.STAMP: "pass on the device's own clock as an int in nanoseconds, or None for all where it has none",
    Rule.STATISTICS: "return names with whole numbers from 0 on, whenever asked",
    Rule.TEMPERATURE: "return a number of degrees Celsius or None, whenever asked",
    Rule.ADJUSTABLE: "return exposure_us and gain as numbers, and take them back by adjust",
    Rule.LINE: "raise a CameraSettingError that names the lines there are",
    Rule.FAULT: "call on_fault once, with a CameraLostError where the device is gone",
    Rule.STOPS: "let stop wait for the callback that is running, and for nothing else",
    Rule.RESTARTS: "let start begin anew after each stop",
    Rule.CLOSES: "let close stop first, and each do nothing a second time",
    Rule.GIVE_BACK: "end threads, close files and let go of memory in close",
}


class ContractBreachError(AssertionError):
    """The camera breaks a rule; the message is one line for each breach."""


def told(rule: Rule, what: str, do: str = "") -> str:
    """Say in one line what was seen, what to do, which rule it breaks, and where that is explained."""
    return f"{what}; {do or rule.advice}; this breaks rule {rule.name}: {rule.value} ({PAGE}#{rule.anchor})"


def broken(rule: Rule, what: str, do: str = "") -> NoReturn:
    """Fail the test by this rule; see `told`."""
    raise ContractBreachError(told(rule, what, do))
