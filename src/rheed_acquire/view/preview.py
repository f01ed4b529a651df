"""A run that is only looked at: its chunks go nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk
    from rheed_acquire.settings.run_settings import RunSettings


class PreviewStreamer(Streamer):
    """Gives every chunk back at once: nothing is stored, nothing is sent."""

    def initialize(self, *declared: object, **named: object) -> str:  # noqa: ARG002
        """Create nothing; the data_id is empty."""
        return ""

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:  # noqa: ARG002
        """Give the chunk back."""
        chunk.release()

    def status(self, data_id: str) -> DeliveryStatus:  # noqa: ARG002
        """Nothing is on its way."""
        return DeliveryStatus()

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:  # noqa: ARG002
        """End nothing."""
        return {}


def preview_settings(run: RunSettings) -> RunSettings:
    """The settings of a run, for looking at its camera without an end."""
    without = ("duration", "frames", "stream_every", "stream_average", "archive")
    nothing = dict.fromkeys(without)
    return run.model_copy(update={**nothing, "ring_chunks": 2})
