"""A run that is only looked at: its chunks go nowhere, and those of the last while are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.chunk_buffer import memory_needed
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.recent_ring import RecentRing
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer
from rheed_acquire.system.memory import total_memory

if TYPE_CHECKING:
    from rheed_acquire.frames.ring import Chunk, ChunkRing
    from rheed_acquire.settings.run_settings import RunSettings

MARGIN_S = 5.0
"""How long a run that was asked for may take to be ready, and to take over what it reaches back to."""
CHUNK_S = 0.5
_UNDER_WAY = 2
"""Chunks that are filled or looked at, and not yet among those that are kept."""
_WITHOUT_END_S = 1e9


class PreviewStreamer(Streamer):
    """Gives every chunk back at once, to a ring that keeps the last of them: nothing is stored or sent.

    Parameters
    ----------
    kept_s
        How far back the ring shall reach, in seconds.
    given_up
        Whether the preview is wanted no more.
    """

    def __init__(self, kept_s: float, given_up: Callable[[], bool]) -> None:
        self._kept_s, self._given_up = kept_s, given_up
        self._fps = 0.0

    def initialize(self, *declared: object, fps: float, **named: object) -> str:  # type: ignore[override]  # noqa: ARG002
        """Create nothing; the data_id is empty."""
        self._fps = fps
        return ""

    def open_ring(
        self,
        data_id: str,  # noqa: ARG002
        count: int,
        height: int,
        width: int,
        form: ChunkForm | None = None,
    ) -> ChunkRing | None:
        """Make the ring that keeps what has passed; None for a source that waits, which keeps it itself.

        Raises
        ------
        SettingsError
            It would take more than half of this computer's memory.
        """
        form = form or PLAIN
        if form.waits:
            return None
        capacity = max(1, round(self._fps * CHUNK_S))
        count = max(count, math.ceil(self._kept_s * self._fps / capacity) + 1 + _UNDER_WAY)
        nbytes, total = count * memory_needed(capacity, height, width, form.pixel_format), total_memory()
        if total is not None and nbytes > total / 2:
            raise SettingsError(
                f"the last {self._kept_s:g} s of frames take {nbytes / 1e9:.1f} GB, more than half of this "
                f"computer's {total / 1e9:.1f}: choose a shorter --pre-roll, or a smaller region of interest"
            )
        return RecentRing(count, capacity, height, width, form=form, given_up=self._given_up)

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
    """The settings of a run, for looking at its camera without an end, however long it is away."""
    without = ("duration", "frames", "stream_every", "stream_average", "archive", "memory_limit")
    nothing = dict.fromkeys(without)
    return run.model_copy(update={**nothing, "ring_chunks": 2, "reconnect_timeout": _WITHOUT_END_S})
