"""What a run will be: decided by what was asked for and what the camera says, before there is a stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rheed_acquire.cameras.camera import CameraInfo
from rheed_acquire.cameras.pixel_formats import find_pixel_format, frame_layout
from rheed_acquire.clocks.cadence import decide_chunk_size, decide_fps
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.pixels import Converter, check_bit_shift, make_copier
from rheed_acquire.frames.reduction import WHOLE
from rheed_acquire.frames.ring_size import decide_ring_chunks
from rheed_acquire.streaming.limits import too_fast

if TYPE_CHECKING:
    from rheed_acquire.settings.run_settings import RunSettings

LEAST_TOLERANCE_S = 0.002
"""Of a recording's dates: chunks begin at whole milliseconds."""


@dataclass(frozen=True)
class RunPlan:
    """What a run will be.

    Attributes
    ----------
    fps, chunk_size
        Of the camera: frames per second, and frames per chunk. One of its chunks becomes one of the stream's.
    stream_fps, stream_chunk_size
        Of the stream, which may be reduced.
    stream_name
        None for the streamer's own name.
    form
        How the frames lie in the ring, and what the stream's are made of.
    layout, copy
        The shape of a frame's pixels as the camera delivers them, and what copies them.
    ring_chunks
        Chunks in the ring.
    date_tolerance_s
        How far a frame may be dated off its time before it begins a chunk of its own.
    """

    fps: float
    chunk_size: int
    stream_fps: float
    stream_chunk_size: int
    stream_name: str | None
    form: ChunkForm
    layout: tuple[int, ...]
    copy: Converter
    ring_chunks: int
    date_tolerance_s: float


def plan_run(
    settings: RunSettings, info: CameraInfo, measured_fps: float | None, max_fps: float | None
) -> RunPlan:
    """Decide what a run of this camera will be.

    Parameters
    ----------
    settings
        What the user asked for.
    info
        What the camera says.
    measured_fps
        Its rate, where it was measured.
    max_fps
        Frames per second that a stream may declare, or None for any number.

    Raises
    ------
    SettingsError, CameraSettingError
        What was asked for cannot be had together, or of this camera.
    """
    fps = decide_fps(info, settings.fps, settings.fps_tolerance, measured_fps)
    check_rate(settings, fps, max_fps)
    reduction = settings.reduction
    stream_fps = fps / reduction.frames
    stream_chunk_size = decide_chunk_size(stream_fps, settings.chunk_size, settings.chunk_seconds)
    chunk_size = stream_chunk_size * reduction.frames
    layout, _ = frame_layout(info.pixel_format, info.height, info.width)
    copy = make_copier(info.pixel_format, info.height, info.width)
    check_bit_shift(info.pixel_format, settings.bit_shift)
    form = ChunkForm(
        find_pixel_format(info.pixel_format).name, settings.bit_shift, reduction, waits=info.can_wait
    )
    ring_chunks = decide_ring_chunks(
        settings.ring_chunks,
        settings.memory_limit,
        chunk_size,
        info.height,
        info.width,
        form,
        archives=settings.archive is not None,
    )
    return RunPlan(
        fps=fps,
        chunk_size=chunk_size,
        stream_fps=stream_fps,
        stream_chunk_size=stream_chunk_size,
        stream_name=settings.stream_name or _dated_name(info),
        form=form,
        layout=layout,
        copy=copy,
        ring_chunks=ring_chunks,
        date_tolerance_s=_date_tolerance_s(info, fps, settings.gap_tolerance),
    )


def check_rate(settings: RunSettings, fps: float, max_fps: float | None) -> None:
    """Refuse a camera's rate of which the stream's is more than the service takes.

    Raises
    ------
    SettingsError
        It is.
    """
    reduced_to = None if settings.reduction == WHOLE else fps / settings.reduction.frames
    refusal = too_fast(fps, max_fps, reduced_to)
    if refusal is not None:
        raise SettingsError(refusal)


def _date_tolerance_s(info: CameraInfo, fps: float, gap_tolerance_s: float) -> float:
    # A recording knows when each frame was captured, and has the time for more chunks: no date is off by more
    # than half a frame's time, or the two milliseconds that whole ones in chunks' starts may make.
    return min(gap_tolerance_s, max(0.5 / fps, LEAST_TOLERANCE_S)) if info.recorded else gap_tolerance_s


def _dated_name(info: CameraInfo) -> str | None:
    """Name a stream whose frames are dated as they were recorded; None for the streamer's own name."""
    if info.captured_unix_ns is None:
        return None
    captured = datetime.fromtimestamp(info.captured_unix_ns // 1_000_000_000, UTC).astimezone()
    return f"RHEED Stream {captured:%Y-%m-%d %H:%M}"
