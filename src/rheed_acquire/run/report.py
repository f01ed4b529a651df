"""What a run is, and what became of it."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rheed_acquire.cameras.camera import CameraError
from rheed_acquire.cameras.pixel_formats import find_pixel_format
from rheed_acquire.findings import ABSENCES, Finding, FindingCode
from rheed_acquire.frames.reduction import WHOLE, Reduction

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import CameraInfo
    from rheed_acquire.frames.ring import Gap
    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.recording.marks import Mark
    from rheed_acquire.recording.readings import ChannelSummary
    from rheed_acquire.recording.run_path import RunPath

logger = logging.getLogger(__name__)

DELIVERED, FAILED, FRAMES_LOST = 0, 1, 3
"""Exit codes of a run; 2 is for wrong settings, 130 for an interrupted drain."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as it begins: the stream, and the camera that feeds it.

    Attributes
    ----------
    fps
        Frames per second of the camera, as the run takes them for.
    chunk_size
        Frames per full chunk of the camera's.
    started_utc
        When the stream was opened.
    output
        Folder of the recording where the local server keeps one, else None.
    reduction
        How the stream's frames are made of the camera's, by default all of them.
    archive
        Folder that the run's archive is written in, or None.
    archive_bucket
        Where in a bucket it is to lie, for which it waits in its folder; None where it stays there.
    """

    data_id: str
    camera: CameraInfo
    fps: float
    rotations_per_min: float
    chunk_size: int
    started_utc: datetime
    output: Path | None = None
    reduction: Reduction = WHOLE
    archive: Path | None = None
    archive_bucket: BucketPath | None = None

    @property
    def archive_place(self) -> RunPath | None:
        """Where the archive is to lie for good, or None."""
        return self.archive_bucket or self.archive

    @property
    def bit_depth(self) -> int | None:
        """Significant bits of the camera's samples; None for a pixel format that no run could have."""
        try:
            return find_pixel_format(self.camera.pixel_format).bits
        except CameraError:
            return None

    @property
    def is_coloured(self) -> bool:
        """Whether the camera's pixels are colours, or behind a mosaic of filters."""
        try:
            return bool(find_pixel_format(self.camera.pixel_format).colours)
        except CameraError:
            return False

    @property
    def stream_fps(self) -> float:
        """Frames per second that the stream declares."""
        return self.fps / self.reduction.frames

    @property
    def stream_chunk_size(self) -> int:
        """Frames per full chunk that the stream declares."""
        return self.chunk_size // self.reduction.frames


def run_folders(info: RunInfo) -> tuple[Path, ...]:
    """Where a run's frames lie on this computer, the archive first."""
    return tuple(folder for folder in (info.archive, info.output) if folder is not None)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a reader of the report will want to know, and when it happened."""

    time_utc: datetime
    text: str
    level: Literal["info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time without frames: the camera was away, or silent.

    Attributes
    ----------
    begun_utc
        When the last frame before it came.
    seconds
        Until the first frame after it, or the end of the run.
    frames
        How many the declared rate would have given.
    """

    begun_utc: datetime
    seconds: float
    frames: int
    why: str


@dataclass(slots=True)
class Journal:
    """What happens in a run, noted when it does."""

    events: list[Event] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def event(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Note something that happened; what is good or bad in itself is a `problem` or a warning.

        A warning is for somebody who can still change something: it is logged as one, at once.
        """
        self._note(text, level, logging.WARNING if level == "warning" else logging.INFO)

    def problem(
        self, code: FindingCode, text: str, *, frames: int | None = None, advice: str | None = None
    ) -> None:
        """Note why the run is not flawless; the summary shows it to the user.

        Parameters
        ----------
        text
            What was found, with the figures, without what to do about it.
        frames
            How many frames it may have cost; None where nobody can tell.
        advice
            What to do, where it is not the code's own advice.
        """
        self.problems.append(Finding(code, text, frames, code.advice if advice is None else advice))
        self._note(text, "error")

    def warn(self, code: FindingCode, text: str, *, advice: str | None = None) -> None:
        """Note what is worth a look, with nothing lost by it."""
        self.warnings.append(Finding(code, text, 0, code.advice if advice is None else advice))
        self._note(text, "warning")

    def _note(
        self, text: str, level: Literal["info", "warning", "error"], log_level: int = logging.INFO
    ) -> None:
        logger.log(log_level, text)
        self.events.append(Event(datetime.now(UTC), text, level))


@dataclass(slots=True)
class RunReport:
    """A run as it ended. Each frame is counted once.

    received = pushed + reduced + overrun + rejected + not taken; and with an archive
    received = archived + not archived + overrun + rejected.

    Attributes
    ----------
    frames_received
        Callbacks of the camera.
    frames_pushed
        Frames of the stream that the streamer took.
    frames_reduced
        Received, and in the mean of several or left out on purpose, so that the stream has fewer.
    frames_dropped_by_camera
        Those that never reached the callback, by the jumps in the camera's frame ids or, where it has
        none, by its driver's own count.
    frames_overrun
        Received while the ring was full.
    frames_rejected
        Received but unusable.
    frames_not_taken
        In chunks that the streamer failed to take.
    frames_archived, frames_not_archived
        In chunks that are in the archive, and in those that it could not take; 0 without an archive.
    archive_waits
        Whether part of the archive is not in its bucket yet, and waits on this computer's disk.
    archive_chunks_waiting, archive_bytes_waiting
        Chunks of it that do, and their size on the disk.
    fps_measured
        Frames received per second by the camera's clock where it can be believed (else by their arrival);
        None below two frames.
    gaps
        The first of them, one by one (see `rheed_acquire.run.pushed_frames`); ``gap_count`` counts all.
    pauses
        Seconds, each longer than a frame's period and the gap tolerance, in which no frame was taken by the
        camera's clock though its frame ids do not say that any is missing, and which later frames did not
        make up for.
    marks
        What was noted of the growth while it went, in the order of its times.
    channels
        What was taken of other instruments, a summary of each.
    stretches
        Times without frames, because the camera was away or silent; the first of them.
    problems
        Each reason why the run is not flawless.
    warnings
        What is worth a look, with nothing lost by it.
    """

    info: RunInfo
    ended_utc: datetime
    frames_received: int = 0
    frames_pushed: int = 0
    frames_dropped_by_camera: int = 0
    frames_overrun: int = 0
    frames_rejected: int = 0
    frames_not_taken: int = 0
    frames_reduced: int = 0
    frames_archived: int = 0
    frames_not_archived: int = 0
    archive_waits: bool = False
    archive_chunks_waiting: int = 0
    archive_bytes_waiting: int = 0
    chunks_pushed: int = 0
    chunks_uploaded: int = 0
    chunks_not_uploaded: int = 0
    bytes_uploaded: int = 0
    fps_measured: float | None = None
    gaps: tuple[Gap, ...] = ()
    gap_count: int = 0
    camera_statistics: dict[str, int] = field(default_factory=dict)
    delivery: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    pauses: tuple[float, ...] = ()
    marks: tuple[Mark, ...] = ()
    channels: tuple[ChannelSummary, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    @property
    def frames_accounted_for(self) -> int:
        """Frames received of which it is known what became of them."""
        return (
            self.frames_pushed
            + self.frames_reduced
            + self.frames_overrun
            + self.frames_rejected
            + self.frames_not_taken
        )

    @property
    def adds_up(self) -> bool:
        """Whether every frame received is accounted for, once in the stream and once in the archive."""
        received = self.frames_received
        if self.info.archive is not None and received != self.frames_accounted_for_in_archive:
            return False
        return received == self.frames_accounted_for

    @property
    def frames_accounted_for_in_archive(self) -> int:
        """Frames received of which it is known whether they are in the archive."""
        return self.frames_archived + self.frames_not_archived + self.frames_overrun + self.frames_rejected

    @property
    def frames_absent(self) -> int:
        """Frames that the declared rate would have given while the camera was away, silent or late."""
        return sum(problem.frames or 0 for problem in self.problems if problem.code in ABSENCES)

    @property
    def exit_code(self) -> int:
        """`DELIVERED` where every frame arrived, `FAILED` where none did, else `FRAMES_LOST`."""
        if not self.problems:
            return DELIVERED
        return FAILED if not self.frames_pushed or not self.adds_up else FRAMES_LOST

    @property
    def shortfall(self) -> float | None:
        """By which fraction the measured rate stays below the declared one; None where that is not known.

        Negative where it lies above. It takes two seconds of frames, and twenty, to know.
        """
        if self.fps_measured is None or self.frames_received < max(20.0, 2 * self.info.fps):
            return None
        return 1.0 - self.fps_measured / self.info.fps

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON values, the figures first."""
        info = self.info
        return {
            "data_id": info.data_id,
            "camera": info.camera.device.backend,
            "frames_received": self.frames_received,
            "frames_pushed": self.frames_pushed,
            "frames_reduced": self.frames_reduced,
            "frames_dropped_by_camera": self.frames_dropped_by_camera,
            "frames_overrun": self.frames_overrun,
            "frames_rejected": self.frames_rejected,
            "frames_absent": self.frames_absent,
            "frames_not_taken": self.frames_not_taken,
            "frames_archived": self.frames_archived,
            "frames_not_archived": self.frames_not_archived,
            "chunks_pushed": self.chunks_pushed,
            "chunks_uploaded": self.chunks_uploaded,
            "chunks_not_uploaded": self.chunks_not_uploaded,
            "bytes_uploaded": self.bytes_uploaded,
            "fps": info.fps,
            "fps_measured": None if self.fps_measured is None else round(self.fps_measured, 4),
            "rotations_per_min": info.rotations_per_min,
            "chunk_size": info.chunk_size,
            "stream_fps": info.stream_fps,
            "stream_chunk_size": info.stream_chunk_size,
            "stream_frame": None if info.reduction == WHOLE else str(info.reduction),
            "started_utc": _utc(info.started_utc),
            "ended_utc": _utc(self.ended_utc),
            "output": None if info.output is None else str(info.output),
            "archive": None if info.archive_place is None else str(info.archive_place),
            "archive_waits_in": str(info.archive) if self.archive_waits else None,
            "archive_chunks_waiting": self.archive_chunks_waiting,
            "archive_bytes_waiting": self.archive_bytes_waiting,
            "exit_code": self.exit_code,
            "problems": [problem.as_json() for problem in self.problems],
            "warnings": [warning.as_json() for warning in self.warnings],
            "pauses_s": [round(pause, 4) for pause in self.pauses],
            "stretches": [
                {
                    "begun_utc": _utc(stretch.begun_utc),
                    "seconds": round(stretch.seconds, 3),
                    "frames": stretch.frames,
                    "why": stretch.why,
                }
                for stretch in self.stretches
            ],
            "marks": [mark.as_json() for mark in self.marks],
            "channels": [channel.as_json() for channel in self.channels],
            "gap_count": self.gap_count,
            "gaps": [asdict(gap) for gap in self.gaps],
            "events": [{"time_utc": _utc(event.time_utc), "text": event.text} for event in self.events],
            "camera_device": {
                "model": info.camera.device.model,
                "vendor": info.camera.device.vendor,
                "serial": info.camera.device.serial,
                "user_id": info.camera.device.user_id,
                "address": info.camera.device.address,
                "firmware": info.camera.firmware,
                "width": info.camera.width,
                "height": info.camera.height,
                "pixel_format": info.camera.pixel_format,
                "bit_depth": info.bit_depth,
                "settings": [
                    {"name": setting.name, "asked": str(setting.asked), "actual": str(setting.actual)}
                    for setting in info.camera.settings
                ],
                "statistics": self.camera_statistics,
            },
            "delivery": self.delivery,
        }


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
