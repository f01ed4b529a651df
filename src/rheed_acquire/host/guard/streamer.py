"""A streamer that keeps to its contract whatever its plugin does: it raises nothing but a `StreamerError`."""

from __future__ import annotations

import inspect
import json
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError, StreamerError
from rheed_acquire.host.guard.calls import Patience, PluginCalls, kind_of
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer, StreamerBackend, StreamerRequest

if TYPE_CHECKING:
    from rheed_acquire.frames.frame_form import ChunkForm
    from rheed_acquire.frames.ring import Chunk, ChunkRing

STATUS_LIMIT_S = 1.0
CLOSE_LIMIT_S = 30.0
FINALIZE_SLACK_S = 60.0
"""What finalize may take beyond the time that it is given for uploads."""


class StreamerHangsError(StreamerError):
    """A call into a streamer did not return in time and was left behind."""


def guard_streamer_backend(backend: StreamerBackend, provenance: str, patience: Patience) -> StreamerBackend:
    """Make a backend whose streamers are guarded.

    Parameters
    ----------
    provenance
        The plugin's distribution and its version.
    """
    who = f"streamer {backend.name} ({provenance})"

    def open_streamer(settings: Any, request: StreamerRequest) -> Streamer:
        calls = PluginCalls(who, StreamerError, StreamerHangsError, patience)

        def opened() -> Streamer:
            streamer: object = backend.open(settings, request)
            if not isinstance(streamer, Streamer):
                raise calls.wrong("open", f"it returned {kind_of(streamer)}, not a Streamer")
            return streamer

        try:
            streamer = calls.within(
                None, "open", opened, lets=(RheedAcquireError,), on_late=lambda late: late.close()
            )
        except BaseException:
            calls.end()
            raise

        def more_calls() -> PluginCalls:
            return PluginCalls(who, StreamerError, StreamerHangsError, patience)

        return GuardedStreamer(streamer, calls, more_calls)

    def max_fps(settings: Any) -> float | None:
        calls = PluginCalls(who, StreamerError, StreamerHangsError, patience)
        limit: object = calls.here("max_fps", lambda: backend.max_fps(settings))
        if limit is None:
            return None
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < math.inf:
            raise calls.wrong("max_fps", f"it returned {limit!r}, not frames per second")
        return float(limit)

    return replace(backend, open=open_streamer, max_fps=max_fps)


class GuardedStreamer(Streamer):
    """A plugin's streamer; each method raises a `StreamerError` at worst.

    How long a stream takes to begin and to end is the network's affair: but for `status` and `close`, calls
    are waited for as long as the user waits. `push_chunk` is made in the caller's thread.

    Parameters
    ----------
    streamer
        The plugin's.
    calls
        For the calls that come one at a time.
    more_calls
        Makes what `status` and `close` are called by, which come at any time.
    """

    def __init__(self, streamer: Streamer, calls: PluginCalls, more_calls: Callable[[], PluginCalls]) -> None:
        self._streamer, self._calls = streamer, calls
        self._asking, self._closing = more_calls(), more_calls()
        self._chunk_size = 0

    def initialize(
        self,
        fps: float,
        rotations_per_min: float,
        chunk_size: int,
        stream_name: str | None = None,
        physical_sample: str | None = None,
        project_id: str | None = None,
        tags: Sequence[str] | None = None,
        azimuth: str | None = None,
    ) -> str:
        """See `Streamer.initialize`."""
        self._chunk_size = chunk_size

        def initialize() -> str:
            data_id: object = self._streamer.initialize(
                fps=fps,
                rotations_per_min=rotations_per_min,
                chunk_size=chunk_size,
                stream_name=stream_name,
                physical_sample=physical_sample,
                project_id=project_id,
                tags=tags,
                azimuth=azimuth,
            )
            if not isinstance(data_id, str) or not data_id:
                what = "an empty text" if data_id == "" else kind_of(data_id)
                raise self._calls.wrong("initialize", f"it returned {what}, not the stream's data_id")
            return data_id

        return self._calls.within(None, "initialize", initialize, lets=(RheedAcquireError,))

    def open_ring(
        self, data_id: str, count: int, height: int, width: int, form: ChunkForm | None = None
    ) -> ChunkRing | None:
        """See `Streamer.open_ring`."""
        frames = self._chunk_size * (1 if form is None else form.reduction.frames)

        def open_ring() -> ChunkRing | None:
            from rheed_acquire.frames.frame_form import PLAIN
            from rheed_acquire.frames.ring import ChunkRing

            more = () if form is None else (form,)
            make: Callable[..., object] = self._streamer.open_ring
            if more and not _takes(make, data_id, count, height, width, *more):
                if form != PLAIN:
                    return None
                more = ()  # all that is new to it is that the source waits
            ring = make(data_id, count, height, width, *more)
            if ring is not None and not isinstance(ring, ChunkRing):
                raise self._calls.wrong("open_ring", f"it returned {kind_of(ring)}, not a ChunkRing")
            wanted = (frames, height, width)
            if ring is not None and (ring.capacity, ring.height, ring.width) != wanted:
                raise self._calls.wrong(
                    "open_ring",
                    f"its ring is for chunks of {ring.capacity} x {ring.height} x {ring.width} in place of "
                    f"{frames} x {height} x {width}",
                )
            if ring is not None and ring.form != (form or PLAIN):
                wrong = f"its ring is for {ring.form} in place of {form or PLAIN}"
                raise self._calls.wrong("open_ring", wrong)
            return ring

        return self._calls.within(None, "open_ring", open_ring, lets=(RheedAcquireError,))

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        """See `Streamer.push_chunk`."""
        self._calls.here("push_chunk", lambda: self._streamer.push_chunk(data_id, chunk))

    def status(self, data_id: str) -> DeliveryStatus:
        """See `Streamer.status`."""
        if self._asking.is_stuck:
            raise StreamerHangsError(f"{self._asking.who} has not returned from status yet")

        def status() -> DeliveryStatus:
            answer: object = self._streamer.status(data_id)
            if not isinstance(answer, DeliveryStatus):
                raise self._asking.wrong("status", f"it returned {kind_of(answer)}, not a DeliveryStatus")
            return _plain_status(answer, self._asking)

        return self._asking.within(STATUS_LIMIT_S, "status", status)

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        """See `Streamer.finalize`."""

        def finalize() -> dict[str, Any]:
            answer: object = self._streamer.finalize(data_id, drain_timeout_s)
            return _plain_report(answer, self._calls)

        limit_s = None if drain_timeout_s is None else drain_timeout_s + FINALIZE_SLACK_S
        return self._calls.within(limit_s, "finalize", finalize)

    def close(self) -> None:
        """See `Streamer.close`."""
        try:
            self._closing.within(CLOSE_LIMIT_S, "close", self._streamer.close)
        finally:
            for calls in (self._calls, self._asking, self._closing):
                calls.end()


def _takes(function: Callable[..., object], *arguments: object) -> bool:
    """Whether a function can be called with these arguments; one that cannot be looked into can."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _plain_status(status: DeliveryStatus, calls: PluginCalls) -> DeliveryStatus:
    """Make plain values of what a status counts: a program that counts in numpy has numpy's types."""
    try:
        return replace(
            status,
            chunks_pushed=operator.index(status.chunks_pushed),
            chunks_uploaded=operator.index(status.chunks_uploaded),
            chunks_failed=operator.index(status.chunks_failed),
            bytes_uploaded=operator.index(status.bytes_uploaded),
            lost=tuple((_plain_index(index), str(reason)) for index, reason in status.lost),
            spool_bytes=None if status.spool_bytes is None else operator.index(status.spool_bytes),
            chunks_spooled=None if status.chunks_spooled is None else operator.index(status.chunks_spooled),
            last_error=None if status.last_error is None else str(status.last_error),
            stop_reason=None if status.stop_reason is None else str(status.stop_reason),
        )
    except (TypeError, ValueError):
        what = "its counts are not whole numbers, or lost is no list of pairs of chunk index and reason"
        raise calls.wrong("status", what) from None


def _plain_index(index: Any) -> Any:
    # Whose chunks have no number is told of with its reason all the same.
    return operator.index(index) if hasattr(index, "__index__") else index


def _plain_report(report: object, calls: PluginCalls) -> dict[str, Any]:
    """Check what is read of a streamer's last word, and make all of it plain JSON values."""
    if not isinstance(report, dict):
        raise calls.wrong("finalize", f"it returned {kind_of(report)}, not a report")
    plain: dict[str, Any] = json.loads(json.dumps(report, default=_plain_value))
    for name in ("chunks_uploaded", "chunks_failed", "chunks_not_uploaded", "bytes_uploaded"):
        if type(plain.get(name, 0)) is not int:
            raise calls.wrong("finalize", f"{name} of its report is no whole number")
    lost = plain.get("lost", [])
    if not isinstance(lost, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in lost):
        raise calls.wrong("finalize", "lost of its report is no list of pairs of chunk index and reason")
    for pair in lost:
        pair[1] = str(pair[1])
    return plain


def _plain_value(value: object) -> object:
    return operator.index(value) if hasattr(value, "__index__") else str(value)
