"""What a run looks like while it goes: a few lines drawn over themselves, or plain ones."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rheed_acquire.clocks.rate import Rate
from rheed_acquire.system.terminal import stderr_console, stderr_is_terminal, styled, write_note

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress
    from rheed_acquire.run.report import RunInfo

PLAIN_INTERVAL_S = 5.0
FRAME_WINDOW_S = 2.0
UPLOAD_WINDOW_S = 10.0
"""Longer than a chunk usually is, so that the rate does not jump with each upload."""
TRACE_WINDOW_S = 60.0
TRACE_CELLS = 30
TRACE_INTERVAL_S = 0.5


class Display(Protocol):
    """Shows a run as it goes."""

    def update(self) -> None:
        """Look at the run and show it, as often as that makes sense."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


class Figures:
    """The same figures for both displays, in the same words."""

    def __init__(self, acquisition: Acquisition) -> None:
        self._acquisition = acquisition
        self._frames, self._bytes = Rate(FRAME_WINDOW_S), Rate(UPLOAD_WINDOW_S)

    def look(self) -> tuple[Progress, list[tuple[str, str, bool]]]:
        """Return the run at this instant, and rows of name, text and whether it is alarming."""
        progress = self._acquisition.progress()
        info, delivery = progress.info, progress.delivery
        if info is None:
            return progress, []
        frames_per_s = self._frames.update(progress.frames_received)
        bytes_per_s = self._bytes.update(delivery.bytes_uploaded)
        frames = f"{progress.frames_received}"
        if progress.state == "capturing" and frames_per_s is not None:
            frames += f", {frames_per_s:.1f}/s of {info.fps:.6g}/s"
        gaps = f"{progress.gap_count}"
        if progress.frames_missing:
            gaps += f", {progress.frames_missing} frames missing"
        chunks = f"{delivery.chunks_uploaded} uploaded, {delivery.chunks_queued} queued"
        if delivery.chunks_failed:
            chunks += f", {delivery.chunks_failed} failed"
        if bytes_per_s is not None:
            chunks += f", {bytes_per_s / 1e6:.2f} MB/s"
        rows = [
            ("frames", frames, False),
            ("gaps", gaps, bool(progress.gap_count)),
            ("overrun", f"{progress.frames_overrun}", bool(progress.frames_overrun)),
            ("chunks", chunks, bool(delivery.chunks_failed)),
        ]
        if progress.frames_not_taken:
            rows.append(("not taken", f"{progress.frames_not_taken} frames", True))
        if progress.frames_not_archived:
            rows.append(("not archived", f"{progress.frames_not_archived} frames", True))
        if progress.archive_trouble:
            rows.append(("archive waits", progress.archive_trouble, True))
        trouble = progress.camera_trouble
        if trouble is not None:
            rows.insert(0, ("camera", trouble, True))
        if delivery.last_error:
            rows.append(("trouble", delivery.last_error, True))
        return progress, rows


class Traces:
    """The regions' mean gray levels over the last minute, a row for each."""

    def __init__(self, acquisition: Acquisition, encoding: str) -> None:
        self._acquisition, self._encoding = acquisition, encoding
        self._rows: list[tuple[str, str, bool]] = []
        self._next_s = 0.0

    def look(self, fps: float) -> list[tuple[str, str, bool]]:
        """Return rows of name, text and whether it is alarming; made anew twice a second."""
        tap, now = self._acquisition.tap, time.monotonic()
        if tap is None or now < self._next_s:
            return self._rows
        from rheed_acquire.commands.sparkline import sparkline, takes_blocks

        blocks = takes_blocks(self._encoding)
        self._next_s = now + TRACE_INTERVAL_S
        self._rows = []
        for region, _, mean in tap.recent(round(TRACE_WINDOW_S * fps)):
            if len(mean):
                curve = sparkline(mean, TRACE_CELLS, blocks=blocks)
                text = f"{curve} {mean[-1]:.1f} ({mean.min():.1f} to {mean.max():.1f})"
                self._rows.append((region.name, text, False))
        return self._rows


class QuietDisplay:
    """Nothing of the run itself, for one that is only looked at."""

    def update(self) -> None:
        """See `Display.update`."""

    def say(self, text: str) -> None:
        """See `Display.say`."""
        write_note(text)


class PlainDisplay:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, acquisition: Acquisition) -> None:
        self._figures = Figures(acquisition)
        self._announced = False
        self._next_s = time.monotonic() + PLAIN_INTERVAL_S

    def update(self) -> None:
        """See `Display.update`."""
        progress, rows = self._figures.look()
        if progress.info is not None and not self._announced:
            self._announced = True
            for line in announcement(progress.info):
                self.say(line)
        if time.monotonic() >= self._next_s:
            self._next_s += PLAIN_INTERVAL_S
            shown = "; ".join(f"{name} {text}" for name, text, _ in rows)
            self.say(f"{headline(progress)}: {shown}" if shown else headline(progress))

    def say(self, text: str) -> None:
        """See `Display.say`."""
        write_note(text)


class LiveDisplay:
    """A few lines that are drawn over themselves, below whatever else is written."""

    def __init__(self, acquisition: Acquisition, live: Live) -> None:
        self._figures = Figures(acquisition)
        self._traces = Traces(acquisition, live.console.encoding)
        self._announced = False
        self._live = live

    def update(self) -> None:
        """See `Display.update`."""
        progress, rows = self._figures.look()
        if progress.info is not None and not self._announced:
            self._announced = True
            for line in announcement(progress.info):
                self.say(line)
        if progress.info is not None:
            rows = [*rows, *self._traces.look(progress.info.fps)]
        self._live.update(_drawn(progress, rows), refresh=True)

    def say(self, text: str) -> None:
        """See `Display.say`."""
        self._live.console.print(styled(text), soft_wrap=True)


def announcement(info: RunInfo) -> tuple[str, str]:
    """Say what goes where, once the stream exists: a line each."""
    camera = info.camera
    where = f" recorded in {shown_path(info.output)}" if info.output is not None else f" {info.data_id}"
    pixels = f"{camera.width} x {camera.height} {camera.pixel_format}"
    return f"camera {camera.device}, {pixels}, {info.fps:.6g} frames/s", f"stream{where}"


def shown_path(path: RunPath) -> str:
    """A path as one would type it here: relative where it lies below the working directory."""
    if not isinstance(path, Path):
        return str(path)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def headline(progress: Progress) -> str:
    """What the run is doing, and since when it captures."""
    if progress.info is None:
        return progress.state
    minutes, seconds = divmod(int(progress.elapsed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{progress.state} {hours}:{minutes:02}:{seconds:02}"


def _drawn(progress: Progress, rows: list[tuple[str, str, bool]]) -> Table:
    from rich.table import Table

    phase, _, elapsed = headline(progress).rpartition(" ") if rows else (headline(progress), "", "")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    # A line that is too long is cut, so that the height stays the same; the log has it in full.
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row(styled(phase, "bold"), styled(elapsed))
    for name, text, alarming in rows:
        table.add_row(styled(name, "dim"), styled(text, "bold red" if alarming else ""))
    return table


@contextmanager
def progress_display(acquisition: Acquisition) -> Iterator[Display]:
    """Choose the display for where stderr goes."""
    if not stderr_is_terminal():
        yield PlainDisplay(acquisition)
        return
    from rich.live import Live

    console = stderr_console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainDisplay(acquisition)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live, _log_above():
        yield LiveDisplay(acquisition, live)


@contextmanager
def _log_above() -> Iterator[None]:
    """Let the log's lines be drawn above the display, which stands in for ``sys.stderr`` meanwhile."""
    handlers: list[logging.StreamHandler[Any]] = [
        handler
        for handler in (*logging.getLogger("rheed_acquire").handlers, *logging.getLogger().handlers)
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.__stderr__)
