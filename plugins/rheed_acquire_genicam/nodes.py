"""The genicam binding's node maps behind the protocols of `rheed_acquire.cameras.genapi.nodes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from rheed_acquire.cameras.genapi.nodes import Limits, NodeKind, NodeRefusalError, Value, can_be_locked
from rheed_acquire_genicam.sdk import SDK_ERRORS, genapi, reason

T = TypeVar("T")

_KINDS = {
    genapi.EInterfaceType.intfIInteger: NodeKind.INTEGER,
    genapi.EInterfaceType.intfIFloat: NodeKind.FLOAT,
    genapi.EInterfaceType.intfIBoolean: NodeKind.BOOLEAN,
    genapi.EInterfaceType.intfIEnumeration: NodeKind.ENUMERATION,
    genapi.EInterfaceType.intfIString: NodeKind.STRING,
    genapi.EInterfaceType.intfICommand: NodeKind.COMMAND,
}


def _guarded(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except (*SDK_ERRORS, TypeError) as error:
        raise NodeRefusalError(reason(error)) from error


class GenapiNode:
    """One feature of a device; see `nodes.Node`."""

    def __init__(self, feature: Any) -> None:
        self._feature = feature
        self.name: str = feature.node.name
        self.kind: NodeKind = _KINDS.get(feature.node.principal_interface_type, NodeKind.OTHER)

    @property
    def unit(self) -> str:
        """Of a number, or empty."""
        if self.kind not in (NodeKind.INTEGER, NodeKind.FLOAT):
            return ""
        return str(_guarded(lambda: self._feature.unit))

    @property
    def readable(self) -> bool:
        """Whether it can be read now."""
        return bool(_guarded(lambda: genapi.is_readable(self._feature.get_access_mode())))

    @property
    def writable(self) -> bool:
        """Whether it can be set, or the command executed, now."""
        return bool(_guarded(lambda: genapi.is_writable(self._feature.get_access_mode())))

    @property
    def lockable(self) -> bool:
        """Whether the device's description says that other features decide whether it can be set."""
        return _guarded(can_be_locked, self.name, self._property_of)

    def selectors(self) -> Sequence[str]:
        """Name the features that select which of several values this one shows; none for most."""
        return _guarded(
            lambda: tuple(str(found.node.name) for found in self._feature.node.selecting_features)
        )

    def read(self) -> Value:
        """Give the present value, from the device; of an enumeration, its symbolic name."""
        # Verify nothing, ignore the cache: what is read back has to be what the device holds.
        value: Value = _guarded(lambda: self._feature.get_value(False, True))
        return value

    def write(self, value: Value) -> None:
        """Set a value of the node's own kind."""
        _guarded(lambda: setattr(self._feature, "value", value))

    def execute(self) -> None:
        """Run a command."""
        _guarded(self._feature.execute)

    def limits(self) -> Limits:
        """Give the limits of an integer or float."""
        low, high = _guarded(lambda: (self._feature.min, self._feature.max))
        if self.kind is NodeKind.INTEGER:
            return Limits(low, high, int(_guarded(lambda: self._feature.inc)))
        return Limits(low, high)

    def choices(self) -> tuple[str, ...]:
        """Give the names that an enumeration can be set to now."""
        return _guarded(self._settable)

    def _property_of(self, name: str, wanted: str) -> str:
        found = self._feature.node.node_map.get_node(name)
        names = () if found is None else found.node.property_names
        return str(found.node.get_property(wanted)[0]) if wanted in names else ""

    def _settable(self) -> tuple[str, ...]:
        entries = ((name, self._feature.get_entry_by_name(name)) for name in self._feature.symbolics)
        return tuple(name for name, entry in entries if genapi.is_available(entry.get_access_mode()))


class GenapiNodeMap:
    """A node map of the genicam binding; see `nodes.NodeMap`."""

    def __init__(self, node_map: Any) -> None:
        self._node_map = node_map

    def find(self, name: str) -> GenapiNode | None:
        """Give the feature of this name, in any case of letters, or None where there is none."""
        exact = self._by_folded_name.get(name.casefold())
        if exact is None:
            return None
        feature = self._node_map.get_node(exact)
        there = _guarded(lambda: genapi.is_implemented(feature.get_access_mode()))
        return GenapiNode(feature) if there else None

    def names(self) -> Sequence[str]:
        """List the features."""
        return sorted(self._by_folded_name.values())

    @cached_property
    def _by_folded_name(self) -> dict[str, str]:
        nodes = (feature.node for feature in self._node_map.nodes)
        names = [str(node.name) for node in nodes if node.is_feature()]
        return {name.casefold(): name for name in names}
