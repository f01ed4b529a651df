"""pylon's node maps behind the protocols of `rheed_acquire.genapi.features`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from pypylon import genicam

from rheed_acquire.genapi.features import Limits, NodeKind, NodeRefusalError, Value

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
    """One feature of a camera, a stream grabber or an InstantCamera; see `features.Node`."""

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


class PylonNodeMap:
    """A node map of pylon; see `features.NodeMap`."""

    def __init__(self, nodemap: Any) -> None:
        self._nodemap = nodemap

    def find(self, name: str) -> PylonNode | None:
        """Give the feature of this name, in any case of letters, or None where there is none."""
        exact = self._by_folded_name.get(name.casefold())
        return None if exact is None else PylonNode(self._nodemap.GetNode(exact))

    def names(self) -> Sequence[str]:
        """List the features."""
        return sorted(self._by_folded_name.values())

    @cached_property
    def _by_folded_name(self) -> dict[str, str]:
        nodes = (parameter.GetNode() for parameter in self._nodemap.GetNodes())
        names = [str(node.GetName()) for node in nodes if node.IsFeature()]
        return {name.casefold(): name for name in names}
