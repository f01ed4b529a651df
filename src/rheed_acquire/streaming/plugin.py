"""Registers the built-in streamer, by the same hook as any other's."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from rheed_acquire.hookspecs import hookimpl
from rheed_acquire.streaming.streamer import Streamer, StreamerBackend, StreamerRequest


class RHEEDStreamerSettings(BaseModel):
    """The built-in streamer has no settings of its own beside the run's."""


def _open(settings: RHEEDStreamerSettings, request: StreamerRequest) -> Streamer:  # noqa: ARG001
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer

    return RHEEDStreamer(
        request.api_key,
        request.endpoint,
        request.verbosity,
        spool_folder=request.spool_folder,
        spool_limits=request.spool_limits,
        sync_always=request.sync_always,
        server=request.server,
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
        )
    )
