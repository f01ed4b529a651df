"""Which source FFmpeg opens, what is asked of it, and what is taken of its pictures."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Size = Annotated[int, Field(gt=0, le=65536)]
Offset = Annotated[int, Field(ge=0, le=65536)]

URL_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")

_SECRET_NAME = re.compile(r"pass|pwd|token|key|auth|secret|sig|credential|session|cookie|header|proxy", re.I)
"""What in a URL's query, or as the name of an option, stands before what nobody else should read."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(%[^\[\]]*)?\]|[^:\[\]]*)(:\d{0,5})?")
"""With a port, or without."""

_NOT_ENCODED = (
    "is no URL that can be read; in a user name or password these have to be percent-encoded: / as %2F, # as "
    "%23, ? as %3F, [ as %5B, ] as %5D, @ as %40, : as %3A, % as %25; an @ of the path as %40 too"
)


class Deinterlace(StrEnum):
    """What becomes of the two fields of an interlaced picture, which were taken one after the other."""

    OFF = "off"
    FIELDS = "fields"
    INTERPOLATE = "interpolate"


class FieldOrder(StrEnum):
    """Which field of an interlaced picture is the earlier one."""

    AUTO = "auto"
    TOP = "top"
    BOTTOM = "bottom"


class VideoSettings(BaseModel):
    """The source, what it is asked for, and what is taken of its pictures."""

    # An error would else repeat a URL with its password.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)

    source: str | None = Field(
        None,
        description="a capture device by its name, address or serial number, as rheed-acquire cameras lists "
        "them; rtsp:// or http:// of a network camera; screen; window:ID or window:TITLE; lavfi:GRAPH",
    )
    url: SecretStr | None = Field(
        None, description="in place of the source, the URL of a stream with the user and password in it"
    )
    size: str | None = Field(
        None,
        description="size of the pictures that a capture device is asked for",
        json_schema_extra={"metavar": "WIDTHxHEIGHT"},
    )
    input_format: str | None = Field(
        None,
        description="what a capture device shall send, as FFmpeg spells it: gray, yuyv422, gray12le, mjpeg",
    )
    width: Size | None = Field(None, description="width of the region of interest in pixels")
    height: Size | None = Field(None, description="height of the region of interest in pixels")
    offset_x: Offset | None = Field(None, description="left edge of the region of interest")
    offset_y: Offset | None = Field(None, description="upper edge of the region of interest")
    deinterlace: Deinterlace = Field(
        Deinterlace.OFF,
        description="of an analog camera's pictures; fields: each field is a frame of half the height, at "
        "twice the rate; interpolate: the missing rows are made up",
    )
    field_order: FieldOrder = Field(
        FieldOrder.AUTO,
        description="which field comes first, where the source does not tell: top for PAL, bottom for NTSC",
    )
    low_latency: bool = Field(
        False,
        description="have FFmpeg hold no picture back for the order of pictures; not with B-frames",
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="any other option of FFmpeg's input by its name, such as rtsp_transport=udp or "
        "standard=PAL",
    )

    @field_validator("source")
    @classmethod
    def _check_source(cls, text: str | None) -> str | None:
        if text is None or "://" not in text:
            return text
        _check_scheme(text)
        parts = _parts(text)
        if "@" in parts.netloc or any(_SECRET_NAME.search(name) for name, _ in parse_qsl(parts.query)):
            raise ValueError(
                "a password does not belong where others can read it; leave this out and give the whole URL "
                "in the environment variable RHEED_VIDEO__URL, or as url below [video] in the settings file"
            )
        return text

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _check_scheme(url.get_secret_value())
            _parts(url.get_secret_value())
        return url

    @field_validator("size")
    @classmethod
    def _check_size(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", text):
            raise ValueError("must be spelled WIDTHxHEIGHT, such as 1280x720")
        return text

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, str]) -> dict[str, str]:
        for name in options:
            if _SECRET_NAME.search(name):
                raise ValueError(f"{name} cannot be given here, where others could read it: see --video.url")
        return options

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.source is not None and self.url is not None:
            raise ValueError("give either source or url, not both")
        return self


def shown_url(url: str, *, is_secret: bool) -> str:
    """Return what of a stream's URL may be shown: nothing of what could be a user or a password.

    Parameters
    ----------
    url
        As `VideoSettings` takes it.
    is_secret
        Whether nothing is to be shown but scheme and host: a path may be a secret too, as a stream's key is.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    authority, path = _authority(rest)
    _, at, behind = path.rpartition("@")
    if at:
        # Perhaps a path with an @, and perhaps a password with a /: `admin:80/x@host` can be read as either.
        return f"{scheme}://…" if is_secret else f"{scheme}://…@{behind}"
    return f"{scheme}://{authority.rpartition('@')[2]}/…" if is_secret else url


def _authority(rest: str) -> tuple[str, str]:
    """Split what stands behind ``://`` at the end of user, password, host and port, as FFmpeg does."""
    end = re.search(r"[/?#]|$", rest)
    assert end is not None
    return rest[: end.start()], rest[end.start() :]


def _parts(url: str) -> SplitResult:
    """Split a URL; refuse one whose user or password has characters that have to be percent-encoded.

    Raises
    ------
    ValueError
        It has such. Nothing in the message is of the URL, since it is not known what of it is the password.
    """
    authority, path = _authority(url.partition("://")[2])
    before, at, _ = path.rpartition("@")
    _, login, host = authority.rpartition("@")
    # Such a character ends the host for whoever reads a URL: half of a password stands where the port does,
    # or a half of the user's name stands for the host.
    is_of_a_user = at and not login and ":" not in host and ":" in before
    if not _HOST.fullmatch(host) or is_of_a_user:
        raise ValueError(_NOT_ENCODED)
    try:
        return urlsplit(url)
    except ValueError:
        # Its own words repeat what it could not read.
        raise ValueError(_NOT_ENCODED) from None


def _check_scheme(url: str) -> None:
    if url.partition("://")[0].lower() not in URL_SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{known}://' for known in URL_SCHEMES)}")
