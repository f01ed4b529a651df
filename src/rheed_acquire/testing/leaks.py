"""What stays behind in the process when a camera has been opened and closed many times."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rheed_acquire.testing.rules import Rule, broken

WARM_UP = 5
SLACK_KB = 12_288
"""What is taken once, whatever the number of cycles: genicam takes 6 MB over the first 25."""

SETTLE_S = 2.0
"""How long after the last close a thread may take to end, and with it what it holds."""

_STATUS = Path("/proc/self/status")
_DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))

Held = dict[str, int]

_COUNTED = ("descriptors", "threads")


def held() -> Held:
    """Count what this process holds, as far as the system tells: threads always, the rest not on Windows.

    Returns
    -------
    ``threads``, ``descriptors`` and ``memory_kb``, memory in kB without pages of files: those the
    system takes back and gives again as it likes.
    """
    gc.collect()
    counts = {"threads": threading.active_count()}
    if _STATUS.exists():
        status = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
        kinds = ("RssAnon", "RssShmem", "VmSwap") if "RssAnon" in status else ("VmRSS",)
        memory_kb = sum(int(status.get(kind, "0").split()[0]) for kind in kinds)
        counts = {"threads": int(status["Threads"]), "memory_kb": memory_kb}
    for folder in _DESCRIPTORS:
        if folder.is_dir():
            counts["descriptors"] = sum(1 for _ in folder.iterdir())
            break
    return counts


def check_leaks(cycle: Callable[[], None], cycles: int, leak_kb: float, why: str) -> tuple[Held, Held]:
    """Open and close again and again: threads and descriptors stay as many, memory grows by little.

    Parameters
    ----------
    leak_kb, why
        What each cycle may take, in kB, and for what reason.

    Returns
    -------
    What was held before and after.
    """
    for _ in range(WARM_UP):
        cycle()
    before = held()
    for _ in range(cycles):
        cycle()
    after = held()
    # A thread that has been told to end may be seen ending.
    until = time.monotonic() + SETTLE_S
    while _has_more(before, after) and time.monotonic() < until:
        time.sleep(0.02)
        after = held()
    for name in _COUNTED:
        if _has_more(before, after, name):
            broken(Rule.GIVE_BACK, f"{cycles} openings left {name} behind: {before} became {after}")
    allowed = SLACK_KB + cycles * leak_kb
    if after.get("memory_kb", 0) - before.get("memory_kb", 0) > allowed:
        broken(
            Rule.GIVE_BACK,
            f"{cycles} openings took more than {allowed:.0f} kB ({why}): {before} became {after}",
        )
    return before, after


def _has_more(before: Held, after: Held, *names: str) -> bool:
    return any(after.get(name, 0) > before.get(name, 0) for name in names or _COUNTED)
