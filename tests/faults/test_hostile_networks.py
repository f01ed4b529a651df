"""A bounded share of the campaign of hostile networks (tests/faults/campaign.py), for every change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.campaign import failures, make_runs
from tests.faults.hostile_run import HostileRun

SEEDS = range(1, 9)


@pytest.mark.timeout(600)
def test_what_a_run_says_of_its_frames_is_true_and_none_is_lost_whatever_the_network_does(
    tmp_path: Path,
) -> None:
    outcomes = list(make_runs(HostileRun, SEEDS, tmp_path, at_once=3))
    assert not failures(outcomes), "\n".join(map(str, failures(outcomes)))
    assert sum(outcome.faults for outcome in outcomes) >= len(SEEDS)
    assert sum(outcome.fate.taken for outcome in outcomes) > 1000
