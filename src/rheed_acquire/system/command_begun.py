"""When the command that this process is for was entered: before Python had started and found its modules."""

from __future__ import annotations

import time

_begun_ns: int | None = None


def note_command() -> None:
    """Let it be known that this process is for one command, as its first act.

    What it has worked so far is the time since then, but for what it has waited for the disk: so it never
    lies before the command was entered, by more than the 16 ms that Windows counts work in.
    """
    global _begun_ns
    _begun_ns = time.perf_counter_ns() - time.process_time_ns()


def command_begun_ns() -> int | None:
    """Say when, as ``time.perf_counter_ns``; None in a process that is for more than a command."""
    return _begun_ns
