"""Features of one port, and how each becomes a register and its GenICam XML nodes.

A `Module` is what one GenTL port shows: a table of features. From it come the C register table (so that the
producer and its XML can never disagree on an address) and the XML (schema 1.1). All integers are 8-byte
little-endian registers, all floats 8-byte IEEE 754, enumerations integers, commands integers written with 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

Limit = int | float | str  # a number, or the name of the node that gives it


@dataclass
class Feature:
    """One feature; `access` is RO, RW or WO, `limits` low, high and increment."""

    name: str
    kind: str  # integer, float, enumeration, boolean, command, string
    category: str
    access: str = "RW"
    initial: int | float = 0
    low: Limit | None = None
    high: Limit | None = None
    step: Limit | None = None
    unit: str = ""
    tip: str = ""
    entries: dict[str, int] = field(default_factory=dict)
    length: int = 8
    locked: bool = False  # not writable while streaming
    locked_by: str = ""  # name of an integer node that is non-zero while the feature is locked
    available: str = ""  # name of an integer node that is non-zero while the feature exists
    selects: tuple[str, ...] = ()
    selector: str = ""  # one register per entry of this enumeration
    count: int = 1
    saved: bool = True  # part of a user set
    visibility: str = "Beginner"
    standard: bool = True
    representation: str = ""
    checked: bool = True  # whether static limits go into the C table


@dataclass
class Swiss:
    """An integer computed from others by a formula."""

    name: str
    variables: dict[str, str]
    formula: str


@dataclass
class Chunk:
    """A value that travels with the frame, by chunk id."""

    name: str
    id: int
    kind: str  # integer or float
    unit: str = ""


@dataclass
class Module:
    """One port: its name in the XML, its file name, its features."""

    prefix: str
    port: str
    file: str
    model: str
    features: list[Feature]
    formulas: list[Swiss] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    events: dict[str, str] = field(default_factory=dict)  # event feature -> event id in hex
    lock: str = ""


def _tag(name: str, value: object) -> str:
    return f"    <{name}>{escape(str(value))}</{name}>\n"


def _limit(name: str, value: Limit | None) -> str:
    if value is None:
        return ""
    return _tag(f"p{name}" if isinstance(value, str) else name, value)


def _space(standard: bool) -> str:
    return "Standard" if standard else "Custom"


def _head(feature: Feature, lock: str) -> str:
    text = _tag("ToolTip", feature.tip or feature.name) + _tag("Visibility", feature.visibility)
    if feature.available:
        text += _tag("pIsAvailable", feature.available)
    locked_by = feature.locked_by or (lock if feature.locked else "")
    return text + (_tag("pIsLocked", locked_by) if locked_by else "")


def _selected(feature: Feature) -> str:
    return "".join(_tag("pSelected", name) for name in feature.selects)


def _place(feature: Feature, address: int, port: str) -> str:
    text = _tag("Address", f"0x{address:X}")
    if feature.selector:
        text += f'    <pIndex Offset="8">{feature.selector}Reg</pIndex>\n'
    text += _tag("Length", feature.length) + _tag("AccessMode", feature.access) + _tag("pPort", port)
    return text + _tag("Cachable", "NoCache")


def _node(tag: str, name: str, body: str, standard: bool = True) -> str:
    return f'  <{tag} Name="{name}" NameSpace="{_space(standard)}">\n{body}  </{tag}>\n'


def _feature_nodes(feature: Feature, address: int, port: str, lock: str) -> str:
    head = _head(feature, lock)
    register = f"{feature.name}Reg"
    value = _tag("pValue", register)
    if feature.kind == "string":
        return _node("StringReg", feature.name, head + _place(feature, address, port), feature.standard)
    if feature.kind == "float":
        body = head + value + _limit("Min", feature.low) + _limit("Max", feature.high)
        body += _tag("Unit", feature.unit) if feature.unit else ""
        floats = _place(feature, address, port) + _tag("Endianess", "LittleEndian")
        node = _node("Float", feature.name, body + _selected(feature), feature.standard)
        return node + _node("FloatReg", register, floats, False)
    if feature.kind == "integer":
        body = head + value + _limit("Min", feature.low) + _limit("Max", feature.high)
        body += _limit("Inc", feature.step) + (_tag("Unit", feature.unit) if feature.unit else "")
        body += _tag("Representation", feature.representation or "PureNumber") + _selected(feature)
        node = _node("Integer", feature.name, body, feature.standard)
    elif feature.kind == "enumeration":
        entries = "".join(
            f'    <EnumEntry Name="{name}" NameSpace="Standard">\n  {_tag("Value", number)}    </EnumEntry>\n'
            for name, number in feature.entries.items()
        )
        node = _node(
            "Enumeration", feature.name, head + entries + value + _selected(feature), feature.standard
        )
    elif feature.kind == "boolean":
        body = head + value + _tag("OnValue", 1) + _tag("OffValue", 0) + _selected(feature)
        node = _node("Boolean", feature.name, body, feature.standard)
    else:
        node = _node("Command", feature.name, head + value + _tag("CommandValue", 1), feature.standard)
    integer = _place(feature, address, port) + _tag("Sign", "Signed") + _tag("Endianess", "LittleEndian")
    return node + _node("IntReg", register, integer, False)


def _formula_node(swiss: Swiss) -> str:
    body = "".join(f'    <pVariable Name="{k}">{v}</pVariable>\n' for k, v in swiss.variables.items())
    return _node("IntSwissKnife", swiss.name, body + _tag("Formula", swiss.formula), False)


def _chunk_nodes(chunk: Chunk) -> str:
    port = f"{chunk.name}Port"
    place = _tag("Address", "0x0") + _tag("Length", 8) + _tag("AccessMode", "RO") + _tag("pPort", port)
    place += _tag("Cachable", "NoCache")
    register = f"{chunk.name}Reg"
    body = _tag("Visibility", "Beginner") + _tag("pValue", register)
    body += _tag("Unit", chunk.unit) if chunk.unit else ""
    nodes = _node("Port", port, _tag("ChunkID", f"{chunk.id:08X}"), False)
    if chunk.kind == "float":
        nodes += _node("FloatReg", register, place + _tag("Endianess", "LittleEndian"), False)
        return nodes + _node("Float", chunk.name, body)
    place += _tag("Sign", "Signed") + _tag("Endianess", "LittleEndian")
    return nodes + _node("IntReg", register, place, False) + _node("Integer", chunk.name, body)


def addresses(module: Module) -> dict[str, int]:
    """Give every feature its register address: in order of the table, from 0, without holes."""
    at, result = 0, {}
    for feature in module.features:
        result[feature.name] = at
        at += feature.length * feature.count
    return result


def to_xml(module: Module) -> str:
    """Write the module's GenICam description."""
    where = addresses(module)
    categories: dict[str, list[str]] = {}
    for feature in module.features:
        if feature.category:
            categories.setdefault(feature.category, []).append(feature.name)
    for chunk in module.chunks:
        categories.setdefault("ChunkDataControl", []).append(chunk.name)
    for event in module.events:
        categories.setdefault("EventControl", []).append(event)
    xml = (
        '<?xml version="1.0" encoding="utf-8"?>\n<RegisterDescription\n'
        f'  ModelName="{module.model}" VendorName="RheedAcquire" ToolTip="{module.model}"\n'
        '  StandardNameSpace="None" SchemaMajorVersion="1" SchemaMinorVersion="1" SchemaSubMinorVersion="0"\n'
        '  MajorVersion="1" MinorVersion="0" SubMinorVersion="0"\n'
        '  ProductGuid="6E9C2C54-7B2C-4B3A-9E5B-51A0F0C0D1E2"\n'
        '  VersionGuid="0B2F6F3E-35B0-4C57-8B9A-7E3C8C0A4F11"\n'
        '  xmlns="http://www.genicam.org/GenApi/Version_1_1"\n'
        '  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        '  xsi:schemaLocation="http://www.genicam.org/GenApi/Version_1_1 '
        'http://www.genicam.org/GenApi/GenApiSchema_Version_1_1.xsd">\n'
    )
    xml += _node("Category", "Root", "".join(_tag("pFeature", name) for name in categories))
    for category, names in categories.items():
        body = "".join(_tag("pFeature", name) for name in names)
        xml += _node("Category", category, body, not category.startswith("Fault"))
    for feature in module.features:
        xml += _feature_nodes(feature, where[feature.name], module.port, module.lock)
    xml += "".join(_formula_node(swiss) for swiss in module.formulas)
    xml += "".join(_chunk_nodes(chunk) for chunk in module.chunks)
    for event, number in module.events.items():
        port = f"{event}Port"
        xml += _node("Port", port, _tag("EventID", number), False)
        place = (
            _tag("EventID", number) + _tag("Address", "0x0") + _tag("Length", 8) + _tag("AccessMode", "RO")
        )
        place += _tag("pPort", port) + _tag("Cachable", "NoCache") + _tag("Sign", "Signed")
        xml += _node("IntReg", f"{event}Reg", place + _tag("Endianess", "LittleEndian"), False)
        xml += _node("Integer", event, _tag("EventID", number) + _tag("pValue", f"{event}Reg"))
    xml += _node("Port", module.port, "")
    return xml + "</RegisterDescription>\n"
