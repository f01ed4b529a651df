"""The protocol's request bodies and queries, checked and typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rheed_acquire.server.refusal import Refusal

_FILENAME = re.compile(r"frames\.zarr/frames/c/(0|[1-9][0-9]{0,8})/0/0")
_LARGEST_SIDE = 65_536
_LARGEST_CHUNK = 1_000_000
_UNPROCESSABLE = 422


def _wrong(message: str) -> Refusal:
    return Refusal(_UNPROCESSABLE, message)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise _wrong("the body is not a JSON object")
    return parsed


def text(body: Mapping[str, Any], key: str) -> str:
    """Take a string that is not blank, without the space around it."""
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(f"'{key}' must be a string that is not blank, not {value!r}")
    return value.strip()


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
        raise _wrong(f"'{key}' must be a list of strings, not {values!r}")
    return values


def _number(body: Mapping[str, Any], key: str) -> float:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(f"'{key}' must be a finite number, not {value!r}")
    return float(value)


def _integer_text(body: Mapping[str, Any], key: str) -> int:
    value = text(body, key)
    if re.fullmatch(r"-?[0-9]{1,18}", value) is None:
        raise _wrong(f"'{key}' must be a whole number in a string, not {value!r}")
    return int(value)


def _number_text(body: Mapping[str, Any], key: str) -> float:
    value = text(body, key)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(f"'{key}' must be a finite number in a string, not {value!r}")
    return number


@dataclass(frozen=True, slots=True)
class StreamDeclaration:
    """A stream as ``POST /rheed/stream/`` declares it.

    Attributes
    ----------
    fps
        Frames per second.
    rotational_period
        Frames per rotation of the stage, None for a stationary one.
    """

    name: str
    fps: float
    rotations_per_min: float
    rotational_period: float | None
    project_id: str | None
    azimuth_label: str | None


def parse_stream(body: Mapping[str, Any]) -> StreamDeclaration:
    """Check the body of ``POST /rheed/stream/``."""
    fps = _number(body, "fps_capture_rate")
    if fps <= 0:
        raise _wrong(f"'fps_capture_rate' must be above 0, not {fps}")
    rotations_per_min = _number(body, "rotations_per_min")
    if rotations_per_min < 0:
        raise _wrong(f"'rotations_per_min' must not be below 0, not {rotations_per_min}")
    has_period = body.get("rotational_period") is not None
    return StreamDeclaration(
        name=text(body, "data_item_name"),
        fps=fps,
        rotations_per_min=rotations_per_min,
        rotational_period=_number(body, "rotational_period") if has_period else None,
        project_id=optional_text(body, "project_id"),
        azimuth_label=optional_text(body, "azimuth_label"),
    )


@dataclass(frozen=True, slots=True)
class ChunkDeclaration:
    """A chunk as its presign request declares it.

    Attributes
    ----------
    index
        Its place in the stream, from 0.
    frames, height, width
        Its shape: ``frames`` images of ``height`` rows and ``width`` columns.
    chunk_size
        Frames in a full chunk of this stream.
    start_unix_ms
        When its first frame was captured, ms since 1970, UTC.
    clock_offset_ms, clock_uncertainty_ms
        The clock correction already in ``start_unix_ms`` and its bound; None where none was applied.
    """

    index: int
    frames: int
    height: int
    width: int
    chunk_size: int
    start_unix_ms: int
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None

    @property
    def largest_shard(self) -> int:
        """More bytes than any shard of this chunk can have.

        zstd expands noise by less than 0.4 % and a header; a tenth leaves room for any encoder.
        """
        return int(self.frames * (self.height * self.width * 1.1 + 1024)) + 65_536


def parse_chunk(query: Mapping[str, str], body: Mapping[str, Any]) -> tuple[str, ChunkDeclaration]:
    """Check a presign request.

    Returns
    -------
    tuple of str and ChunkDeclaration
        The data_id and the chunk.
    """
    filename = query.get("original_filename", "")
    match = _FILENAME.fullmatch(filename)
    if match is None:
        raise _wrong(f"'original_filename' must be frames.zarr/frames/c/<chunk index>/0/0, not {filename!r}")
    for key, expected in (("num_parts", "1"), ("staging_type", "stream")):
        if query.get(key) != expected:
            raise _wrong(f"'{key}' must be {expected}, not {query.get(key)!r}")
    for key, value in body.items():
        if not isinstance(value, str):
            raise _wrong(f"'{key}' must be a string, not {value!r}")
    for key, allowed in (("data_stream", ("rheed",)), ("is_stream", ("1",)), ("is_rotating", ("0", "1"))):
        if body.get(key) not in allowed:
            raise _wrong(f"'{key}' must be {' or '.join(allowed)}, not {body.get(key)!r}")
    for key in ("raw_frame_rate", "avg_frame_rate"):
        if _number_text(body, key) <= 0:
            raise _wrong(f"'{key}' must be above 0, not {body[key]!r}")
    frames, height, width = _parse_dims(text(body, "dims"))
    chunk_size = _integer_text(body, "chunk_size")
    if not 1 <= chunk_size <= _LARGEST_CHUNK:
        raise _wrong(f"'chunk_size' must be from 1 to {_LARGEST_CHUNK}, not {chunk_size}")
    if frames > chunk_size:
        raise _wrong(f"'dims' says {frames} frames, more than the declared chunk_size of {chunk_size}")
    start = _integer_text(body, "start_unix_ms_utc")
    if _integer_text(body, "end_unix_ms_utc") < start:
        raise _wrong("'end_unix_ms_utc' lies before 'start_unix_ms_utc'")
    declaration = ChunkDeclaration(
        index=int(match[1]),
        frames=frames,
        height=height,
        width=width,
        chunk_size=chunk_size,
        start_unix_ms=start,
        clock_offset_ms=_number_text(body, "clock_offset_ms") if "clock_offset_ms" in body else None,
        clock_uncertainty_ms=(
            _number_text(body, "clock_uncertainty_ms") if "clock_uncertainty_ms" in body else None
        ),
    )
    return text(body, "data_id"), declaration


def _parse_dims(dims: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([0-9]{1,7}),([0-9]{1,7}),([0-9]{1,7})", dims)
    if match is None:
        raise _wrong(f"'dims' must be frames,height,width, not {dims!r}")
    frames, height, width = (int(number) for number in match.groups())
    if frames < 1 or not 1 <= height <= _LARGEST_SIDE or not 1 <= width <= _LARGEST_SIDE:
        raise _wrong(f"'dims' must be at least 1,1,1 with sides up to {_LARGEST_SIDE}, not {dims!r}")
    return frames, height, width
