"""A node map of whatever is asked for, which keeps the order in which its features were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rheed_acquire.cameras.genapi.nodes import Limits, NodeKind, Value


class RecordedNode:
    lockable = False
    readable = writable = True
    unit = ""

    def __init__(self, name: str, nodes: RecordedNodes) -> None:
        self.name = name
        self.kind = NodeKind.COMMAND if name in nodes.selectors else NodeKind.FLOAT
        self._nodes = nodes

    def selectors(self) -> Sequence[str]:
        return self._nodes.selectors.get(self.name, ())

    def read(self) -> Value:
        return self._nodes.values.get(self.name, 0.0)

    def write(self, value: Value) -> None:
        self._nodes.values[self.name] = value
        self._nodes.done.append(self.name)

    def execute(self) -> None:
        self._nodes.done.append(self.name)

    def limits(self) -> Limits:
        return Limits(0, 100)

    def choices(self) -> tuple[str, ...]:
        return ()


class RecordedNodes:
    """Its commands are the features that have selectors."""

    KNOWN = ("UserSetSelector", "UserSetLoad", "UserSetSave", "Gamma", "Gain")

    def __init__(self, selectors: Mapping[str, tuple[str, ...]]) -> None:
        self.selectors = selectors
        self.values: dict[str, Value] = {}
        self.done: list[str] = []

    def find(self, name: str) -> RecordedNode | None:
        known = {known.casefold(): known for known in self.KNOWN}
        exact = known.get(name.casefold())
        return None if exact is None else RecordedNode(exact, self)

    def names(self) -> Sequence[str]:
        return self.KNOWN
