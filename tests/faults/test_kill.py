"""A bounded share of the campaign (tests/faults/campaign.py), for every change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.campaign import make_runs

SEEDS = range(1, 13)


@pytest.mark.timeout(900)
def test_every_frame_taken_before_a_kill_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    outcomes = list(make_runs(SEEDS, tmp_path, at_once=3))
    failures = [str(outcome) for outcome in outcomes if outcome.failure is not None]
    assert not failures, "\n".join(failures)
    assert sum(outcome.kills for outcome in outcomes) >= len(SEEDS) // 2
    assert sum(outcome.taken for outcome in outcomes) > 1000
