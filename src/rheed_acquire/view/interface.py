"""The station's interface, version 1: what clients are told; what they may say is in `interface_requests`.

A *station* is the process that holds one camera: ``rheed-acquire view``, or a run with ``--view``. The models
here are its documented shapes: the server checks what comes by them, the OpenAPI document is made of them,
and `rheed_acquire.Station` reads with them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from rheed_acquire.regions.regions import Region

PREFIX = "/api/v1"
LONGEST_BODY = 1 << 16
"""Bytes of a request's body."""
LONGEST_KEY = 200
KEY_HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"
ASKED_HEADER = "Asked-Perf-Counter-Ns"
"""When a client of the station's own computer asked, by the clock that all its processes have in common."""


class _Answer(BaseModel):
    # A client of an older version reads what a newer station says.
    model_config = ConfigDict(extra="ignore", frozen=True)


STOPPED_FIRST = "it was stopped before it began"

RunPhase: TypeAlias = Literal["waiting", "starting", "recording", "ending", "ended", "failed"]


class Run(_Answer):
    """A run that the station makes, or has made.

    Attributes
    ----------
    run
        The station's own name for it.
    phase
        ``waiting`` for the run before it to end, or for `when`; ``starting`` (camera and stream are being
        opened), ``recording``, ``ending`` (what was captured is being delivered), ``ended``, or ``failed``:
        it could not begin, or was stopped before it did.
    when, until
        The conditions by which it begins and ends, as the station understands them; None for none.
    data_id
        Of the stream, once there is one.
    started_utc
        When the stream was opened.
    output, archive
        Folders on the station's computer, where there are any.
    frames, frames_lost
        Received so far; and lost: by the camera, overrun, rejected, and not taken by the streamer.
    marks
        How many there are.
    exit_code
        As the command ends with: 0, 1 or 3; None while it goes on.
    problems, warnings
        Of its report, a sentence each.
    report
        Its ``report.html``; data is in the ``report.json`` beside it.
    error
        Why it failed.
    """

    run: str
    phase: RunPhase
    stream_name: str | None = None
    when: str | None = None
    until: str | None = None
    data_id: str | None = None
    started_utc: str | None = None
    output: str | None = None
    archive: str | None = None
    frames: int = 0
    frames_lost: int = 0
    marks: int = 0
    exit_code: int | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    report: str | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.phase in ("ended", "failed")

    @property
    def was_stopped_first(self) -> bool:
        """Whether it was stopped before it began, as somebody wanted."""
        return self.phase == "failed" and self.error == STOPPED_FIRST

    @property
    def is_recording(self) -> bool:
        """Whether its first frame has a place, or had."""
        return self.phase not in ("waiting", "starting")


class Adjustable(_Answer):
    """What can be changed of the camera while it runs.

    Attributes
    ----------
    asked
        What was asked for last, by a client or the station's settings; None where nobody did.
    actual
        What the camera has made of it, or does by itself.
    """

    asked: float | None = None
    actual: float


class CameraState(_Answer):
    """The station's camera; None stands for what is not known.

    Attributes
    ----------
    fps, fps_measured
        Frames per second that are declared, and those of the last two seconds.
    frames
        Received since the preview or the run began.
    frames_missing, frames_overrun
        Lost by the camera, and dropped because the ring was full, since then.
    is_present
        Whether it is there.
    trouble
        What is wrong with it just now.
    exposure_us, gain
        As in `CameraRequest`; None while the camera is away, and where it cannot be changed while it runs.
    """

    name: str | None = None
    width: int | None = None
    height: int | None = None
    pixel_format: str | None = None
    fps: float | None = None
    fps_measured: float | None = None
    frames: int = 0
    frames_missing: int = 0
    frames_overrun: int = 0
    is_present: bool | None = None
    trouble: str | None = None
    temperature_c: float | None = None
    exposure_us: Adjustable | None = None
    gain: Adjustable | None = None


StationPhase: TypeAlias = Literal["opening", "preview", "starting", "recording", "ending"]


class StationState(_Answer):
    """What the station does just now.

    Attributes
    ----------
    phase
        ``preview``: frames are looked at and not recorded; else that of `run`.
    run
        The one that goes on; None in a preview.
    next_run
        One that has been asked for and waits.
    last_run
        The one that ended last.
    """

    software: str
    phase: StationPhase
    camera: CameraState
    run: Run | None = None
    next_run: Run | None = None
    last_run: Run | None = None
    regions: tuple[Region, ...] = ()


class CameraAdjusted(_Answer):
    """What the camera holds of what was changed; None of what was not.

    Attributes
    ----------
    run
        The run in which the change is marked; None where none records.
    """

    exposure_us: float | None = None
    gain: float | None = None
    run: str | None = None


class MarkTaken(_Answer):
    """A mark as it is kept, on disk.

    Attributes
    ----------
    run
        Of which run.
    time_unix_ms
        In ms since 1970, UTC, by the clock that dates the frames.
    """

    run: str
    time_unix_ms: float
    text: str
    value: float | None = None
    unit: str | None = None


class MarkList(_Answer):
    """The marks of a run, in the order of their times."""

    run: str | None
    marks: tuple[MarkTaken, ...]


class ReadingsTaken(_Answer):
    """What became of readings that were sent.

    Attributes
    ----------
    run
        The run that keeps them, on disk within a second or so; None where none records: they are shown, and
        not kept.
    readings
        How many.
    """

    run: str | None
    readings: int


class ChannelReadingsTold(_Answer):
    """What a channel has read of late.

    Attributes
    ----------
    trouble
        Why it cannot be read just now; None where it can, or is sent.
    time_unix_ms, value
        Of one length, at most 1,024, the latest last.
    """

    name: str
    unit: str | None = None
    trouble: str | None = None
    time_unix_ms: tuple[float, ...] = ()
    value: tuple[float, ...] = ()


class ChannelList(_Answer):
    """All channels, those that the station reads and those that were sent."""

    channels: tuple[ChannelReadingsTold, ...]


class RegionList(_Answer):
    """The regions that are followed now, cut to the frame, and what was left out of those asked for."""

    regions: tuple[Region, ...]
    notes: tuple[str, ...] = ()


class Oscillation(_Answer):
    """The strongest oscillation of a region's mean, one taken for one monolayer."""

    period_s: float
    uncertainty_s: float
    strength: float
    growth_rate: float


class TraceOfRegion(_Answer):
    """A region's intensities, None where no frame came; as many as `Traces.time_unix_ms` has times."""

    region: Region
    mean: tuple[float | None, ...]
    maximum: tuple[float | None, ...]
    oscillation: Oscillation | None = None


class Traces(_Answer):
    """Intensities of the regions over time.

    Attributes
    ----------
    time_unix_ms
        When the frames were captured, in ms since 1970, UTC. Of more than 1,024 frames, as many as make so
        few points are taken together: means of means, and maxima of maxima.
    """

    time_unix_ms: tuple[float, ...]
    traces: tuple[TraceOfRegion, ...]


class EventLine(_Answer):
    """A line of the station's log."""

    utc_ms: float
    level: Literal["info", "warning", "error"]
    text: str


ProblemCode: TypeAlias = Literal[
    "no-run",
    "another-run",
    "run-going-on",
    "run-waiting",
    "run-not-recording",
    "no-archive",
    "not-kept",
    "camera-away",
    "channel-taken",
    "key-reused",
    "invalid",
    "too-large",
    "too-slow",
    "too-many",
    "unsupported-type",
    "not-found",
    "no-frame",
    "no-answer",
    "not-allowed",
    "bug",
]


class Problem(_Answer):
    """Why a request was refused: a word for programs, a sentence for people."""

    code: ProblemCode
    error: str
