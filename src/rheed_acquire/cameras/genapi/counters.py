"""Counters of a driver, as they are since the start of a run."""

from __future__ import annotations

from collections.abc import Mapping


def counted_since(baseline: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, int]:
    """Count from the start of a run on, at which the counters were ``baseline``.

    Some drivers start some counters anew with each start, and let others run on.
    """
    since = {name: value - baseline.get(name, 0) for name, value in counters.items()}
    return {name: counters[name] if value < 0 else value for name, value in since.items()}
