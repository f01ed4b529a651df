"""A device's features through libaravis, behind the protocols of `rheed_acquire.cameras.genapi.nodes`."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rheed_acquire.cameras.genapi.nodes import Limits, NodeKind, NodeRefusalError, Value, can_be_locked
from rheed_acquire_aravis.description import Description
from rheed_acquire_aravis.functions import ACCESS_READ_ONLY, ACCESS_WRITE_ONLY
from rheed_acquire_aravis.library import AravisError, Library

# In this order: an enumeration is an integer too.
_KINDS = (
    ("arv_gc_enumeration_get_type", NodeKind.ENUMERATION),
    ("arv_gc_boolean_get_type", NodeKind.BOOLEAN),
    ("arv_gc_command_get_type", NodeKind.COMMAND),
    ("arv_gc_float_get_type", NodeKind.FLOAT),
    ("arv_gc_integer_get_type", NodeKind.INTEGER),
    ("arv_gc_string_get_type", NodeKind.STRING),
)
_GETTERS = {
    NodeKind.ENUMERATION: "arv_device_get_string_feature_value",
    NodeKind.STRING: "arv_device_get_string_feature_value",
    NodeKind.BOOLEAN: "arv_device_get_boolean_feature_value",
    NodeKind.FLOAT: "arv_device_get_float_feature_value",
    NodeKind.INTEGER: "arv_device_get_integer_feature_value",
}
_SETTERS = {kind: name.replace("_get_", "_set_", 1) for kind, name in _GETTERS.items()}


class AravisNodeMap:
    """The features of a device; see `nodes.NodeMap`.

    Its calls come one at a time, from whichever thread: the library evaluates features without a lock.

    Parameters
    ----------
    library
        That has the device.
    device
        An ``ArvDevice``.
    """

    def __init__(self, library: Library, device: int) -> None:
        self.library, self.device = library, device
        self._lock = threading.Lock()
        size = ctypes.c_size_t()
        xml = library.arv_device_get_genicam_xml(device, ctypes.byref(size))
        self.description = Description(ctypes.string_at(xml, size.value) if xml else b"")

    def find(self, name: str) -> AravisNode | None:
        """Give the feature of this name, in any case of letters, or None where there is none."""
        exact = self.description.by_folded_name.get(name.casefold(), name)
        node = self.call(self.library.arv_device_get_feature, self.device, exact.encode())
        if not node:
            return None
        found = AravisNode(self, exact, node)
        return found if found.kind is not NodeKind.OTHER and found.is_implemented else None

    def names(self) -> Sequence[str]:
        """List the features."""
        return self.description.features

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function of the library.

        Raises
        ------
        NodeRefusalError
            It fails; the message is the library's.
        """
        try:
            with self._lock:
                return function(*arguments)
        except AravisError as error:
            raise NodeRefusalError(str(error)) from error


class AravisNode:
    """One feature of a device; see `nodes.Node`."""

    def __init__(self, nodes: AravisNodeMap, name: str, node: int) -> None:
        self._nodes, self._node = nodes, node
        self._library, self._name = nodes.library, name.encode()
        self.name = name
        library = nodes.library
        self.kind = next(
            (
                kind
                for get_type, kind in _KINDS
                if library.g_type_check_instance_is_a(node, getattr(library, get_type)())
            ),
            NodeKind.OTHER,
        )

    @property
    def unit(self) -> str:
        """Of a number, or empty."""
        if self.kind not in (NodeKind.INTEGER, NodeKind.FLOAT):
            return ""
        get = (
            self._library.arv_gc_float_get_unit
            if self.kind is NodeKind.FLOAT
            else self._library.arv_gc_integer_get_unit
        )
        return _text(self._nodes.call(get, self._node))

    @property
    def is_implemented(self) -> bool:
        """Whether the device has it at all."""
        return bool(self._ask("is_implemented"))

    @property
    def readable(self) -> bool:
        """Whether it can be read now."""
        return (
            self.kind in _GETTERS
            and self._ask("get_actual_access_mode") != ACCESS_WRITE_ONLY
            and bool(self._ask("is_available"))
        )

    @property
    def writable(self) -> bool:
        """Whether it can be set, or the command executed, now."""
        return (
            self._ask("get_actual_access_mode") != ACCESS_READ_ONLY
            and bool(self._ask("is_available"))
            and not self._ask("is_locked")
        )

    @property
    def lockable(self) -> bool:
        """Whether the device's description says that other features decide whether it can be set."""
        return can_be_locked(self.name, self._nodes.description.property_of)

    def selectors(self) -> Sequence[str]:
        """Name the features that select which of several values this one shows; none for most."""
        return self._nodes.description.selectors_of(self.name)

    def read(self) -> Value:
        """Give the present value, from the device; of an enumeration, its symbolic name."""
        value = self._on_device(_GETTERS[self.kind])
        if self.kind in (NodeKind.ENUMERATION, NodeKind.STRING):
            return _text(value)
        return bool(value) if self.kind is NodeKind.BOOLEAN else value

    def write(self, value: Value) -> None:
        """Set a value of the node's own kind."""
        self._on_device(_SETTERS[self.kind], value.encode() if isinstance(value, str) else value)

    def execute(self) -> None:
        """Run a command."""
        self._on_device("arv_device_execute_command")

    def limits(self) -> Limits:
        """Give the limits of an integer or float."""
        if self.kind is NodeKind.INTEGER:
            low, high = ctypes.c_int64(), ctypes.c_int64()
            self._on_device("arv_device_get_integer_feature_bounds", ctypes.byref(low), ctypes.byref(high))
            return Limits(low.value, high.value, self._on_device("arv_device_get_integer_feature_increment"))
        least, most = ctypes.c_double(), ctypes.c_double()
        self._on_device("arv_device_get_float_feature_bounds", ctypes.byref(least), ctypes.byref(most))
        # A converter may turn the order round, as one from a period to a rate does.
        return Limits(min(least.value, most.value), max(least.value, most.value))

    def choices(self) -> tuple[str, ...]:
        """Give the names that an enumeration can be set to now."""
        count = ctypes.c_uint()
        name = "arv_device_dup_available_enumeration_feature_values_as_strings"
        return self._library.texts(self._on_device(name, ctypes.byref(count)), count.value)

    def _ask(self, what: str) -> int:
        answer: int = self._nodes.call(getattr(self._library, f"arv_gc_feature_node_{what}"), self._node)
        return answer

    def _on_device(self, function: str, *arguments: object) -> Any:
        device = self._nodes.device
        return self._nodes.call(getattr(self._library, function), device, self._name, *arguments)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
