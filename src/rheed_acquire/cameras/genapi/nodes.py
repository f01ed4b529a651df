"""What an SDK's node map must offer: two small protocols, `Node` and `NodeMap`, that know no SDK.

The names of features are those of the GenICam Standard Features Naming Convention (SFNC) and, where a device
is older than that, its maker's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

Value: TypeAlias = bool | int | float | str


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

    @property
    def lockable(self) -> bool:
        """Whether the device's description says that other features decide whether it can be set."""

    def selectors(self) -> Sequence[str]:
        """Name the features that select which of several values this one shows; none for most."""

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
        """Give the feature of this name, in any case of letters, or None where the device has none.

        A feature that the device has, but that is not available in its present state, is there.
        """

    def names(self) -> Sequence[str]:
        """List the features."""


_DEEPEST = 16  # a feature is made of two or three nodes; a description could go round in a circle


def can_be_locked(node: str, property_of: Callable[[str, str], str]) -> bool:
    """Look for a lock along the nodes that a feature's value comes from.

    Parameters
    ----------
    node
        The feature's name.
    property_of
        Gives a property of a node by both their names, empty where it has none.
    """
    for _ in range(_DEEPEST):
        if property_of(node, "ImposedAccessMode") == "RO":
            return False
        if property_of(node, "pIsLocked"):
            return True
        node = property_of(node, "pValue")
        if not node:
            return False
    return False
