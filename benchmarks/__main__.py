"""Runs every benchmark of this package, or those named, and prints one table."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from benchmarks._rounds import UnavailableError
from benchmarks._scratch import ROOT
from benchmarks._table import as_text, describe_machine, write_into

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "benchmarks.md"


def names() -> list[str]:
    """Every benchmark: a module with ``rows(quick)``, which yields the cells of one line at a time."""
    there = (found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in there if not name.startswith("_")]


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for.

    Returns
    -------
    int
        0, or 1 where a benchmark failed: its place in the table says so, and the others run all the same.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *names()], metavar="NAME", help=", ".join(names()))
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds and cases: in two to three minutes"
    )
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=PAGE,
        metavar="PAGE",
        help=f"put each table into {PAGE.name}, in place of the one before",
    )
    asked = parser.parse_args(arguments)
    machine = describe_machine(ROOT)
    print("\n".join(machine), end="\n\n", flush=True)
    table: list[tuple[str, ...]] = []
    failed = []
    for name in asked.names or names():
        begun = time.perf_counter()
        try:
            for row in _rows(name, quick=asked.quick):
                print("  ".join(row), file=sys.stderr, flush=True)
                table.append(row)
        except UnavailableError as reason:
            table.append((name, "skipped", str(reason), "", ""))
        except Exception:  # noqa: BLE001 - the others can still be measured
            traceback.print_exc()
            failed.append(name)
            table.append((name, "failed: its error is above the table", "", "", ""))
        print(f"{name} took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    print(as_text(table))
    if asked.write is not None:
        write_into(asked.write, table, machine, "--quick" if asked.quick else "")
    return 1 if failed else 0


def _rows(name: str, *, quick: bool) -> Iterator[tuple[str, ...]]:
    for row in importlib.import_module(f"benchmarks.{name}").rows(quick):
        yield (name, *row)


if __name__ == "__main__":
    sys.exit(main())
