"""A table on stdout: folded to a terminal's width, and one line a row for whoever reads it through a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.system.terminal import stdout_console, stdout_is_terminal, styled, write_line
from rheed_acquire.text.printable_text import printable


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of texts in aligned columns."""
    if not stdout_is_terminal():
        shown = [[printable(text) for text in row] for row in (titles, *rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for texts in shown:
            cells = (f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))
            write_line("  ".join(cells).rstrip())
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(styled, row))
    stdout_console().print(table)
