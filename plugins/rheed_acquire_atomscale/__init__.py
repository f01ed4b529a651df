"""The public Atomscale client as a streamer: ``--streamer atomscale``.

The client (``pip install atomscale``) is imported when a run uses it, not before.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from rheed_acquire import Streamer, StreamerBackend, StreamerRequest, hookimpl

__all__ = ["AtomscaleSettings", "open_streamer"]

MAX_FPS = 120.0
"""Frames per second that Atomscale's API lets a stream declare."""


class AtomscaleSettings(BaseModel):
    """The client has no settings beside the run's."""

    model_config = ConfigDict(defer_build=True)


def open_streamer(settings: AtomscaleSettings, request: StreamerRequest) -> Streamer:  # noqa: ARG001
    """Open the client.

    Raises
    ------
    StreamerError
        It cannot be loaded, or refuses what it is given.
    """
    from rheed_acquire_atomscale.streamer import AtomscaleStreamer

    return AtomscaleStreamer(request)


@hookimpl
def rheed_register_streamers(register: Callable[[StreamerBackend], None]) -> None:
    """Register the streamer ``atomscale``."""
    register(
        StreamerBackend(
            name="atomscale",
            description="the public Atomscale client (GPL), with its own encoding, spool and uploads",
            settings=AtomscaleSettings,
            open=open_streamer,
            requires=("atomscale",),
            install='pip install "rheed-acquire[atomscale]"',
            uses_local_server=True,
            max_fps=lambda settings: MAX_FPS,  # noqa: ARG005
        )
    )
