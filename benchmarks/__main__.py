"""Runs every benchmark of this package, or those named, and prints one table."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run the benchmarks; each module has ``rows()``, which yields the cells of one line at a time."""
    there = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    there = [name for name in there if not name.startswith("_")]
    unknown = sorted(set(names) - set(there))
    if unknown:
        print(f"error: no benchmark {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    table = [("benchmark", "case", "median", "99.9 %", "ratio (spread over rounds)")]
    for name in names or there:
        table += [(name, *row) for row in importlib.import_module(f"benchmarks.{name}").rows()]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
