"""Write register_map.h and descriptions.c, which the producer is compiled from, and the XML to look at.

``python generate.py OUTPUT_FOLDER``. CMake runs it; nothing but the standard library is needed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nodes import Feature, Module, addresses, to_xml
from own_modules import DEVICE, INTERFACE, STREAM, SYSTEM
from remote_device import REMOTE

MODULES = (REMOTE, SYSTEM, INTERFACE, DEVICE, STREAM)
KINDS = {
    "integer": "KIND_INTEGER",
    "float": "KIND_FLOAT",
    "enumeration": "KIND_INTEGER",
    "boolean": "KIND_INTEGER",
    "command": "KIND_COMMAND",
    "string": "KIND_STRING",
}


def _limits(feature: Feature) -> tuple[float, float]:
    if feature.kind == "enumeration" and feature.checked:
        return min(feature.entries.values()), max(feature.entries.values())
    if feature.kind == "boolean":
        return 0, 1
    low = feature.low if feature.checked and not isinstance(feature.low, str) else None
    high = feature.high if feature.checked and not isinstance(feature.high, str) else None
    return (-9.2e18 if low is None else low), (9.2e18 if high is None else high)


def _flags(feature: Feature) -> str:
    flags = ["REGISTER_READ"] if feature.access != "WO" else []
    flags += ["REGISTER_WRITE"] if feature.access != "RO" else []
    flags += ["REGISTER_LOCKABLE"] if feature.locked else []
    writable = feature.access == "RW" and feature.kind != "command"
    flags += ["REGISTER_SAVED"] if feature.saved and writable and feature.kind != "string" else []
    return " | ".join(flags)


def _rows(module: Module) -> list[tuple[str, int, Feature]]:
    where = addresses(module)
    rows = []
    for feature in module.features:
        for n in range(feature.count):
            suffix = f"_{n}" if feature.count > 1 else ""
            rows.append((feature.name + suffix, where[feature.name] + n * feature.length, feature))
    return rows


def header() -> str:
    """Name every register and every enumeration value for C."""
    text = "/* Written by description/generate.py. */\n#ifndef REGISTER_MAP_H\n#define REGISTER_MAP_H\n\n"
    for module in MODULES:
        rows = _rows(module)
        names = "".join(f"    {module.prefix}_{name},\n" for name, _, _ in rows)
        text += f"enum {{\n{names}    {module.prefix}_COUNT\n}};\n"
        _, last_address, last = rows[-1]
        text += f"#define {module.prefix}_MEMORY {last_address + last.length}\n\n"
        for feature in module.features:
            if feature.kind == "enumeration" and module is REMOTE:
                values = ", ".join(
                    f"{feature.name}_is_{name} = {value}" for name, value in feature.entries.items()
                )
                text += f"enum {{ {values} }};\n"
        text += "\n"
    return text + "#endif\n"


def _array(name: str, data: bytes) -> str:
    lines = (", ".join(str(b) for b in data[i : i + 32]) for i in range(0, len(data), 32))
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "\n};\n"


def source() -> str:
    """Write the register tables and the XML files as C data."""
    text = '/* Written by description/generate.py. */\n#include "registers.h"\n#include "register_map.h"\n\n'
    for module in MODULES:
        text += f"static const struct register_entry {module.prefix}_entries[] = {{\n"
        for name, address, feature in _rows(module):
            low, high = _limits(feature)
            text += (
                f'    {{"{name}", {address}, {feature.length}, {KINDS[feature.kind]}, {_flags(feature)}, '
                f"{float(low)!r}, {float(high)!r}, {float(feature.initial)!r}}},\n"
            )
        text += "};\n" + _array(f"{module.prefix}_xml", to_xml(module).encode())
        text += (
            f"const struct description {module.prefix.lower()}_description = {{\n"
            f"    {module.prefix}_entries, {module.prefix}_COUNT,\n"
            f"    {module.prefix}_xml, sizeof {module.prefix}_xml,\n"
            f'    "{module.file}", "{module.port}"\n}};\n\n'
        )
    return text


def main() -> None:
    """Write the files into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "register_map.h").write_text(header(), encoding="utf-8", newline="\n")
    (folder / "descriptions.c").write_text(source(), encoding="utf-8", newline="\n")
    for module in MODULES:
        (folder / module.file).write_text(to_xml(module), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
