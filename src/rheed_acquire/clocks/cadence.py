"""Which frame rate a stream declares, and how many frames a chunk has."""

from __future__ import annotations

import math

from rheed_acquire.cameras.camera import CameraInfo
from rheed_acquire.errors import SettingsError

MIN_CHUNK_S = 2.0
"""The service refuses chunks that are declared shorter than this."""


def smallest_chunk_size(fps: float) -> int:
    """Frames that a chunk needs at least, at ``fps`` frames per second."""
    return math.ceil(MIN_CHUNK_S * fps)


def decide_fps(
    info: CameraInfo, asked: float | None, tolerance: float, measured: float | None = None
) -> float:
    """Choose the rate that the stream declares.

    Parameters
    ----------
    info
        What the camera says.
    asked
        What the user asks for.
    tolerance
        By which fraction the camera's may differ from that.
    measured
        What was measured of a camera that does not say it. Where the camera knows a bound, what lies above
        is the error of that: nobody has asked for it.

    Raises
    ------
    SettingsError
        Neither the user nor the camera says one, or they differ by more than ``tolerance`` (a fraction).
    """
    if asked is None:
        if info.fps is None and measured is not None:
            return measured if info.fps_at_most is None else min(measured, info.fps_at_most)
        if info.fps is None:
            bound = "" if info.fps_at_most is None else f"at most {info.fps_at_most:.6g} frames/s, by "
            why = f" ({bound}{info.fps_limited_by})" if info.fps_limited_by else ""
            raise SettingsError(f"{info.device} cannot tell its frame rate{why}: give --fps")
        return info.fps
    if info.fps is not None:
        is_right, delivers = abs(info.fps - asked) <= tolerance * asked, f"{info.fps:.6g}"
    elif info.fps_at_most is not None:
        is_right, delivers = asked <= info.fps_at_most * (1 + tolerance), f"at most {info.fps_at_most:.6g}"
    else:
        return asked
    if not is_right:
        limit = f", limited by {info.fps_limited_by}" if info.fps_limited_by else ""
        raise SettingsError(
            f"--fps asks for {asked:g} frames/s, but {info.device} delivers {delivers}{limit}; "
            f"change that, or --fps, or allow more than {tolerance:.3g} of difference by --fps-tolerance"
        )
    return asked


def decide_chunk_size(fps: float, chunk_size: int | None, chunk_seconds: float | None) -> int:
    """Choose the frames per chunk: what was asked for, else two seconds of them.

    Raises
    ------
    SettingsError
        A chunk would be shorter than two seconds.
    """
    least = smallest_chunk_size(fps)
    if chunk_size is None:
        if chunk_seconds is None:
            return least
        chunk_size = math.ceil(chunk_seconds * fps)
        flag = f"--chunk-seconds {chunk_seconds:g}"
    else:
        flag = f"--chunk-size {chunk_size}"
    if chunk_size < least:
        raise SettingsError(
            f"{flag} makes chunks of {chunk_size} frames, but at {fps:.6g} frames/s they need at least "
            f"{least} (2 seconds)"
        )
    return chunk_size
