"""A log whose output may stall, as a console on Windows does while somebody marks text in it (QuickEdit).

A pipe whose reader is busy does the same anywhere. Whoever logs, as the thread that pushes chunks, must not
stand still for as long.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections import deque

FLOWS_WITHIN_S = 1.0
"""Whoever logs waits so long for its line, once: while the output flows, lines stand in their order."""
MOST_WAITING = 10_000
_LAST_WAIT_S = 2.0


class StallingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr in a thread of its own; while that stalls, lines wait, and nobody does for them.

    Parameters
    ----------
    most_waiting
        Lines that are kept; of more, the newest are let go, and then counted in a line.
    flows_within_s
        How long a line may take to be written before the output is taken to stall.
    """

    def __init__(self, *, most_waiting: int = MOST_WAITING, flows_within_s: float = FLOWS_WITHIN_S) -> None:
        super().__init__()
        self._most_waiting, self._flows_within_s = most_waiting, flows_within_s
        self._lines: deque[str] = deque()
        self._left_out = 0
        self._stalled = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written, and wait for that as long as the output flows."""
        try:
            line = self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - as `logging` has it
            self.handleError(record)
            return
        if self._thread is not None and not self._thread.is_alive():  # a fork, which has no threads
            self._put(line)
            return
        with self._change:
            if len(self._lines) >= self._most_waiting:
                self._left_out += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="log", daemon=True)
                self._thread.start()
            self._change.notify_all()
            if not self._stalled:
                self._stalled = not self._change.wait_for(lambda: not self._lines, self._flows_within_s)

    def flush(self) -> None:
        """Wait a little for what is left, as at the process's end, unless it stalls."""
        if self._thread is not None and self._thread.is_alive():
            with self._change:
                self._change.wait_for(lambda: not self._lines or self._stalled, _LAST_WAIT_S)

    def close(self) -> None:
        """Let go of the output, as `logging` does at the process's end."""
        is_the_end = not threading.main_thread().is_alive()
        if is_the_end and self._lines and self.stream is sys.stderr:
            # The interpreter would flush it, and CPython 3.14 waits for the thread that stands still in it.
            sys.stderr = sys.__stderr__ = None  # type: ignore[misc]
        super().close()

    def _write(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._lines))
                line = self._lines[0]
            self._put(line)  # which stalls
            with self._change:
                del self._lines[0]
                if self._left_out and not self._lines:
                    self._lines.append(f"{self._left_out} lines of the log are left out: it stood still\n")
                    self._left_out = 0
                self._stalled = self._stalled and bool(self._lines)
                self._change.notify_all()

    def _put(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # its reader has gone, or it is closed
            self.stream.write(line)
            self.stream.flush()
