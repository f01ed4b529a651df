"""``rheed-acquire config``: the effective settings, each with its source, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.host import answered, load
from rheed_acquire.system.terminal import write_json, write_line


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` a list."""
    if answered(arguments, "config [FLAGS]", "Show what a run with these flags would use, and why."):
        return 0
    _, settings = load(arguments)
    rows = settings.table()
    if settings.run.json_report:
        write_json([{"key": key, "value": value, "source": source} for key, value, source in rows], indent=2)
        return 0
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for key, value, source in rows:
        write_line(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}")
    return 0
