"""A series in one line of text."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rheed_acquire.system.terminal import stdout_encoding

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"


def takes_blocks(encoding: str | None = None) -> bool:
    """Whether text in this encoding, by default stdout's, can hold the blocks."""
    try:
        BLOCKS.encode(encoding or stdout_encoding())
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def sparkline(values: ArrayLike, width: int = 40, *, blocks: bool = True) -> str:
    """Draw a series of (N,) as at most ``width`` characters, each the mean of as many values as the others.

    The lowest character stands for the least of the means, the highest for the greatest; where there is no
    finite value, a space stands.
    """
    series = np.asarray(values, np.float64)
    edges = np.linspace(0, len(series), min(width, len(series)) + 1).round().astype(int)
    known = np.isfinite(series)
    sums = np.concatenate(([0.0], np.cumsum(np.where(known, series, 0.0))))
    counts = np.concatenate(([0], np.cumsum(known)))
    filled = np.diff(counts[edges])
    if not filled.any():
        return " " * len(filled)
    means = np.where(filled, np.diff(sums[edges]) / np.maximum(filled, 1), np.nan)
    lowest, highest = np.nanmin(means), np.nanmax(means)
    ramp = BLOCKS if blocks else ASCII
    scale = (len(ramp) - 1) / (highest - lowest) if highest > lowest else 0.0
    return "".join(" " if np.isnan(mean) else ramp[round((mean - lowest) * scale)] for mean in means)
