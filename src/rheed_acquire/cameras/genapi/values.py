"""What a user gave, turned into what a node holds, within what it allows."""

from __future__ import annotations

import math
import re
from typing import Protocol

from rheed_acquire.cameras.genapi.nodes import Node, NodeKind, Value

_TRUE = {"1", "true", "on", "yes"}
_FALSE = {"0", "false", "off", "no"}


class Notation(Protocol):
    """How a node writes down a setting that it may hold in units or words of its own."""

    def to_node(self, node: Node, asked: Value) -> Value:
        """Turn a setting into the node's value.

        Raises
        ------
        ValueError
            It cannot be one; the message says what can.
        """

    def from_node(self, value: Value) -> Value:
        """Turn a node's value into the setting's."""


class Plain:
    """The node holds the setting as it is."""

    def to_node(self, node: Node, asked: Value) -> Value:
        """Take the value over in the node's kind."""
        return converted(node, asked)

    def from_node(self, value: Value) -> Value:
        """Take the value over."""
        return value


class Scaled:
    """The node holds whole steps, each of ``step`` in the setting's unit."""

    def __init__(self, step: float) -> None:
        self._step = step

    def to_node(self, node: Node, asked: Value) -> Value:
        """Give the nearest number of steps."""
        steps = as_float(asked) / self._step
        return round(steps) if node.kind is NodeKind.INTEGER else steps

    def from_node(self, value: Value) -> Value:
        """Multiply the steps out."""
        return value if isinstance(value, str) else value * self._step


class NamedNumbers:
    """The node is an enumeration whose names hold numbers, such as ``Fps30``; the nearest one is taken."""

    def to_node(self, node: Node, asked: Value) -> Value:
        """Give the name of the nearest number."""
        if node.kind is not NodeKind.ENUMERATION:
            return converted(node, asked)
        numbers = {choice: number for choice in node.choices() if (number := number_in(choice)) is not None}
        if not numbers:
            raise ValueError(allowed(node))
        wanted = as_float(asked)
        return min(numbers, key=lambda choice: abs(numbers[choice] - wanted))

    def from_node(self, value: Value) -> Value:
        """Give the number in the name."""
        number = number_in(value) if isinstance(value, str) else None
        return value if number is None else number


PLAIN = Plain()


def number_in(name: str) -> float | None:
    """Read the one number in the name of an enumeration's entry: ``Fps30``, ``Rate_59_94``, ``12p5Hz``."""
    found = re.findall(r"\d+(?:[._p]\d+)?", name)
    return float(re.sub(r"[_p]", ".", found[0])) if len(found) == 1 else None


def converted(node: Node, asked: Value) -> Value:
    """Turn what the user gave into what the node holds.

    Raises
    ------
    ValueError
        It cannot be one; the message says what can.
    """
    if node.kind is NodeKind.INTEGER:
        return as_integer(asked)
    if node.kind is NodeKind.FLOAT:
        return as_float(asked)
    if node.kind in (NodeKind.BOOLEAN, NodeKind.COMMAND):
        return as_boolean(asked)
    if node.kind is NodeKind.ENUMERATION:
        choices = {choice.casefold(): choice for choice in node.choices()}
        if str(asked).casefold() not in choices:
            raise ValueError(allowed(node))
        return choices[str(asked).casefold()]
    if node.kind is NodeKind.STRING:
        return str(asked)
    raise ValueError(f"is a feature of kind {node.kind} and cannot be set by name")


def within_limits(node: Node, value: Value, *, clamp: bool) -> Value:
    """Give the nearest lower step that a number of the node's can be.

    Raises
    ------
    ValueError
        It is outside the limits, and not to be clamped.
    """
    if node.kind not in (NodeKind.INTEGER, NodeKind.FLOAT):
        return value
    limits = node.limits()
    number = float(value)
    if clamp:
        number = min(max(number, limits.minimum), limits.maximum)
        value = int(number) if node.kind is NodeKind.INTEGER else number
    if not limits.minimum <= number <= limits.maximum:
        raise ValueError(allowed(node))
    if node.kind is NodeKind.INTEGER and limits.increment and limits.increment > 1:
        low = int(limits.minimum)
        value = low + (int(value) - low) // limits.increment * limits.increment
    return value


def allowed(node: Node) -> str:
    """Say what the device allows, or nothing where it does not tell."""
    if node.kind is NodeKind.ENUMERATION:
        return f"can be {', '.join(node.choices())}"
    if node.kind in (NodeKind.INTEGER, NodeKind.FLOAT):
        limits = node.limits()
        unit = f" {node.unit}" if node.unit else ""
        steps = f" in steps of {limits.increment}" if limits.increment and limits.increment > 1 else ""
        return f"can be {limits.minimum:.10g} to {limits.maximum:.10g}{unit}{steps}"
    return ""


def as_integer(asked: Value) -> int:
    """Read a whole number, in any notation of Python's."""
    if isinstance(asked, str):
        try:
            return int(asked.strip(), 0)
        except ValueError:
            raise ValueError("takes a whole number") from None
    if isinstance(asked, float) and not asked.is_integer():
        raise ValueError("takes a whole number")
    return int(asked)


def as_float(asked: Value) -> float:
    """Read a finite number."""
    try:
        number = float(asked)
    except ValueError:
        raise ValueError("takes a number") from None
    if not math.isfinite(number):
        raise ValueError("takes a finite number")
    return number


def as_boolean(asked: Value) -> bool:
    """Read true or false, in the spellings that settings have."""
    text = str(asked).strip().casefold()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("takes true or false")


def as_kind(asked: Value, actual: Value) -> Value:
    """Give what was asked for in the kind of what the device holds, so that ``"20"`` equals 20."""
    try:
        if isinstance(actual, bool):
            return as_boolean(asked)
        if isinstance(actual, int | float):
            return as_float(asked) if isinstance(actual, float) else as_integer(asked)
    except ValueError:
        return asked
    if str(asked).casefold() == actual.casefold():
        return actual  # the spelling is no difference worth reporting
    return str(asked)
