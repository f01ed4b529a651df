"""What stays behind when a camera has been opened and closed many times."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.hardware.contract.observer import Observer
from tests.hardware.contract.rules import Rule, broken

if TYPE_CHECKING:
    from tests.hardware.contract.conftest import Bench

WARM_UP = 5
SLACK_KB = 12_288
"""What is taken once, whatever the number of cycles: genicam takes 6 MB over the first 25."""


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds: resident memory in kB, open descriptors, threads of the system."""

    memory_kb: int
    descriptors: int
    threads: int


def held() -> Held:
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Held(int(status["VmRSS"].split()[0]), descriptors, int(status["Threads"]))


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it counts by /proc, which is Linux's")
def test_opening_and_closing_leaves_nothing_behind(
    bench: Bench, full: bool, record_property: Callable[[str, object], None]
) -> None:
    def cycle() -> None:
        observer = Observer()
        with bench.open_briefly() as camera:
            observer.start(camera)
            observer.wait_for_frames(1)
            observer.stop(camera)
        observer.verdict()

    cycles = 1000 if full else 20
    for _ in range(WARM_UP):
        cycle()
    before = held()
    for _ in range(cycles):
        cycle()
    after = held()
    record_property("cycles", cycles)
    record_property("before", str(before))
    record_property("after", str(after))
    print(f"{bench.subject.backend}, {cycles} cycles: {before} -> {after}")
    if after.descriptors > before.descriptors:
        broken(Rule.GIVE_BACK, f"{cycles} cycles left descriptors open: {before} -> {after}")
    if after.threads > before.threads:
        broken(Rule.GIVE_BACK, f"{cycles} cycles left threads: {before} -> {after}")
    allowed = SLACK_KB + cycles * bench.subject.leak_kb
    if after.memory_kb - before.memory_kb > allowed:
        broken(
            Rule.GIVE_BACK,
            f"{cycles} cycles took more than {allowed:.0f} kB ({bench.subject.leak_why}): "
            f"{before} -> {after}",
        )
