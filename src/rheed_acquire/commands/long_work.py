"""How far work has come that takes long, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rheed_acquire.system.terminal import stderr_console, stderr_is_terminal
from rheed_acquire.text.printable_text import printable


@contextmanager
def progress_of(what: str, count: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show on stderr, where that is a terminal, how far the work is; it is gone when the work is over.

    Parameters
    ----------
    count
        How many frames or chunks there are; None where nobody knows, and only the time is shown that the work
        has taken.

    Yields
    ------
    callable
        To be called with how many more are done.
    """
    if not stderr_is_terminal():
        yield lambda done: None  # noqa: ARG005
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.description}", markup=False)
    columns = (
        (SpinnerColumn(), text, TimeElapsedColumn())
        if count is None
        else (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    )
    with Progress(*columns, console=stderr_console(), transient=True) as progress:
        task = progress.add_task(printable(what), total=count)
        yield lambda done: progress.advance(task, done)
