"""Checks of what callers of `RHEEDStreamer` pass: each says what is wrong and what would be right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.clocks.cadence import MIN_CHUNK_S, smallest_chunk_size
from rheed_acquire.text.names import clean_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


LARGEST = 1e15
"""Beyond any rate, time or number that makes sense here; above it, sums lose their last digits."""


def check_chunk_size(chunk_size: int, fps: float) -> None:
    """Raise ValueError where a chunk would be shorter than two seconds."""
    least = smallest_chunk_size(fps)
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, int | np.integer) or chunk_size < least:
        raise ValueError(
            f"chunk_size is {chunk_size!r}, but at {fps:g} fps a chunk needs at least {least} frames "
            f"({MIN_CHUNK_S:g} seconds)"
        )


def check_frames(frames: object) -> NDArray[np.uint8]:
    """Return frames as (N, H, W).

    Raises
    ------
    ValueError
        They are not a uint8 array of shape (N, H, W) or (H, W) with at least one pixel.
    """
    if not isinstance(frames, np.ndarray):
        raise ValueError(f"frames must be a numpy array, not {type(frames).__name__}")  # noqa: TRY004
    if frames.dtype != np.uint8:
        raise ValueError(f"frames must be uint8, not {frames.dtype}; scale them to 0..255 first")
    if frames.ndim == 2:
        frames = frames[np.newaxis]
    if frames.ndim != 3:
        raise ValueError(f"frames must have shape (N, H, W) or (H, W), not {frames.shape}")
    if not frames.size:
        raise ValueError(f"frames of shape {frames.shape} hold no pixel")
    return frames


def split_item(item: object) -> tuple[object, float | None]:
    """Take apart what `RHEEDStreamer.run` is given: frames, or a pair of frames and their capture start.

    Raises
    ------
    ValueError
        It is a tuple but no pair, or the capture start is no number.
    """
    if not isinstance(item, tuple):
        return item, None
    if len(item) != 2:
        raise ValueError(f"a tuple must be a pair of frames and capture start, not of {len(item)}")
    frames, start_ms = item
    if start_ms is not None:
        check_number("capture_start_ms_utc", start_ms, positive=False)
    return frames, start_ms


def default_stream_name(now: datetime | None = None) -> str:
    """Name a stream by the local time, as in ``RHEED Stream @ 1:23PM``."""
    local = now or datetime.now().astimezone()
    return f"RHEED Stream @ {(local.hour - 1) % 12 + 1}:{local.minute:02d}{'AM' if local.hour < 12 else 'PM'}"


def check_number(name: str, value: float, *, positive: bool) -> None:
    """Raise ValueError unless a value is a finite number that is positive, or at least not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} must be a number, not {value!r}")  # noqa: TRY004
    if abs(value) > LARGEST or not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise ValueError(
            f"{name} is {value}, but must be a {'positive' if positive else 'non-negative'} number"
        )


def check_index(chunk_idx: int) -> int:
    """Return a chunk index as int; ValueError where it is none."""
    if isinstance(chunk_idx, bool) or not isinstance(chunk_idx, int | np.integer) or chunk_idx < 0:
        raise ValueError(f"chunk_idx must be an integer from 0, not {chunk_idx!r}")
    return int(chunk_idx)


def text_or_none(text: str | None) -> str | None:
    """Clean a text (`clean_name`); a blank one is none. ValueError where it is no text."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"a name, id or label must be a text, not {text!r}")  # noqa: TRY004
    return clean_name(text) or None


def distinct(tags: Sequence[str]) -> tuple[str, ...]:
    """Clean tags, drop blank ones, and keep the first of those that differ in case only.

    Raises
    ------
    ValueError
        They are one text, which would be taken apart letter by letter, or one of them is no text.
    """
    if isinstance(tags, str):
        raise ValueError(f"tags must be a sequence of names, not one text: [{tags!r}]")  # noqa: TRY004
    kept: dict[str, str] = {}
    for tag in tags:
        if not isinstance(tag, str):
            raise ValueError(f"a tag must be a text, not {tag!r}")  # noqa: TRY004
        name = clean_name(tag)
        if name:
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())
