"""The table of results, for a terminal and for a page of the documentation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = tuple[str, str, str, str]
"""What is measured, the result, what stands beside it, and the first's ratio to the second."""

HEADER = ("benchmark", "case", "result", "beside it", "ratio (spread over rounds)")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PACKAGES = ("rheed-acquire", "numpy", "zstandard", "requests", "zarr", "pypylon", "harvesters")


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Align the columns."""
    table = [HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def as_markdown(rows: Sequence[Sequence[str]], measured: str) -> dict[str, str]:
    """Make a section for each benchmark, by its name, that says how it was measured."""
    sections: dict[str, list[str]] = {}
    for name, *cells in rows:
        heading = (
            f"### {name}",
            "",
            measured.format(name=name),
            "",
            f"| {' | '.join(HEADER[1:])} |",
            "|---|---|---|---|",
        )
        lines = sections.setdefault(name, [*heading])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return {name: "\n".join(lines) for name, lines in sections.items()}


def write_into(page: Path, rows: Sequence[Sequence[str]], machine: Sequence[str], options: str = "") -> None:
    """Put each benchmark's section between the page's two marks, in place of the one before; others stay.

    Parameters
    ----------
    page, rows, machine
        Where to, what, and what `describe_machine` said.
    options
        Of the command, beside the benchmark's name.

    Raises
    ------
    ValueError
        The page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    there, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END} for the tables to stand between")
    command = f"python -m benchmarks {{name}} {options}".strip()
    measured = f"{datetime.now(UTC):%d %B %Y}, `{command}`: {'; '.join(machine)}."
    kept = {
        section.splitlines()[0].removeprefix("### "): section
        for section in ("### " + part.strip() for part in there.split("### ")[1:])
    }
    sections = "\n\n".join(section for _, section in sorted({**kept, **as_markdown(rows, measured)}.items()))
    page.write_text(f"{before}{BEGIN}\n\n{sections}\n\n{END}{after}", encoding="utf-8")


def describe_machine(folder: Path) -> list[str]:
    """Say what the figures depend on: processor, memory, system, disk, and the versions of what runs."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        f"{_processor()}, {os.cpu_count()} processors, {_memory()}",
        f"{platform.system()} {platform.release()}, {python}, files on {_file_system(folder)}",
        ", ".join(versions),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB of memory"
    except (AttributeError, OSError, ValueError):
        return "memory unknown"


def _file_system(folder: Path) -> str:
    """The type of the file system that a folder lies on, by the longest mount point above it."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "a file system unknown"
    above = {str(folder), *map(str, folder.parents)}
    fitting = [mount[1:3] for mount in mounts if mount[1] in above]
    return max(fitting, key=lambda mount: len(mount[0]), default=("", "a file system unknown"))[1]
