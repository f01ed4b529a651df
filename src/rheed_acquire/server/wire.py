"""The protocol's request bodies and queries, checked and typed.

What a chunk may be is bounded by what has to be held or written for it, far above any camera of the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.frame_times import FRAME_TIMES, decode_times
from rheed_acquire.recording.layout import place_of, shard_key
from rheed_acquire.server.json_body import UNPROCESSABLE, has_controls, is_encodable, shown
from rheed_acquire.server.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGEST_SIDE = 65_536
LARGEST_FRAME = 1 << 26
"""Pixels of a frame, such as 8192 x 8192; one frame is held when it is decoded."""
LARGEST_CHUNK = 1 << 17
"""Frames of a full chunk; its index takes 16 bytes for each."""
LARGEST_CHUNK_BYTES = 1 << 32
"""Of a full chunk, decoded."""
_LONGEST_TEXT = 1000
_LONGEST_LIST = 256
_LARGEST_RATE = 1e6
_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""
_EARLIEST_MS = -62_135_596_800_000
"""The beginning of the year 1."""


def _wrong(message: str) -> Refusal:
    return Refusal(UNPROCESSABLE, message)


def check_text(name: str, value: str) -> str:
    """Take a string from outside, without the space around it.

    Raises
    ------
    Refusal
        422 where it is blank or too long, or has control characters or lone surrogates in it.
    """
    value = value.strip()
    if not value:
        raise _wrong(f"'{name}' must not be blank")
    if len(value) > _LONGEST_TEXT:
        raise _wrong(f"'{name}' must not be longer than {_LONGEST_TEXT} characters, and has {len(value)}")
    if has_controls(value) or not is_encodable(value):
        raise _wrong(f"'{name}' must have no control characters and no lone surrogates: {shown(value)}")
    return value


def text(body: Mapping[str, Any], key: str) -> str:
    """Take a string that is not blank, without the space around it."""
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(f"'{key}' must be a string that is not blank, not {shown(value)}")
    return check_text(key, value)


def optional_text(body: Mapping[str, Any], key: str) -> str | None:
    """Take a string, None where it is absent, null or blank."""
    value = body.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return text(body, key)


def texts(body: Mapping[str, Any], key: str) -> list[str]:
    """Take a list of strings, not empty."""
    values = body.get(key)
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise _wrong(f"'{key}' must be a list of strings, not {shown(values)}")
    if len(values) > _LONGEST_LIST:
        raise _wrong(f"'{key}' must not have more than {_LONGEST_LIST} entries, and has {len(values)}")
    return values


def _number(body: Mapping[str, Any], key: str, largest: float) -> float:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(f"'{key}' must be a finite number, not {shown(value)}")
    if not 0 <= value <= largest:
        raise _wrong(f"'{key}' must be from 0 to {largest:g}, not {shown(value)}")
    return float(value)


def _integer_text(body: Mapping[str, Any], key: str) -> int:
    value = text(body, key)
    if re.fullmatch(r"-?[0-9]{1,18}", value) is None:
        raise _wrong(f"'{key}' must be a whole number in a string, not {shown(value)}")
    return int(value)


def _number_text(body: Mapping[str, Any], key: str) -> float:
    value = text(body, key)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(f"'{key}' must be a finite number in a string, not {shown(value)}")
    return number


def parse_stream(body: Mapping[str, Any]) -> StreamDeclaration:
    """Check the body of ``POST /rheed/stream/``."""
    fps = _number(body, "fps_capture_rate", _LARGEST_RATE)
    if fps < 1 / _LARGEST_RATE:
        raise _wrong(f"'fps_capture_rate' must be above 0, not {fps}")
    has_period = body.get("rotational_period") is not None
    return StreamDeclaration(
        name=text(body, "data_item_name"),
        fps=fps,
        rotations_per_min=_number(body, "rotations_per_min", _LARGEST_RATE),
        # Frames per rotation, of a stage that may turn very slowly.
        rotational_period=_number(body, "rotational_period", 1e15) if has_period else None,
        project_id=optional_text(body, "project_id"),
        azimuth_label=optional_text(body, "azimuth_label"),
    )


def parse_chunk(query: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, ChunkDeclaration]:
    """Check a presign request.

    Returns
    -------
    tuple of str and ChunkDeclaration
        The data_id and the chunk.
    """
    filename = query.get("original_filename", "")
    index = place_of(filename)
    if index is None:
        raise _wrong(f"'original_filename' must be {shard_key('<chunk index>')}, not {shown(filename)}")
    for key, expected in (("num_parts", "1"), ("staging_type", "stream")):
        if query.get(key) != expected:
            raise _wrong(f"'{key}' must be {expected}, not {shown(query.get(key))}")
    for key, value in body.items():
        if not isinstance(value, str):
            raise _wrong(f"{shown(key)} must be a string, not {shown(value)}")
    for key, allowed in (("data_stream", ("rheed",)), ("is_stream", ("1",)), ("is_rotating", ("0", "1"))):
        if body.get(key) not in allowed:
            raise _wrong(f"'{key}' must be {' or '.join(allowed)}, not {shown(body.get(key))}")
    for key in ("raw_frame_rate", "avg_frame_rate"):
        if _number_text(body, key) <= 0:
            raise _wrong(f"'{key}' must be above 0, not {shown(body[key])}")
    frames, height, width = _parse_dims(text(body, "dims"))
    chunk_size = _integer_text(body, "chunk_size")
    if not 1 <= chunk_size <= LARGEST_CHUNK:
        raise _wrong(f"'chunk_size' must be from 1 to {LARGEST_CHUNK}, not {chunk_size}")
    if chunk_size * height * width > LARGEST_CHUNK_BYTES:
        raise _wrong(
            f"'chunk_size' of {chunk_size} frames of {height} x {width} makes more than "
            f"{LARGEST_CHUNK_BYTES} bytes"
        )
    if frames > chunk_size:
        raise _wrong(f"'dims' says {frames} frames, more than the declared chunk_size of {chunk_size}")
    start = _integer_text(body, "start_unix_ms_utc")
    if not _EARLIEST_MS <= start <= _LATEST_MS:
        raise _wrong(f"'start_unix_ms_utc' must lie in the years 1 to 9999, not at {start}")
    if _integer_text(body, "end_unix_ms_utc") < start:
        raise _wrong("'end_unix_ms_utc' lies before 'start_unix_ms_utc'")
    declaration = ChunkDeclaration(
        index=index,
        frames=frames,
        height=height,
        width=width,
        chunk_size=chunk_size,
        start_unix_ms=start,
        clock_offset_ms=_number_text(body, "clock_offset_ms") if "clock_offset_ms" in body else None,
        clock_uncertainty_ms=(
            _number_text(body, "clock_uncertainty_ms") if "clock_uncertainty_ms" in body else None
        ),
        avg_frame_rate=_number_text(body, "avg_frame_rate"),
    )
    return text(body, "data_id"), declaration


def parse_times(body: Mapping[str, Any], chunk: ChunkDeclaration) -> NDArray[np.float64] | None:
    """Take when each of a chunk's frames was captured, in ms since 1970; None where it is not said."""
    if FRAME_TIMES not in body:
        return None
    try:
        times_us = decode_times(body[FRAME_TIMES], chunk.frames)
    except ValueError as error:
        raise _wrong(f"{FRAME_TIMES!r} {error}") from None
    if chunk.start_unix_ms + int(times_us[-1]) // 1000 > _LATEST_MS:
        raise _wrong(f"{FRAME_TIMES!r} must lie in the years 1 to 9999")
    times_ms: NDArray[np.float64] = chunk.start_unix_ms + times_us / 1000
    return times_ms


def _parse_dims(dims: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([0-9]{1,7}),([0-9]{1,7}),([0-9]{1,7})", dims)
    if match is None:
        raise _wrong(f"'dims' must be frames,height,width, not {shown(dims)}")
    frames, height, width = (int(number) for number in match.groups())
    if frames < 1 or not 1 <= height <= _LARGEST_SIDE or not 1 <= width <= _LARGEST_SIDE:
        raise _wrong(f"'dims' must be at least 1,1,1 with sides up to {_LARGEST_SIDE}, not {shown(dims)}")
    if height * width > LARGEST_FRAME:
        raise _wrong(f"'dims' must have frames of at most {LARGEST_FRAME} pixels, not {shown(dims)}")
    return frames, height, width
