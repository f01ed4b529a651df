"""Setting a GenICam device's features by name, with the device's own limits and what it made of the value.

Nothing here knows an SDK: an SDK's node map is wrapped in the two small protocols `Node` and `NodeMap`. The
names of features are those of the GenICam Standard Features Naming Convention (SFNC) and, where a device is
older than that, its maker's.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from rheed_acquire import CameraSettingError, SettingReadback

Value: TypeAlias = bool | int | float | str

_TRUE = {"1", "true", "on", "yes"}
_FALSE = {"0", "false", "off", "no"}


class NodeKind(StrEnum):
    """What a feature holds."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    ENUMERATION = "enumeration"
    STRING = "string"
    COMMAND = "command"
    OTHER = "other"


class NodeRefusalError(Exception):
    """A node did not take or give a value; the message is the device's own reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number may be: ``minimum`` to ``maximum``, in steps of ``increment`` where there are steps."""

    minimum: float
    maximum: float
    increment: int | None = None


class Node(Protocol):
    """One feature of a device. Every method may raise `NodeRefusalError`."""

    @property
    def name(self) -> str:
        """As the device spells it."""

    @property
    def kind(self) -> NodeKind:
        """What it holds."""

    @property
    def unit(self) -> str:
        """Of a number, or empty."""

    @property
    def readable(self) -> bool:
        """Whether it can be read now."""

    @property
    def writable(self) -> bool:
        """Whether it can be set, or the command executed, now."""

    def read(self) -> Value:
        """Give the present value; of an enumeration, its symbolic name."""

    def write(self, value: Value) -> None:
        """Set a value of the node's own kind."""

    def execute(self) -> None:
        """Run a command."""

    def limits(self) -> Limits:
        """Give the limits of an integer or float."""

    def choices(self) -> tuple[str, ...]:
        """Give the names that an enumeration can be set to now."""


class NodeMap(Protocol):
    """The features of a device."""

    def find(self, name: str) -> Node | None:
        """Give the feature of this name, in any case of letters, or None where the device has none."""

    def names(self) -> Sequence[str]:
        """List the features."""


@dataclass(slots=True)
class _Setting:
    name: str
    asked: Value
    actual: Value
    node: Node
    scale: float
    late: bool


class FeatureWriter:
    """Sets features, keeps what became of each, and keeps what was refused until all have been tried.

    Parameters
    ----------
    nodes
        The device's features.

    Attributes
    ----------
    problems
        One line for each value that was refused, for the user.
    """

    def __init__(self, nodes: NodeMap) -> None:
        self.nodes = nodes
        self.problems: list[str] = []
        self._settings: list[_Setting] = []

    def first(self, *names: str) -> Node | None:
        """Give the first of the named features that the device has now."""
        for name in names:
            node = self.nodes.find(name)
            if node is not None and (node.readable or node.writable):
                return node
        return None

    def value(self, *names: str) -> Value | None:
        """Read the first of the named features that can be read."""
        for name in names:
            node = self.nodes.find(name)
            if node is not None and node.readable:
                try:
                    return node.read()
                except NodeRefusalError:
                    continue
        return None

    def number(self, *names: str) -> float | None:
        """Read the first of the named features that can be read and holds a number."""
        value = self.value(*names)
        return None if value is None or isinstance(value, str) else float(value)

    def prepare(self, name: str, value: Value) -> bool:
        """Set what some other setting depends on; say whether the device has it and took it."""
        node = self.nodes.find(name)
        if node is None or not node.writable:
            return False
        try:
            node.write(value)
        except NodeRefusalError:
            return False
        return True

    def put(
        self,
        setting: str,
        flag: str,
        names: Sequence[str],
        asked: Value,
        *,
        scale: float = 1.0,
        late: bool = True,
        clamp: bool = False,
    ) -> Node | None:
        """Set the first of the named features that the device has to what the user asked for.

        Parameters
        ----------
        setting, flag
            The name of the setting, and how the user gives it, for the report and for messages.
        names
            Candidates, the best first.
        asked
            The value; text is turned into what the feature holds.
        scale
            Of one step of the feature in units of ``asked``; other than 1 only for features in raw units.
        late
            Whether the value to report is read when all is set. False for a feature behind a selector.
        clamp
            Whether a number outside the limits becomes the nearest limit instead of being refused.

        Returns
        -------
        Node or None
            The feature, or None where the value was refused, which `problems` then says.
        """
        node = self.first(*names)
        if node is None:
            self.problems.append(f"{flag} {asked}: {self._missing(names)}")
            return None
        try:
            actual = self._write(node, asked, scale, clamp=clamp)
        except (ValueError, NodeRefusalError) as error:
            self.problems.append(f"{flag} {asked}: {node.name} {error}")
            return None
        if node.kind is NodeKind.ENUMERATION and str(asked).casefold() == str(actual).casefold():
            asked = actual  # the spelling is no difference worth reporting
        self._settings.append(_Setting(setting, asked, actual, node, scale, late))
        return node

    def readbacks(self) -> tuple[SettingReadback, ...]:
        """Give every setting that was taken, as the device holds it now."""
        for setting in self._settings:
            if setting.late and setting.node.kind is not NodeKind.COMMAND and setting.node.readable:
                setting.actual = _scaled(setting.node.read(), setting.scale)
        return tuple(SettingReadback(s.name, _as_kind(s.asked, s.actual), s.actual) for s in self._settings)

    def raise_problems(self, device: str) -> None:
        """Raise one error for all that was refused.

        Raises
        ------
        CameraSettingError
            There is at least one problem.
        """
        if len(self.problems) == 1:
            raise CameraSettingError(f"{device} refuses {self.problems[0]}")
        if self.problems:
            listed = "\n  ".join(self.problems)
            raise CameraSettingError(f"{device} refuses {len(self.problems)} settings:\n  {listed}")

    def _write(self, node: Node, asked: Value, scale: float, *, clamp: bool) -> Value:
        if node.kind is NodeKind.COMMAND:
            if _boolean(asked):
                node.execute()
            return asked
        value = _converted(node, asked, scale)
        if not node.writable:
            raise NodeRefusalError("cannot be set in the camera's present state")
        if node.kind in (NodeKind.INTEGER, NodeKind.FLOAT):
            value = _within_limits(node, value, clamp=clamp)
        try:
            node.write(value)
        except NodeRefusalError as error:
            allowed = _allowed(node)
            raise NodeRefusalError(f"{allowed}; it says: {error}" if allowed else str(error)) from error
        return _scaled(node.read(), scale) if node.readable else asked

    def _missing(self, names: Sequence[str]) -> str:
        known = {name.casefold(): name for name in self.nodes.names()}
        near = difflib.get_close_matches(names[0].casefold(), known, n=3, cutoff=0.6)
        hint = f"; the nearest it has: {', '.join(known[name] for name in near)}" if near else ""
        if len(names) > 1:
            return f"it has no feature {' or '.join(names)}"
        return f"it has no feature {names[0]}, or not in its present state{hint}"


def _converted(node: Node, asked: Value, scale: float) -> Value:
    """Turn what the user gave into what the node holds."""
    if node.kind is NodeKind.INTEGER:
        return _integer(asked) if scale == 1.0 else round(_float(asked) / scale)
    if node.kind is NodeKind.FLOAT:
        return _float(asked) / scale
    if node.kind is NodeKind.BOOLEAN:
        return _boolean(asked)
    if node.kind is NodeKind.ENUMERATION:
        choices = {choice.casefold(): choice for choice in node.choices()}
        if str(asked).casefold() not in choices:
            raise ValueError(_allowed(node))
        return choices[str(asked).casefold()]
    if node.kind is NodeKind.STRING:
        return str(asked)
    raise ValueError(f"is a feature of kind {node.kind} and cannot be set by name")


def _within_limits(node: Node, value: Value, *, clamp: bool) -> Value:
    limits = node.limits()
    number = float(value)
    if clamp:
        number = min(max(number, limits.minimum), limits.maximum)
        value = int(number) if node.kind is NodeKind.INTEGER else number
    if not limits.minimum <= number <= limits.maximum:
        raise ValueError(_allowed(node))
    if node.kind is NodeKind.INTEGER and limits.increment and limits.increment > 1:
        low = int(limits.minimum)
        value = low + (int(value) - low) // limits.increment * limits.increment
    return value


def _allowed(node: Node) -> str:
    """Say what the device allows, or nothing where it does not tell."""
    if node.kind is NodeKind.ENUMERATION:
        return f"can be {', '.join(node.choices())}"
    if node.kind in (NodeKind.INTEGER, NodeKind.FLOAT):
        limits = node.limits()
        unit = f" {node.unit}" if node.unit else ""
        steps = f" in steps of {limits.increment}" if limits.increment and limits.increment > 1 else ""
        return f"can be {limits.minimum:.10g} to {limits.maximum:.10g}{unit}{steps}"
    return ""


def _integer(asked: Value) -> int:
    if isinstance(asked, str):
        try:
            return int(asked.strip(), 0)
        except ValueError:
            raise ValueError("takes a whole number") from None
    if isinstance(asked, float) and not asked.is_integer():
        raise ValueError("takes a whole number")
    return int(asked)


def _float(asked: Value) -> float:
    try:
        number = float(asked)
    except ValueError:
        raise ValueError("takes a number") from None
    if not math.isfinite(number):
        raise ValueError("takes a finite number")
    return number


def _boolean(asked: Value) -> bool:
    text = str(asked).strip().casefold()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("takes true or false")


def _scaled(value: Value, scale: float) -> Value:
    return value if scale == 1.0 or isinstance(value, str) else value * scale


def _as_kind(asked: Value, actual: Value) -> Value:
    """Give what was asked for in the kind of what the device holds, so that ``"20"`` equals 20."""
    try:
        if isinstance(actual, bool):
            return _boolean(asked)
        if isinstance(actual, int | float):
            return _float(asked) if isinstance(actual, float) else _integer(asked)
    except ValueError:
        pass
    return asked if not isinstance(actual, str) else str(asked)
