from __future__ import annotations

import time

import pytest

from rheed_acquire.clocks.rate import Rate


def test_a_counter_that_begins_anew_has_no_negative_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    counter = Rate(2.0)
    rates = []
    for count in (0, 50, 100, 3, 53, 103):
        rates.append(counter.update(count))
        now_s += 0.5
    assert rates == [None, 100.0, 100.0, None, 100.0, 100.0]
