"""Node maps made of a few lines, without a device, on GenApi's reference implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rheed_acquire import CameraSettings, CaptureRequest
from rheed_acquire.cameras.genapi.configure import apply_settings
from rheed_acquire.cameras.genapi.features import FeatureWriter

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<RegisterDescription ModelName="M" VendorName="V" ToolTip="" StandardNameSpace="None"
  SchemaMajorVersion="1" SchemaMinorVersion="1" SchemaSubMinorVersion="0"
  MajorVersion="1" MinorVersion="0" SubMinorVersion="0"
  ProductGuid="6E9C2C54-7B2C-4B3A-9E5B-51A0F0C0D1E2" VersionGuid="0B2F6F3E-35B0-4C57-8B9A-7E3C8C0A4F11"
  xmlns="http://www.genicam.org/GenApi/Version_1_1">
"""


class Description:
    """A device's features, one after the other; `writer` makes a node map of them."""

    def __init__(self) -> None:
        self._features: list[str] = []
        self._nodes: list[str] = []

    def integer(self, name: str, value: int = 0, low: int = 0, high: int = 10**6, extra: str = "") -> None:
        limits = f"<Value>{value}</Value><Min>{low}</Min><Max>{high}</Max>"
        self._add("Integer", name, extra + limits)

    def float(self, name: str, value: float = 0.0, high: str | float = 1e6, extra: str = "") -> None:
        most = f"<pMax>{high}</pMax>" if isinstance(high, str) else f"<Max>{high}</Max>"
        self._add("Float", name, f"{extra}<Value>{value}</Value><Min>0</Min>{most}")

    def boolean(self, name: str, value: bool = False, extra: str = "") -> None:
        self.inner("Integer", f"{name}Value", f"<Value>{int(value)}</Value>")
        self._add("Boolean", name, f"{extra}<pValue>{name}Value</pValue>")

    def choice(self, name: str, *entries: str, value: int = 0, extra: str = "", selects: str = "") -> None:
        listed = "".join(
            f'<EnumEntry Name="{entry}"><Value>{number}</Value></EnumEntry>'
            for number, entry in enumerate(entries)
        )
        selected = "".join(f"<pSelected>{feature}</pSelected>" for feature in selects.split())
        self._add("Enumeration", name, f"{extra}{listed}<Value>{value}</Value>{selected}")

    def selected(self, name: str, selector: str, values: Mapping[int, int]) -> None:
        """Add a feature of which there is one for each value of a selector."""
        cells = "".join(
            f'<pValueIndexed Index="{index}">{name}{index}</pValueIndexed>' for index in sorted(values)
        )
        for index, value in values.items():
            self.inner("Integer", f"{name}{index}", f"<Value>{value}</Value>")
        self._add(
            "Integer", name, f"<pIndex>{selector}</pIndex>{cells}<pValueDefault>{name}0</pValueDefault>"
        )

    def alias(self, name: str, node: str) -> None:
        """Add a feature that holds what another node holds."""
        self._add("Integer", name, f"<pValue>{node}</pValue>")

    def formula(self, name: str, formula: str, **variables: str) -> None:
        inputs = "".join(f'<pVariable Name="{key}">{node}</pVariable>' for key, node in variables.items())
        self.inner("IntSwissKnife", name, f"{inputs}<Formula>{formula}</Formula>")

    def inner(self, tag: str, name: str, body: str) -> None:
        self._nodes.append(f'<{tag} Name="{name}">{body}</{tag}>\n')

    def _add(self, tag: str, name: str, body: str) -> None:
        self._features.append(name)
        self.inner(tag, name, body)

    def writer(self) -> FeatureWriter:
        from rheed_acquire_genicam.nodes import GenapiNodeMap
        from rheed_acquire_genicam.sdk import genapi

        listed = "".join(f"<pFeature>{name}</pFeature>" for name in self._features)
        root = f'<Category Name="Root">{listed}</Category>\n'
        node_map: Any = genapi.NodeMap()
        node_map.load_xml_from_string(_HEAD + root + "".join(self._nodes) + "</RegisterDescription>")
        return FeatureWriter(GenapiNodeMap(node_map))


@pytest.fixture
def device() -> Description:
    pytest.importorskip("genicam.genapi", reason="genicam is not installed")
    return Description()


@pytest.fixture
def configure() -> Callable[..., FeatureWriter]:
    def set_all(device: Description, fps: float | None = None, **settings: Any) -> FeatureWriter:
        writer = device.writer()
        apply_settings(writer, "genicam", CameraSettings(**settings), CaptureRequest(fps=fps))
        return writer

    return set_all
