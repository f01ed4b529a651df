"""pylon's node maps behind the protocols of `rheed_acquire.cameras.genapi.nodes`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from pypylon import genicam

from rheed_acquire.cameras.genapi.nodes import Limits, NodeKind, NodeRefusalError, Value, can_be_locked

T = TypeVar("T")

_KINDS = {
    genicam.intfIInteger: NodeKind.INTEGER,
    genicam.intfIFloat: NodeKind.FLOAT,
    genicam.intfIBoolean: NodeKind.BOOLEAN,
    genicam.intfIEnumeration: NodeKind.ENUMERATION,
    genicam.intfIString: NodeKind.STRING,
    genicam.intfICommand: NodeKind.COMMAND,
}


def reason(error: BaseException) -> str:
    """Give an SDK exception's message without the SDK's source positions."""
    text = " ".join(str(error).split())
    text = re.split(r"\s*:?\s*\w+Exception thrown", text, maxsplit=1)[0]
    return text.rstrip(" .:") or type(error).__name__


def _guarded(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except (genicam.GenericException, TypeError) as error:
        raise NodeRefusalError(reason(error)) from error


class PylonNode:
    """One feature of a camera, a stream grabber or an InstantCamera; see `nodes.Node`."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter
        self._node = parameter.GetNode()
        self.name: str = self._node.GetName()
        self.kind: NodeKind = _KINDS.get(self._node.GetPrincipalInterfaceType(), NodeKind.OTHER)

    @property
    def unit(self) -> str:
        """Of a number, or empty."""
        if self.kind not in (NodeKind.INTEGER, NodeKind.FLOAT):
            return ""
        return str(_guarded(self._parameter.GetUnit))

    @property
    def readable(self) -> bool:
        """Whether it can be read now."""
        return bool(genicam.IsReadable(self._parameter))

    @property
    def writable(self) -> bool:
        """Whether it can be set, or the command executed, now."""
        return bool(genicam.IsWritable(self._parameter))

    @property
    def lockable(self) -> bool:
        """Whether the device's description says that other features decide whether it can be set."""
        return _guarded(can_be_locked, self.name, self._property_of)

    def selectors(self) -> Sequence[str]:
        """Name the features that select which of several values this one shows; none for most."""
        selecting = _guarded(self._node.GetSelectingFeatures)
        return tuple(str(found.GetNode().GetName()) for found in selecting)

    def read(self) -> Value:
        """Give the present value; of an enumeration, its symbolic name."""
        value: Value = _guarded(self._parameter.GetValue)
        return value

    def write(self, value: Value) -> None:
        """Set a value of the node's own kind."""
        _guarded(self._parameter.SetValue, value)

    def execute(self) -> None:
        """Run a command."""
        _guarded(self._parameter.Execute)

    def limits(self) -> Limits:
        """Give the limits of an integer or float."""
        low, high = _guarded(self._parameter.GetMin), _guarded(self._parameter.GetMax)
        if self.kind is NodeKind.INTEGER:
            return Limits(low, high, int(_guarded(self._parameter.GetInc)))
        return Limits(low, high)

    def choices(self) -> tuple[str, ...]:
        """Give the names that an enumeration can be set to now."""
        # pypylon before 26 has GetSymbolics only: what is implemented, rather than what can be set now.
        give = getattr(self._parameter, "GetSettableValues", None) or self._parameter.GetSymbolics
        return tuple(_guarded(give))

    def _property_of(self, name: str, wanted: str) -> str:
        node = self._node.GetNodeMap().GetNode(name).GetNode()
        return str(node.GetProperty(wanted)[0]) if wanted in node.GetPropertyNames() else ""


class PylonNodeMap:
    """A node map of pylon; see `nodes.NodeMap`."""

    def __init__(self, nodemap: Any) -> None:
        self._nodemap = nodemap

    def find(self, name: str) -> PylonNode | None:
        """Give the feature of this name, in any case of letters, or None where there is none."""
        exact = self._by_folded_name.get(name.casefold())
        if exact is None:
            return None
        parameter = self._nodemap.GetNode(exact)
        return PylonNode(parameter) if genicam.IsImplemented(parameter) else None

    def names(self) -> Sequence[str]:
        """List the features."""
        return sorted(self._by_folded_name.values())

    @cached_property
    def _by_folded_name(self) -> dict[str, str]:
        nodes = (parameter.GetNode() for parameter in self._nodemap.GetNodes())
        names = [str(node.GetName()) for node in nodes if node.IsFeature()]
        return {name.casefold(): name for name in names}
