"""The soak, for a moment; how flat a process stays takes minutes, and is judged by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells of no other process without psutil")
def test_a_process_tells_what_it_takes() -> None:
    from tests.faults.process_figures import figures_of

    before = figures_of(os.getpid())
    this = Path(__file__)
    with this.open("rb"), this.open("rb"), this.open("rb"):
        after = figures_of(os.getpid())
    assert before is not None
    assert after is not None
    assert after.files == before.files + 3
    assert before.resident_mb > 1
    assert before.threads >= 1


def test_every_frame_of_a_soak_arrives(tmp_path: Path) -> None:
    from tests.faults.soak import soak

    samples, problems = soak(tmp_path, seconds=4.0, every_s=0.5, seed=1)
    assert samples or sys.platform == "darwin"
    assert problems == []


def test_what_grows_is_not_flat() -> None:
    from tests.faults.process_figures import Figures
    from tests.faults.soak import judge

    flat = [(float(second), Figures(100.0, 10, 20)) for second in range(0, 300, 10)]
    growing = [(at_s, Figures(100 + at_s, 10 + int(at_s / 10), 20)) for at_s, _ in flat]
    assert judge(flat) == []
    assert len(judge(growing)) == 2
    assert judge(flat[:8]) == ["2 samples after the first minute are too few to tell"]
