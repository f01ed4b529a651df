"""A device's own description of its features, the GenICam XML, where the library has no function for it."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from xml.etree import ElementTree as ET

# What bears a name within a node: entries, and the variables of formulas.
_NAMED_PARTS = ("EnumEntry", "pVariable", "Constant", "Expression")


class Description:
    """What the XML says of how features belong together.

    Parameters
    ----------
    xml
        As the device gives it; what cannot be read describes nothing.
    """

    def __init__(self, xml: bytes) -> None:
        try:
            root = ET.fromstring(xml.rstrip(b"\0"))  # noqa: S314 - expat bounds what entities can become
        except ET.ParseError:
            root = ET.Element("RegisterDescription")
        self._nodes = {
            element.attrib["Name"]: element
            for element in root.iter()
            if "Name" in element.attrib and _tag(element) not in _NAMED_PARTS
        }

    @cached_property
    def features(self) -> tuple[str, ...]:
        """What the device's categories list, without the categories."""
        listed = {
            (child.text or "").strip()
            for element in self._nodes.values()
            if _tag(element) == "Category"
            for child in element
            if _tag(child) == "pFeature"
        }
        nodes = self._nodes
        return tuple(sorted(name for name in listed if name in nodes and _tag(nodes[name]) != "Category"))

    @cached_property
    def by_folded_name(self) -> dict[str, str]:
        """Every node's name as the device spells it, by the name in small letters."""
        return {name.casefold(): name for name in (*self._nodes, *self.features)}

    def property_of(self, node: str, wanted: str) -> str:
        """Give a property of a node by both their names, empty where it has none."""
        element = self._nodes.get(node)
        for child in element if element is not None else ():
            if _tag(child) == wanted:
                return (child.text or "").strip()
        return ""

    def selectors_of(self, feature: str) -> tuple[str, ...]:
        """Name the features that select which of several values this one shows."""
        return tuple(self._selectors.get(feature, ()))

    @cached_property
    def _selectors(self) -> dict[str, list[str]]:
        selectors: defaultdict[str, list[str]] = defaultdict(list)
        for name, element in self._nodes.items():
            for child in element:
                if _tag(child) == "pSelected":
                    selectors[(child.text or "").strip()].append(name)
        return selectors


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
