"""When each frame of a chunk was captured, as a presign request brings it to the local server.

Whole microseconds in a text: how long after the chunk's start the first frame was captured (less than 0 where
the start, in whole milliseconds, was rounded up), then for each other frame how long after the one before.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

FRAME_TIMES = "frame_times_us"
"""The key, of the request's body and of an answer that says that it is understood."""
LONGEST = 1 << 19
"""Of the text, half of what a request's body may be: where it would be longer, frames are evenly spaced."""

_FORM = re.compile(r"-?[0-9]{1,4}(?:,[0-9]{1,12})*")


def encode_times(since_us: NDArray[np.int64]) -> str | None:
    """Write down (N,) times in microseconds since the chunk's start; None where that becomes too long."""
    steps = np.diff(np.maximum.accumulate(since_us), prepend=0)
    text = ",".join(map(str, steps.tolist()))
    return text if len(text) <= LONGEST and _FORM.fullmatch(text) else None


def decode_times(text: str, frames: int) -> NDArray[np.int64]:
    """Read what `encode_times` has written.

    Raises
    ------
    ValueError
        It is no such text, or not of so many frames.
    """
    if len(text) > LONGEST or _FORM.fullmatch(text) is None or text.count(",") != frames - 1:
        raise ValueError(f"must be {frames} whole numbers of microseconds with commas between them")
    since_us: NDArray[np.int64] = np.cumsum(np.array(text.split(","), np.int64))
    return since_us
