from __future__ import annotations

import re

import numpy as np

from rheed_acquire.regions.regions import Region
from rheed_acquire.view.server.history import TraceHistory
from rheed_acquire.view.server.metrics import RunCollector, known_metrics, metrics_text


class EveryFigure(dict[str, object]):
    """A state in which everything is known."""

    def __missing__(self, key: str) -> float:
        return 1.0

    def get(self, key: str, default: object = None) -> object:
        return self[key]


def test_what_the_reference_lists_is_what_prometheus_gets_once_all_is_known() -> None:
    history = TraceHistory()
    spot = Region(name="...", x=0, y=0, width=2, height=2)
    history.append((spot,), np.zeros(1), np.ones((1, 1), np.float32), np.ones((1, 1), np.uint8))
    text = metrics_text(RunCollector(EveryFigure, history)).decode()
    given = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert sorted(given) == sorted(name for name, _, _ in known_metrics())
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert types == {name.partition("{")[0]: kind for name, kind, _ in known_metrics()}
