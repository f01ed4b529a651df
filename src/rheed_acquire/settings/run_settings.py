"""The run's own settings: what each is, its unit and its bounds.

Each field of `RunSettings` is at once a flag, an environment variable ``RHEED_…``, a key of
``rheed-acquire.toml`` and a line of the help; `rheed_acquire.settings.sources` loads them. What belongs to
one backend is in that backend's own model.

A field may say more about how it is shown, in ``json_schema_extra``, and so may a plugin author's:
``metavar`` (what stands for the value in the help), ``group`` (under which heading), ``flag`` (the flag's
name where it is not the field's), ``environment`` (further variables, the first winning over the second) and,
in the run's own, ``everyday`` (whether it is on the first screen of the help).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rheed_acquire.clocks.cadence import MIN_CHUNK_S
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.regions.regions import Regions
from rheed_acquire.settings.setting_types import BaseUrl, Finite, Folder, Place, ServiceKey
from rheed_acquire.streaming.limits import WhenFull
from rheed_acquire.text.names import clean_name

MOST_REDUCED = 1000
LONGEST_NOTES = 10_000
LONGEST_PRE_ROLL_S = 3600.0
GROUPS = ("Camera", "Stream", "Run", "View", "Output", "Delivery")
"""The headings of the help, in their order."""
_CAMERA, _STREAM, _RUN, _VIEW, _OUTPUT, _DELIVERY = ({"group": group} for group in GROUPS)


class Sync(StrEnum):
    """When a pushed chunk survives loss of power."""

    BACKGROUND = "background"
    ALWAYS = "always"


class ArchiveFull(StrEnum):
    """What happens when the archive's disk takes no more."""

    STOP = "stop"
    DROP = "drop"


class RunSettings(BaseModel):
    """What a run shall do, whatever the camera. Text that is blank counts as not given."""

    # Help reads the fields and never validates: it need not wait 20 ms for the validator.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    camera: str | None = Field(
        None,
        description="kind of camera, such as simulated or basler",
        json_schema_extra={**_CAMERA, "everyday": True, "metavar": "NAME"},
    )
    fps: Finite | None = Field(
        None,
        gt=0,
        description="frames per second; without it, the camera's own",
        json_schema_extra={**_CAMERA, "everyday": True, "metavar": "FPS"},
    )
    fps_tolerance: Finite = Field(
        0.01,
        ge=0,
        le=1,
        description="fraction by which the camera's real rate may differ from --fps",
        json_schema_extra={**_CAMERA, "metavar": "FRACTION"},
    )
    bit_shift: int | None = Field(
        None,
        ge=0,
        le=8,
        description="bits to shift deeper pixels right to make 8; without it, the format's significant bits",
        json_schema_extra={**_CAMERA, "metavar": "BITS"},
    )

    stream_name: str | None = Field(
        None,
        description="name of the stream; else one with the time of day",
        json_schema_extra={**_STREAM, "everyday": True, "metavar": "NAME"},
    )
    physical_sample: str | None = Field(
        None,
        description="sample, by name or UUID; a new name is created",
        json_schema_extra={**_STREAM, "everyday": True, "metavar": "SAMPLE"},
    )
    project_id: str | None = Field(
        None,
        description="project that the stream belongs to",
        json_schema_extra={**_STREAM, "metavar": "ID"},
    )
    tags: tuple[str, ...] = Field(
        (),
        description="tag of the stream",
        json_schema_extra={**_STREAM, "metavar": "TAG", "flag": "tag"},
    )
    azimuth: str | None = Field(
        None,
        description="azimuth of a stationary stage, such as [110]",
        json_schema_extra={**_STREAM, "metavar": "LABEL"},
    )
    rotations_per_min: Finite = Field(
        0.0,
        ge=0,
        description="rotation of the stage; 0 is a stationary one",
        json_schema_extra={**_STREAM, "metavar": "RPM"},
    )
    notes: str | None = Field(
        None,
        max_length=LONGEST_NOTES,
        description="what else is to be known of the run; it is kept in the report",
        json_schema_extra={**_STREAM, "metavar": "TEXT"},
    )
    chunk_size: int | None = Field(
        None,
        ge=1,
        description="frames of the stream per chunk; without it, 2 s of frames, rounded up",
        json_schema_extra={**_STREAM, "metavar": "FRAMES"},
    )
    chunk_seconds: Finite | None = Field(
        None,
        ge=MIN_CHUNK_S,
        description="length of a chunk in seconds, instead of --chunk-size",
        json_schema_extra={**_STREAM, "metavar": "S"},
    )
    stream_every: int | None = Field(
        None,
        ge=1,
        le=MOST_REDUCED,
        description="stream one of every N frames, for a service that takes fewer than the camera gives",
        json_schema_extra={**_STREAM, "metavar": "N"},
    )
    stream_average: int | None = Field(
        None,
        ge=1,
        le=MOST_REDUCED,
        description="stream the mean of every N frames, with none missing between them",
        json_schema_extra={**_STREAM, "metavar": "N"},
    )
    gap_tolerance: Finite = Field(
        0.1,
        gt=0,
        description="seconds that a gap may put later frames off their true time before the chunk is ended",
        json_schema_extra={**_STREAM, "metavar": "S"},
    )

    duration: Finite | None = Field(
        None,
        gt=0,
        description="end the run after so many seconds",
        json_schema_extra={**_RUN, "everyday": True, "metavar": "S"},
    )
    frames: int | None = Field(
        None,
        ge=1,
        description="end the run after so many frames",
        json_schema_extra={**_RUN, "metavar": "N"},
    )
    stall_timeout: Finite | None = Field(
        None,
        gt=0,
        description="seconds without a frame after which the camera counts as lost; without it, 5 or 10 "
        "frames' time, and never for a camera with an outside trigger",
        json_schema_extra={**_RUN, "metavar": "S"},
    )
    reconnect_timeout: Finite = Field(
        60.0,
        ge=0,
        description="seconds to try to open a lost camera again before the run is ended",
        json_schema_extra={**_RUN, "metavar": "S"},
    )
    ring_chunks: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="chunk buffers between camera and streamer; without it, 4",
        json_schema_extra={**_RUN, "metavar": "N"},
    )
    memory_limit: Finite | None = Field(
        None,
        gt=0,
        description="gigabytes for the chunk buffers, instead of --ring-chunks: as many as fit",
        json_schema_extra={**_RUN, "metavar": "GB"},
    )
    drain_timeout: Finite = Field(
        600.0,
        gt=0,
        description="seconds to wait at the end for uploads, and for the archive",
        json_schema_extra={**_RUN, "metavar": "S"},
    )
    disable_plugins: tuple[str, ...] = Field(
        (),
        description="plugin that shall not be loaded, by its name or its distribution's",
        json_schema_extra={**_RUN, "metavar": "NAME", "flag": "disable-plugin"},
    )
    config: Path | None = Field(
        None,
        description="settings file; else ./rheed-acquire.toml, if any",
        json_schema_extra={**_RUN, "everyday": True, "metavar": "FILE"},
    )

    view: bool = Field(
        False,
        description="show the run in a browser",
        json_schema_extra={**_VIEW, "everyday": True},
    )
    view_open: bool = Field(
        False,
        description="open the page in this computer's browser, where the run is shown in one",
        json_schema_extra={**_VIEW},
    )
    view_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address that the view listens on; any but a loopback one lets other computers in; "
        "either way only with the token that is in the URL",
        json_schema_extra={**_VIEW, "metavar": "ADDRESS"},
    )
    view_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="port that the view listens on; without it, any that is free",
        json_schema_extra={**_VIEW, "metavar": "PORT"},
    )
    pre_roll: Finite = Field(
        0.0,
        ge=0,
        le=LONGEST_PRE_ROLL_S,
        description="seconds before its start that a run reaches back to which is started in the view",
        json_schema_extra={**_VIEW, "metavar": "S"},
    )
    regions: Regions = Field(
        (),
        description="region of interest whose mean and maximum are followed in every frame, such as "
        "specular=30x50+235+60",
        json_schema_extra={**_VIEW, "metavar": "NAME=WxH+X+Y", "flag": "region"},
    )

    streamer: str = Field(
        "rheed",
        min_length=1,
        description="where chunks go",
        json_schema_extra={**_OUTPUT, "metavar": "NAME"},
    )
    endpoint: BaseUrl | None = Field(
        None,
        description="base URL of the service; without it and without an API key, a local server",
        json_schema_extra={**_OUTPUT, "metavar": "URL", "environment": ["AS_API_ENDPOINT"]},
    )
    api_key: ServiceKey = Field(
        None,
        description="key of the service",
        json_schema_extra={**_OUTPUT, "environment": ["AS_API_KEY", "ATOMSCALE_API_KEY"]},
    )
    output: Folder = Field(
        Path("runs"),
        description="where the local server keeps runs",
        json_schema_extra={**_OUTPUT, "everyday": True, "metavar": "DIR"},
    )
    archive: Place | None = Field(
        None,
        description="keep every frame at its full depth and rate too, in this folder or s3://BUCKET/PREFIX",
        json_schema_extra={**_OUTPUT, "everyday": True, "metavar": "PLACE"},
    )
    archive_full: ArchiveFull = Field(
        ArchiveFull.DROP,
        description="where the disk takes no more of the archive: drop goes on with the stream and counts "
        "the frames that are not archived, stop ends the run",
        json_schema_extra={**_OUTPUT},
    )
    spool_dir: Folder | None = Field(
        None,
        description="where chunks are kept until they are delivered; without it, a folder of this user's",
        json_schema_extra={**_DELIVERY, "metavar": "DIR"},
    )
    spool_limit: Finite | None = Field(
        None,
        gt=0,
        description="gigabytes that the spool may hold; without it, all but --spool-keep-free",
        json_schema_extra={**_DELIVERY, "metavar": "GB"},
    )
    spool_keep_free: Finite = Field(
        1.0,
        ge=0,
        description="gigabytes that must stay free on the spool's disk",
        json_schema_extra={**_DELIVERY, "metavar": "GB"},
    )
    spool_retention: Finite | None = Field(
        None,
        gt=0,
        description="days after which what earlier runs left undelivered is deleted; without it, never",
        json_schema_extra={**_DELIVERY, "metavar": "DAYS"},
    )
    spool_full: WhenFull = Field(
        WhenFull.STOP,
        description="where the spool is full: stop ends the run, drop goes on, and once the ring is full too "
        "it drops new frames and counts them",
        json_schema_extra={**_DELIVERY},
    )
    sync: Sync = Field(
        Sync.BACKGROUND,
        description="when a pushed chunk is on disk: in the background, soon; or always, before the next",
        json_schema_extra={**_DELIVERY},
    )
    json_report: bool = Field(
        False,
        description="print the result as one JSON object",
        json_schema_extra={**_OUTPUT, "everyday": True, "flag": "json"},
    )
    verbosity: int = Field(
        2,
        ge=0,
        le=4,
        description="how much to log: 0 nothing, 1 errors, 2 warnings, 3 progress, 4 details",
        json_schema_extra={**_OUTPUT, "metavar": "0-4"},
    )
    log_file: Path | None = Field(
        None,
        description="write the log to this file too",
        json_schema_extra={**_OUTPUT, "metavar": "FILE"},
    )

    @property
    def reduction(self) -> Reduction:
        """How the stream's frames are made of the camera's."""
        if self.stream_average is not None and self.stream_average > 1:
            return Reduction(self.stream_average, is_mean=True)
        return Reduction(self.stream_every or 1)

    @field_validator("stream_name", "physical_sample", "project_id", "azimuth", "notes", mode="before")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        return (clean_name(value) or None) if isinstance(value, str) else value

    @field_validator("camera", "endpoint", "log_file", "config", "archive", "spool_dir", mode="before")
    @classmethod
    def _blank_is_none(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("tags", mode="before")
    @classmethod
    def _clean_each(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return tuple(clean_name(item) if isinstance(item, str) else item for item in value)

    @field_validator("tags", "disable_plugins")
    @classmethod
    def _without_blanks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(item.strip() for item in value if item.strip())

    @field_validator("output", mode="before")
    @classmethod
    def _not_blank(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("must name a directory; '.' is the working directory")
        return value

    @model_validator(mode="after")
    def _agree(self) -> RunSettings:
        conflicts = []
        if self.chunk_size is not None and self.chunk_seconds is not None:
            conflicts.append(
                (("chunk_size", "chunk_seconds"), "both give the length of a chunk; leave one out")
            )
        if self.stream_every is not None and self.stream_average is not None:
            conflicts.append((("stream_every", "stream_average"), "both reduce the stream; leave one out"))
        if self.ring_chunks is not None and self.memory_limit is not None:
            conflicts.append((("ring_chunks", "memory_limit"), "both size the ring; leave one out"))
        if self.azimuth is not None and self.rotations_per_min > 0:
            conflicts.append(
                (
                    ("azimuth", "rotations_per_min"),
                    "a rotating stage has no one azimuth; leave one out",
                )
            )
        if conflicts:
            text = "; ".join(f"{' and '.join(fields)}: {why}" for fields, why in conflicts)
            raise PydanticCustomError("conflicts", "{text}", {"text": text, "conflicts": conflicts})
        return self
