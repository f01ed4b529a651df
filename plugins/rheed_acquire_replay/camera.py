"""The camera that a recording is: its frames at their pace, with the stamps that were asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from rheed_acquire import (
    CameraEndedError,
    CameraInfo,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    GrabLoopCamera,
    SettingReadback,
)
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.prepared import PreparedRecording
from rheed_acquire_replay.read_ahead import ReadAhead
from rheed_acquire_replay.recording import Block
from rheed_acquire_replay.settings import ReplaySettings


class ReplayCamera(GrabLoopCamera):
    """Delivers the frames of a recording; `Frame.id` is a frame's place in it, counted from 0.

    `Frame.timestamp_ns` is

    - with ``keep_timestamps`` or ``start``, and as fast as can be where the recording tells when it was
      captured: when the frame was captured, in UTC;
    - else, at a given pace: when the frame was due, on the clock of ``time.perf_counter_ns``;
    - else, as fast as can be: as if the recording had begun with the first delivery, in UTC.

    Parameters
    ----------
    request
        ``fps`` is that of the stream where the recording and the settings tell none.

    Raises
    ------
    CameraError
        The recording is not there, cannot be read, or holds no frame.
    CameraSettingError
        The settings do not suit it.
    """

    def __init__(self, settings: ReplaySettings, request: CaptureRequest, device: DeviceInfo) -> None:
        self._recording = open_recording(settings.path, Options.of(settings))
        try:
            self._settings, self._speed = settings, settings.speed
            self._keeps = _keeps_timestamps(self._recording, settings)
            # As it was recorded, but for a live replay at another pace.
            pace = self._speed if self._speed and not self._keeps else 1.0
            fps = _fps(self._recording, settings, request, pace)
            # As a ratio of integers, so that even spacing is exact however long the recording.
            self._frames, self._seconds = fps.as_integer_ratio()
            self._captured_ns = _captured_ns(self._recording, settings) if self._keeps else None
            self._end = _end(self._recording, settings)
        except BaseException:
            self._recording.close()
            raise
        self._info = replace(
            _told(self._recording, device),
            fps=fps * pace,
            fps_limited_by="the recording's own rate" + (f" and --replay.speed {pace:g}" * (pace != 1.0)),
            utc_timestamps=self._keeps or not self._speed,
            captured_unix_ns=self._captured_ns,
            settings=_readback(self._recording, settings, request),
        )
        self._ahead: ReadAhead | None = None

    @property
    def info(self) -> CameraInfo:
        """The recording with its present settings."""
        return self._info

    def begin_grabbing(self) -> None:
        """Begin to read ahead, with the first frame."""
        self._frame: Frame | None = None
        self._block: Block | None = None
        self._next = 0
        blocks = self._recording.blocks(self._settings.first, self._end)
        self._ahead = ReadAhead(blocks, CameraEndedError(f"{self._recording.path} was replayed to its end"))

    def grab(self, timeout_s: float) -> Frame | None:
        """Return the next frame once it is due.

        Raises
        ------
        CameraError
            The recording is over (`CameraEndedError`) or cannot be read on.
        """
        block = self._block
        if block is None or self._next == len(block.numbers):
            assert self._ahead is not None
            block = self._block = self._ahead.take(timeout_s)
            if block is None:
                return None
            self._next = 0
        place = self._next
        number = block.numbers[place]
        if block.times_ns is None or self._settings.fps is not None:
            time_ns = number * self._seconds * 1_000_000_000 // self._frames
        else:
            time_ns = block.times_ns[place]
        if self._frame is None:
            self._begun_ns = self._due_ns = time.perf_counter_ns()
            self._first_time_ns, self._epoch_ns = time_ns, time.time_ns()
            self._frame = Frame(block.pixels[place], number, None)
        if self._speed:
            # Where chunks overlap by a millisecond, a recording's times step back; a clock's do not.
            after_ns = (time_ns - self._first_time_ns) / self._speed
            self._due_ns = max(self._due_ns, self._begun_ns + round(after_ns))
            wait_s = (self._due_ns - time.perf_counter_ns()) * 1e-9
            if wait_s > 0:
                time.sleep(min(wait_s, timeout_s))
                if wait_s > timeout_s:
                    return None
        frame = self._frame
        frame.pixels, frame.id = block.pixels[place], number
        if self._captured_ns is not None:
            frame.timestamp_ns = self._captured_ns + time_ns
        elif self._speed:
            frame.timestamp_ns = self._due_ns
        else:
            frame.timestamp_ns = self._epoch_ns + time_ns - self._first_time_ns
        self._next = place + 1
        return frame

    def end_grabbing(self) -> None:
        """Read no further."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        self._block = self._frame = None

    def statistics(self) -> Mapping[str, int]:
        """Count frames that were left out, and those with samples above what their bits can be."""
        recording = self._recording
        return {"frames_skipped": len(recording.skipped), "frames_above_depth": recording.above_depth}

    def disconnect(self) -> None:
        """Let the files go."""
        self._recording.close()


def inspect_recording(settings: ReplaySettings, device: DeviceInfo) -> CameraInfo:
    """Say what a recording is, without what a run has to be told of it."""
    recording = open_recording(settings.path, Options.of(settings))
    try:
        told = _told(recording, device)
        if settings.fps is not None:
            told = replace(told, fps=settings.fps)
        return (
            told
            if settings.start is None
            else replace(told, captured_unix_ns=_captured_ns(recording, settings))
        )
    finally:
        recording.close()


def _told(recording: PreparedRecording, device: DeviceInfo) -> CameraInfo:
    """What the recording itself tells."""
    return CameraInfo(
        device=device,
        width=recording.shape[1],
        height=recording.shape[0],
        pixel_format=recording.pixel_format,
        fps=recording.fps,
        recorded=True,
        notes=tuple(recording.notes.items()),
        warnings=tuple(recording.warnings),
        captured_unix_ns=recording.captured_ns,
        ended_unix_ns=recording.ended_ns,
        frames=recording.count,
    )


def _fps(
    recording: PreparedRecording, settings: ReplaySettings, request: CaptureRequest, pace: float
) -> float:
    """Give the rate of the recording, in frames per second of its own time."""
    fps = settings.fps or recording.fps or (request.fps / pace if request.fps else None)
    if fps is None:
        raise CameraSettingError(
            f"{recording.path} does not tell its frame rate: give it with --replay.fps, or with --fps"
        )
    return float(fps)


def _keeps_timestamps(recording: PreparedRecording, settings: ReplaySettings) -> bool:
    if settings.start is not None or settings.keep_timestamps is not None:
        return settings.start is not None or bool(settings.keep_timestamps)
    return not settings.speed and recording.captured_ns is not None


def _captured_ns(recording: PreparedRecording, settings: ReplaySettings) -> int:
    """When the recording's first frame was captured, in nanoseconds since 1970 in UTC."""
    if settings.start is not None:
        # Without floats, which do not resolve a microsecond of today's times as nanoseconds.
        seconds = settings.start.replace(microsecond=0).timestamp()
        return round(seconds) * 1_000_000_000 + settings.start.microsecond * 1000
    if recording.captured_ns is None:
        raise CameraSettingError(
            f"--replay.keep-timestamps: {recording.path} does not tell when it was captured; say so with "
            "--replay.start, or leave this out"
        )
    return recording.captured_ns


def _end(recording: PreparedRecording, settings: ReplaySettings) -> int | None:
    """Give the number after the last frame to replay; None for the recording's own end."""
    for name, number in (("first", settings.first), ("last", settings.last)):
        if number is not None and recording.count is not None and number >= recording.count:
            raise CameraSettingError(
                f"--replay.{name} {number}: {recording.path} has {recording.count} frames, "
                f"0 to {recording.count - 1}"
            )
    return None if settings.last is None else settings.last + 1


def _readback(
    recording: PreparedRecording, settings: ReplaySettings, request: CaptureRequest
) -> tuple[SettingReadback, ...]:
    asked = settings.model_dump(mode="json", include=settings.model_fields_set)
    kept = [SettingReadback(name, value, value) for name, value in asked.items()]
    if recording.rotations_per_min is not None:
        # A stream that says otherwise than its recording is a slip worth a warning.
        turns = SettingReadback("rotations_per_min", request.rotations_per_min, recording.rotations_per_min)
        kept.append(turns)
    return tuple(kept)
