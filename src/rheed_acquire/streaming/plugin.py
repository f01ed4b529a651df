"""Registers the built-in streamer, by the same hook as any other's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rheed_acquire.hookspecs import hookimpl
from rheed_acquire.streaming.limits import ATOMSCALE_MAX_FPS
from rheed_acquire.streaming.streamer import Streamer, StreamerBackend, StreamerRequest

AUTO = "auto"


class RHEEDStreamerSettings(BaseModel):
    """What only the built-in streamer has; the rest are the run's."""

    model_config = ConfigDict(defer_build=True)

    compression: str = Field(
        AUTO,
        description="auto follows the load: faster when the camera outruns the encoder, stronger when the "
        "uplink is the limit; or for every chunk a level of zstd, 1 (fast) to 22 (small), or 0 for frames as "
        "they are",
    )

    max_fps: float = Field(
        ATOMSCALE_MAX_FPS,
        ge=0,
        allow_inf_nan=False,
        description="frames per second that the service takes at most; 0 where there is no limit, as with a "
        "server of one's own",
    )

    bare_confirmations: bool = Field(
        False,
        description="take an upload for delivered though its answer has neither ETag nor checksum; only for "
        "stores that give none, since a captive portal may answer so too",
    )

    @field_validator("compression", mode="before")
    @classmethod
    def _is_auto_or_a_level(cls, value: Any) -> Any:
        text = str(value).strip().lower()
        if text != AUTO and not (text.isdecimal() and 0 <= int(text) <= 22):
            raise ValueError("must be auto, or a level of zstd from 1 to 22, or 0 for frames as they are")
        return text

    @property
    def compression_level(self) -> int | None:
        """The level, or None for the load to decide."""
        return None if self.compression == AUTO else int(self.compression)

    @property
    def most_fps(self) -> float | None:
        """`max_fps`, or None where there is no limit."""
        return self.max_fps or None


def _open(settings: RHEEDStreamerSettings, request: StreamerRequest) -> Streamer:
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer

    return RHEEDStreamer(
        request.api_key,
        request.endpoint,
        request.verbosity,
        compression_level=settings.compression_level,
        spool_folder=request.spool_folder,
        spool_limits=request.spool_limits,
        sync_always=request.sync_always,
        server=request.server,
        # A local server that stands in for Atomscale takes any rate.
        max_fps=None if request.server is not None else settings.most_fps,
        bare_confirmations=settings.bare_confirmations,
        given_up=request.given_up,
    )


@hookimpl
def rheed_register_streamers(register: Callable[[StreamerBackend], None]) -> None:
    """Register ``rheed``."""
    register(
        StreamerBackend(
            name="rheed",
            description="Atomscale's HTTP protocol: encoded in the background, uploaded with retries",
            settings=RHEEDStreamerSettings,
            open=_open,
            uses_local_server=True,
            max_fps=lambda settings: settings.most_fps,
        )
    )
