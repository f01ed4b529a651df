"""What an intensity's oscillations say of a growth: the rate of late, and the monolayers since a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rheed_acquire.regions.oscillation import Oscillation, dominant_period

FEWEST_OSCILLATIONS = 5
"""Of fewer, the ends decide too much."""
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Monolayers:
    """How much has grown, where one oscillation is one monolayer.

    Attributes
    ----------
    count
        In monolayers.
    uncertainty
        One standard deviation of it.
    """

    count: float
    uncertainty: float


def latest_oscillations(
    times_s: ArrayLike, values: ArrayLike, count: int
) -> tuple[Oscillation, float] | None:
    """Find the oscillation of the last ``count`` periods of a series (see `dominant_period`).

    The period of the whole series says how far back they reach; that of what is left then says it better,
    since a growth rate may change.

    Parameters
    ----------
    times_s, values
        As in `dominant_period`, (N,) each; times in any order.
    count
        How many, at least `FEWEST_OSCILLATIONS`.

    Returns
    -------
    oscillation, periods
        With how many periods it was found in, which are fewer where the series has no more; None where
        nothing oscillates at the end of the series.
    """
    times, levels = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    found = dominant_period(times, levels)
    if found is None:
        return None
    last = float(times.max())
    whole_s = last - float(times.min())
    span_s = whole_s
    for _ in range(_ROUNDS):
        wanted_s = min(count * found.period_s, whole_s)
        if abs(wanted_s - span_s) < 0.02 * span_s:
            break
        span_s = wanted_s
        late = times > last - span_s
        found = dominant_period(times[late], levels[late])
        if found is None:
            return None
    return found, span_s / found.period_s


def monolayers_since(times_s: ArrayLike, values: ArrayLike, since_s: float) -> Monolayers | None:
    """Count the monolayers that have grown since a moment: the time since, by the period since.

    It is one growth that is counted: a time in which nothing grew is counted too. In the light of an
    oscillation that has died away it goes on, by the period that there was.

    Parameters
    ----------
    times_s, values
        As in `dominant_period`, (N,) each; what lies before ``since_s`` is left out.
    since_s
        The moment, on the axis of ``times_s``.

    Returns
    -------
    Monolayers or None
        None as long as `dominant_period` finds nothing in what came since.
    """
    times, levels = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    since = times >= since_s
    found = dominant_period(times[since], levels[since])
    if found is None:
        return None
    grown = (float(times[since].max()) - since_s) / found.period_s
    return Monolayers(grown, grown * found.uncertainty_s / found.period_s)
