"""``report.json``: everything that a report says, as data.

`RunRecord.run` is, to the letter, the object that the run's ``--json`` prints. What is beside it the live run
knew too (settings, versions), or it was counted from the frames (rate, gaps, regions). What is not known is
None, and never guessed.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.marks import Mark
from rheed_acquire.recording.run_path import RunPath

REPORT_JSON, REPORT_HTML = "report.json", "report.html"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, ser_json_inf_nan="null")


class SettingRecord(_Strict):
    """One setting as `rheed_acquire.settings.sources.LoadedSettings.table` shows it, secrets masked."""

    key: str
    value: str
    source: str


class RateRecord(_Strict):
    """Frames per second over time: in the ``seconds`` from ``utc_ms`` on came ``frames``. All of length K."""

    utc_ms: list[float] = []
    frames: list[int] = []
    seconds: list[float] = []

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if not len(self.utc_ms) == len(self.frames) == len(self.seconds):
            raise ValueError("the rate's lists differ in length")
        return self


class LossRecord(_Strict):
    """A place where frames are missing.

    Attributes
    ----------
    kind
        ``gap``: by the camera's ids; ``overrun``; ``chunk``: chunks that are not in the recording; ``away``:
        the camera was away or silent.
    missing
        How many; by the declared rate where the camera was away; None where nobody counted them.
    seconds
        How long no frame came, where that is known.
    """

    utc_ms: float
    kind: Literal["gap", "overrun", "chunk", "away"]
    missing: int | None = None
    seconds: float | None = None


class PeriodRecord(_Strict):
    """The dominant oscillation of a region's mean (see `rheed_acquire.regions.oscillation`)."""

    period_s: float
    uncertainty_s: float
    strength: float


class TraceRecord(_Strict):
    """A region's intensity over time, in B buckets of consecutive frames; all of length B.

    Attributes
    ----------
    utc_ms
        Of each bucket's first frame.
    low, mean, high
        Of the region's mean gray level in each frame of a bucket: smallest, mean, largest.
    maximum
        The largest pixel value in a bucket.
    """

    utc_ms: list[float] = []
    low: list[float | None] = []
    mean: list[float | None] = []
    high: list[float | None] = []
    maximum: list[int] = []

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        lists: tuple[list[Any], ...] = (self.low, self.mean, self.high, self.maximum)
        if any(len(one) != len(self.utc_ms) for one in lists):
            raise ValueError("the trace's lists differ in length")
        return self


class RegionRecord(_Strict):
    """A region of interest, and what its trace comes to.

    Attributes
    ----------
    frames
        In which it was followed.
    mean, lowest, highest
        Of the region's mean gray level over these frames, 0 to ``top``; None without a frame.
    top
        The highest gray level that the camera's frames can have.
    brightest
        The largest pixel value seen in it.
    """

    name: str
    x: int
    y: int
    width: int
    height: int
    color: str = Field("#888888", pattern=r"^#[0-9a-fA-F]{6}$")
    frames: int = 0
    mean: float | None = None
    lowest: float | None = None
    highest: float | None = None
    brightest: int | None = None
    top: int = 255
    period: PeriodRecord | None = None
    trace: TraceRecord = TraceRecord()


class MarkRecord(_Strict):
    """What was noted of the growth while it went (see `rheed_acquire.recording.marks.Mark`)."""

    time_unix_ms: float
    text: str
    value: float | None = None
    unit: str | None = None

    def __str__(self) -> str:
        return str(Mark(self.time_unix_ms, self.text, self.value, self.unit))


class ChannelRecord(_Strict):
    """What another instrument said while the run went (see `rheed_acquire.channels`), in points over time.

    Attributes
    ----------
    readings, failed
        How many were taken, and how often it could not be read.
    first, last
        The first reading and the last.
    utc_ms, low, mean, high
        All of one length: the time of each point's first reading, and what the readings of it come to.
    """

    name: str
    unit: str | None = None
    readings: int = 0
    failed: int = 0
    first: float | None = None
    last: float | None = None
    utc_ms: list[float] = []
    low: list[float] = []
    mean: list[float] = []
    high: list[float] = []

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if not len(self.utc_ms) == len(self.low) == len(self.mean) == len(self.high):
            raise ValueError("the channel's lists differ in length")
        return self


class ThumbnailRecord(_Strict):
    """A frame that the report shows: its place among those recorded, counted from 0, and its capture."""

    frame: int
    utc_ms: float


class DeviceFigures(BaseModel):
    """What is known of a camera: its names and numbers, and these two in particular."""

    model_config = ConfigDict(extra="allow")

    settings: list[dict[str, Any]] = []
    statistics: dict[str, Any] = {}


class FindingFigures(_Strict):
    """A problem or a warning (see `rheed_acquire.findings.Finding`)."""

    code: str = ""
    text: str
    frames: int | None = None
    advice: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_a_sentence(cls, value: Any) -> Any:
        """Take what reports of version 0.1 hold: the sentence alone."""
        return {"text": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        """Say all of it in one line."""
        return f"{self.text} ({self.advice})" if self.advice else self.text


class RunFigures(BaseModel):
    """The parts of `RunRecord.run` that readers rely on; the rest is shown as it is."""

    model_config = ConfigDict(extra="allow")

    data_id: str
    camera: str
    frames_received: int
    frames_pushed: int
    frames_dropped_by_camera: int
    frames_overrun: int
    frames_rejected: int
    frames_absent: int = 0
    frames_not_taken: int = 0
    frames_reduced: int = 0
    frames_archived: int = 0
    frames_not_archived: int = 0
    archive: str | None = None
    archive_waits_in: str | None = None
    archive_chunks_waiting: int = 0
    archive_bytes_waiting: int = 0
    stream_fps: float | None = None
    stream_frame: str | None = None
    chunks_pushed: int
    chunks_uploaded: int
    chunks_not_uploaded: int
    bytes_uploaded: int
    fps: float
    fps_measured: float | None
    started_utc: str
    ended_utc: str
    exit_code: int
    problems: list[FindingFigures]
    warnings: list[FindingFigures]
    gap_count: int
    gaps: list[dict[str, Any]]
    events: list[dict[str, str]]
    camera_device: DeviceFigures
    delivery: dict[str, Any]


class RunRecord(_Strict):
    """All that is known of a run.

    Attributes
    ----------
    made_from
        ``run``: written by the run itself, at its end; ``beginning``: by a run that has not ended, or was
        killed; ``recording``: counted again from its Zarr recording.
    name
        Of the stream.
    run
        What ``--json`` printed; None where the run's own report is not known.
    stream
        Of a recording: what the server knew of the stream (``stream.json``).
    camera
        Of a run whose own report is not known, but its beginning is: what camera it opened.
    settings, versions
        None where not known.
    losses
        The first of them; `losses_left_out` counts the rest.
    marks
        In the order of their times.
    channels
        Of other instruments, in the order in which they came.
    """

    report_version: Literal[1] = 1
    written_utc: str
    made_from: Literal["run", "beginning", "recording"]
    name: str
    data_id: str
    started_utc: str | None = None
    fps: float | None = None
    run: dict[str, Any] | None = None
    stream: dict[str, Any] | None = None
    camera: DeviceFigures | None = None
    settings: list[SettingRecord] | None = None
    versions: dict[str, str] | None = None
    frames: int = 0
    height: int | None = None
    width: int | None = None
    first_utc_ms: float | None = None
    last_utc_ms: float | None = None
    rate: RateRecord = RateRecord()
    losses: list[LossRecord] = []
    losses_left_out: int = 0
    marks: list[MarkRecord] = []
    channels: list[ChannelRecord] = []
    regions: list[RegionRecord] = []
    thumbnails: list[ThumbnailRecord] = []

    @field_validator("run")
    @classmethod
    def _has_the_figures(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            RunFigures.model_validate(value)
        return value

    @property
    def figures(self) -> RunFigures | None:
        """`run`, typed."""
        return None if self.run is None else RunFigures.model_validate(self.run)


def read_record(folder: RunPath) -> RunRecord | None:
    """Read the ``report.json`` of a run's folder; None where there is none.

    Raises
    ------
    RheedAcquireError
        It cannot be read.
    """
    file = folder / REPORT_JSON
    try:
        return RunRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RheedAcquireError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "its beginning"
        why = f"{first['msg']} (at {where})"
    raise RheedAcquireError(
        f"{file} is damaged, or of another version: {why}; move it away, and what is in the recording can "
        "still be shown"
    )
