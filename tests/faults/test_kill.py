"""A bounded share of the campaign of kills (tests/faults/campaign.py), for every change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.campaign import failures, make_runs
from tests.faults.kill_run import KillRun

SEEDS = range(1, 13)


@pytest.mark.timeout(900)
def test_every_frame_taken_before_a_kill_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    outcomes = list(make_runs(KillRun, SEEDS, tmp_path, at_once=3))
    assert not failures(outcomes), "\n".join(map(str, failures(outcomes)))
    assert sum(outcome.kills for outcome in outcomes) >= len(SEEDS) // 2
    assert sum(outcome.fate.taken for outcome in outcomes) > 1000
