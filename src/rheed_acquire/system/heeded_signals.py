"""Signals that a program heeds instead of ending by them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from types import FrameType


def heed_signals(names: Iterable[str], handle: Callable[[int, FrameType | None], None]) -> None:
    """Have a function called for each of these signals that the system has; in the main thread only.

    A hang-up that was ignored when the program began stays so: with that ``nohup`` starts what is to outlive
    its terminal. Ctrl-C is heeded all the same, for a script's shell ignores it for all that it puts into the
    background, which ``kill -INT`` is to end.
    """
    for name in names:
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
            continue
        signal.signal(number, handle)
