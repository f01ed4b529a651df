"""From the times that frames were captured at, as files tell them, to what a recording says of its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rheed_acquire_replay.axes import Axes
    from rheed_acquire_replay.recording import Recording


_NOISE = 1e-5
"""Of rates: times in seconds since 1970 are known to a quarter of a microsecond as floats."""


def take_times(recording: Recording, captured_ns: Sequence[int | None], by: str) -> bool:
    """Let a recording have the times of its frames, as far as they tell.

    Where they rise they are its times. Where they are coarse, so that several frames share one, the first and
    the last tell the rate.

    Parameters
    ----------
    captured_ns
        (T,) nanoseconds since 1970 in UTC; None for a frame that does not tell.
    by
        Where they come from, for the user.

    Returns
    -------
    bool
        Whether they are its times.
    """
    if not captured_ns or captured_ns[0] is None:
        return False
    first = captured_ns[0]
    recording.captured_ns = first
    recording.notes["captured"] = f"by {by}"
    known = [each for each in captured_ns if each is not None]
    if len(known) < len(captured_ns) or len(known) < 2:
        return False
    # Exactly: as floats, nanoseconds since 1970 are not.
    since = np.array([each - first for each in known], np.int64)
    steps = np.diff(since)
    if (steps > 0).all():
        recording.times_ns = since
        recording.notes["times"] = f"of each frame, by {by}"
        return True
    if (steps >= 0).all() and since[-1] > 0:
        resolution = int(np.min(steps[steps > 0]))
        # Of the last value there may be more frames than there were yet.
        if since[-1] >= 2 * resolution:
            recording.fps = _coarse_rate(since)
            recording.notes["rate"] = (
                f"{recording.fps:.4g} frames/s, by {by}, of which several frames share one"
            )
        return False
    recording.warnings.append(
        f"all frames have the same time by {by}"
        if not since.any()
        else f"the times of the frames by {by} run backwards and are not used"
    )
    return False


def take_period(recording: Recording, period_s: float, axes: Axes | None, by: str) -> None:
    """Let a recording have the rate that follows from the time between steps along its axis T.

    Where several frames belong to one step, as those of a focus series, they are taken for evenly spread over
    it: nothing tells more.

    Parameters
    ----------
    axes
        Of the frames; None where each is a step.
    by
        What tells the time, for the user.
    """
    frames = 1 if axes is None else axes.frames_in_a_step("T")
    recording.fps = plain_rate((frames or 1) / period_s)
    told = f"{recording.fps:.6g} frames/s, by {by}"
    if frames is None:
        recording.warnings.append(
            f"its frames are stored as {axes}, not in the order in which they were captured: their rate, "
            f"by {by}, is that of those that belong together"
        )
    elif frames > 1:
        told += f" of {period_s:.6g} s from T to T, with {frames} frames in each"
    recording.notes["rate"] = told


def tell_unused(recording: Recording, name: str, shape: Sequence[int]) -> None:
    """Say of what lies beside frames and is called times that it is not taken for theirs."""
    if math.prod(shape) < 2:
        return
    recording.warnings.append(
        f"{name}, of {' x '.join(map(str, shape))} values for {recording.count} frames, is not understood as "
        "their times, and is not used"
    )


def plain_rate(rate: float) -> float:
    """Free a rate of the noise of the numbers that it was computed from: 9.999986 is 10."""
    plain = round(rate, 3)
    return plain if abs(plain - rate) < _NOISE * rate else rate


def _coarse_rate(since: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Frames a second between the first change of the time and its last."""
    changes = np.flatnonzero(np.diff(since)) + 1
    first, last = int(changes[0]), int(changes[-1])
    if last == first:
        return float((len(since) - 1) * 1e9 / since[-1])
    return float((last - first) * 1e9 / (since[last] - since[first]))
