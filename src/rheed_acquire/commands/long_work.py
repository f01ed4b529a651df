"""How far work has come that takes long, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rheed_acquire.system.terminal import stderr_console, stderr_is_terminal
from rheed_acquire.text.printable_text import printable


@contextmanager
def progress_of(what: str, frames: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, where that is a terminal; it is gone when the work is over.

    Parameters
    ----------
    frames
        How many there are.

    Yields
    ------
    callable
        To be called with how many more are done.
    """
    if not stderr_is_terminal():
        yield lambda done: None  # noqa: ARG005
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as progress:
        task = progress.add_task(what, total=frames)
        yield lambda done: progress.advance(task, done)


@contextmanager
def at_work(what: str) -> Iterator[None]:
    """Show on stderr, where that is a terminal, that work goes on whose end nobody knows, and since when.

    It is gone when the work is over.
    """
    if not stderr_is_terminal():
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as progress:
        progress.add_task(printable(what), total=None)
        yield
