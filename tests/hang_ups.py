"""The signal of a terminal that is gone, as a program finds it that a test starts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hang_ups(*, are_ignored: bool) -> Iterator[None]:
    """Have what is started meanwhile inherit that they are ignored, as by ``nohup``, or that they are not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if are_ignored else signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
