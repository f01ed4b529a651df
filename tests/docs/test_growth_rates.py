"""What a page's code computes of runs whose answer is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.docs.pages import read_page
from tests.recorded_growths import SECONDS, record_growth

from rheed_acquire import open_run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "analyse-runs-with-xarray-and-dask.md"


def test_the_growth_rates_of_twenty_runs_are_found_on_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = np.linspace(0.3, 2.2, 20)
    runs = [
        record_growth(tmp_path / str(number), number, rate, lost_chunk=3 if number % 2 else None)
        for number, rate in enumerate(rates)
    ]
    blocks = [block.text for block in read_page(PAGE.name, PAGE).blocks if "LocalCluster" in block.text]
    exec(compile(blocks[0], str(PAGE), "exec"), {"runs": runs, "open_run": open_run})
    printed = re.findall(r"^Growth (\d+): ([\d.]+) monolayers/s$", capsys.readouterr().out, re.MULTILINE)
    assert [int(number) for number, _ in printed] == list(range(20))
    assert [float(rate) for _, rate in printed] == pytest.approx(rates, abs=0.25 / SECONDS)
