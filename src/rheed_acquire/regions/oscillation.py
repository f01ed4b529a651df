"""The dominant oscillation of an intensity: its period, how sure that is, and the growth rate it implies.

Of layer-by-layer growth one period is one monolayer (J. H. Neave, B. A. Joyce, P. J. Dobson, N. Norton,
"Dynamics of film growth of GaAs by MBE from RHEED observations", Applied Physics A 31, 1-8, 1983).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_POINTS = 16
MIN_PERIODS = 2.5
"""Fewer periods than this cannot be told from a drift."""
MAX_POINTS = 2**14
"""A longer series is averaged down to this before it is transformed."""
FALSE_ALARM = 1e-4
"""How often noise would be taken for an oscillation if its spectrum were known exactly."""

_LOBE = 2  # half the width of a Hann window's main lobe, in bins
_NOISE_FACTOR = 0.55
_LEAKAGE_FACTOR, _LEAKAGE_POWER = 100.0, 8
_NOISE_BINS = 64
_TRIED = 4  # lines, the most prominent ones first
_ROUNDS = 10
_FLOOR = 1e-5  # of the strongest bin
_LOWEST = 6
_NEAR_BINS, _NEAR = 24, 6  # how far the straight continuum goes: so many bins, and times the line's frequency
_WIDTH = 0.15  # of a line that decays, as a fraction of its frequency
_ROUNDING = 8 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Oscillation:
    """A period found in a series.

    Attributes
    ----------
    period_s
        In seconds.
    uncertainty_s
        One standard deviation of it, from the noise around the line, and the bias that few periods bring.
    strength
        Which part of the variance, once the trend is taken off, the oscillation makes: 0 to 1.
    """

    period_s: float
    uncertainty_s: float
    strength: float

    @property
    def growth_rate(self) -> float:
        """Monolayers per second, where one period is one monolayer."""
        return 1.0 / self.period_s

    @property
    def growth_uncertainty(self) -> float:
        """One standard deviation of `growth_rate`."""
        return self.uncertainty_s / self.period_s**2


def dominant_period(times_s: ArrayLike, values: ArrayLike) -> Oscillation | None:
    """Find the strongest oscillation of a series.

    The series is put on an even grid, its parabola of least squares is taken off, and it is transformed under
    a Hann window. The line's place between two bins follows from the ratio of the two highest (T. Grandke,
    "Interpolation Algorithms for Discrete Fourier Transforms of Weighted Signals", IEEE Transactions on
    Instrumentation and Measurement 32, 350-355, 1983). Its uncertainty falls with the square root of the
    line's power over that of the noise in a bin, as the bound of D. C. Rife and R. R. Boorstyn does
    ("Single-tone parameter estimation from discrete-time observations", IEEE Transactions on Information
    Theory 20, 591-598, 1974); the noise is taken from the bins around the line. The factor of that, and the
    bias by which few periods leak into each other, were found by simulation (see the tests).

    A line counts where it stands out of the bins around it, and out of the continuum too: drifts, steps and
    red noise have spectra that fall with frequency, whose lowest bins stand far above their neighbours
    without any oscillation. The continuum is a cubic of least absolute deviations in log power over log
    frequency, and for the lowest bins, where a cubic has nothing to hold on to on their left, a straight one
    where that is higher. What the rounding of its values leaves of a series is no oscillation either.

    Parameters
    ----------
    times_s
        (N,), in seconds from any origin, in any order; gaps are bridged by straight lines.
    values
        (N,). What is not finite counts as missing.

    Returns
    -------
    Oscillation or None
        None where there are too few values, fewer than `MIN_PERIODS` periods, or nothing that stands out of
        the noise.
    """
    grid = _even_grid(np.asarray(times_s, np.float64), np.asarray(values, np.float64))
    if grid is None:
        return None
    step_s, series = grid
    count = len(series)
    place = np.linspace(-1.0, 1.0, count)
    largest = float(np.abs(series).max())
    series = series - np.polynomial.polynomial.polyval(
        place, np.polynomial.polynomial.polyfit(place, series, 2)
    )
    if series.std() <= _ROUNDING * largest:
        return None
    spectrum = np.abs(np.fft.rfft(series * np.hanning(count + 1)[:-1]))
    power = spectrum**2
    first = math.ceil(MIN_PERIODS - 0.5)
    if len(power) < first + _LOBE + 2 or not power[first:].any():
        return None
    peak = _strongest_line(power, first)
    if peak is None:
        return None
    noise = _noise_around(power, peak, first)
    bins = _line(spectrum, peak)
    if bins < MIN_PERIODS:
        return None
    own = power[max(0, peak - _LOBE) : peak + _LOBE + 1].sum()
    span_s = count * step_s
    relative = math.hypot(
        _NOISE_FACTOR * math.sqrt(noise / power[peak]) / bins, _LEAKAGE_FACTOR / bins**_LEAKAGE_POWER
    )
    period_s = span_s / bins
    return Oscillation(period_s, relative * period_s, float(own / power[1:].sum()))


def _even_grid(
    times_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]] | None:
    """The series at even steps, averaged where it is longer than is needed; None where it is too short."""
    known = np.isfinite(times_s) & np.isfinite(values)
    times_s, values = times_s[known], values[known]
    if len(times_s) < MIN_POINTS:
        return None
    if (np.diff(times_s) < 0).any():
        order = np.argsort(times_s, kind="stable")
        times_s, values = times_s[order], values[order]
    span_s = float(times_s[-1] - times_s[0])
    if not span_s > 0:
        return None
    step_s = span_s / (len(times_s) - 1)
    even = times_s[0] + step_s * np.arange(len(times_s))
    series = np.interp(even, times_s, values)
    together = -(-len(series) // MAX_POINTS)
    if together > 1:
        whole = len(series) // together * together
        series = series[:whole].reshape(-1, together).mean(axis=1)
    return step_s * together, series


def _line(spectrum: NDArray[np.float64], peak: int) -> float:
    """Place of a line in bins, from the highest bin and the higher of its neighbours."""
    before, here, after = spectrum[peak - 1 : peak + 2]
    if after >= before:
        ratio = after / here
        return float(peak + (2 * ratio - 1) / (ratio + 1))
    ratio = before / here
    return float(peak - (2 * ratio - 1) / (ratio + 1))


def _strongest_line(power: NDArray[np.float64], first: int) -> int | None:
    """Bin of the line that stands highest above noise and continuum; None where none does."""
    # What a strong line leaks into far bins, and what rounding leaves there, is no continuum.
    power = np.maximum(power, _FLOOR * power.max())
    # Of noise alone a bin's power is distributed exponentially.
    needed = math.log((len(power) - first) / FALSE_ALARM)
    # Not the last bin: the line needs a neighbour on either side.
    left = power[first:-1] / _continuum(power, 3, len(power))[first - 1 : -1]
    found, most = None, needed
    for _ in range(_TRIED):
        highest = first + int(left.argmax())
        # Over a continuum that falls, the flank of a line may stand higher than its top.
        low = max(first, highest - 1)
        peak = low + int(power[low : min(highest + 2, len(power) - 1)].argmax())
        left[max(0, highest - first - _LOBE) : highest - first + _LOBE + 1] = 0.0
        if power[peak] <= power[peak - 1] or power[peak] < power[peak + 1]:
            continue
        above = power[peak] / _noise_around(power, peak, first)
        if above <= most:
            continue
        above = min(above, power[peak] / _continuum(power, 3, len(power), peak)[peak - 1])
        if peak <= _LOWEST:
            end = min(len(power), max(_NEAR_BINS, _NEAR * peak))
            above = min(above, power[peak] / _continuum(power, 1, end, peak)[peak - 1])
        if above > most:
            found, most = peak, above
    return found


def _continuum(
    power: NDArray[np.float64], degree: int, end: int, line: int | None = None
) -> NDArray[np.float64]:
    """Mean power of what is no line in bins 1 to ``end``, as a power of frequency that changes slowly."""
    bins = np.arange(1, end)
    logs = np.log(power[1:end])
    place = np.log(bins)
    place = 2.0 * place / max(place[-1], 1.0) - 1.0
    matrix = np.vander(place, degree + 1)
    octaves = 1.0 / np.sqrt(bins)  # each weighs the same
    if line is not None:
        octaves[np.abs(bins - line) <= max(_LOBE, _WIDTH * line)] = 0.0
    weights = octaves
    for _ in range(_ROUNDS):
        weighted = (matrix * (weights**2)[:, None]).T
        factors = np.linalg.lstsq(weighted @ matrix, weighted @ logs, rcond=None)[0]
        fitted = matrix @ factors
        weights = octaves / np.sqrt(np.maximum(np.abs(logs - fitted), 0.3))
    # The median of an exponential distribution is ln 2 of its mean.
    mean: NDArray[np.float64] = np.exp(np.clip(fitted, -700.0, 700.0)) / math.log(2)
    return mean


def _noise_around(power: NDArray[np.float64], peak: int, first: int) -> float:
    """Mean power of the noise in a bin near the line, from the median, which other lines hardly touch."""
    reach = max(_NOISE_BINS, peak)
    low, high = max(first, peak - reach), min(len(power), peak + reach + 1)
    near = np.concatenate((power[low : max(low, peak - _LOBE)], power[peak + _LOBE + 1 : high]))
    if not len(near):
        return float(power[peak])
    # The median of an exponential distribution is ln 2 of its mean.
    return float(np.median(near)) / math.log(2)
