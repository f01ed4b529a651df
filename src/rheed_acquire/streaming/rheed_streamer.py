"""`RHEEDStreamer`: stream RHEED frames to Atomscale from a loop of your own."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from pydantic import SecretStr

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm
from rheed_acquire.frames.mapped_memory import never
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.streaming.api import Timeouts
from rheed_acquire.streaming.arguments import (
    check_chunk_size,
    check_frames,
    check_index,
    check_number,
    default_stream_name,
    distinct,
    split_item,
    text_or_none,
)
from rheed_acquire.streaming.frame_gatherer import FrameGatherer
from rheed_acquire.streaming.intake import Intake
from rheed_acquire.streaming.limits import ATOMSCALE_MAX_FPS, SpoolLimits, too_fast
from rheed_acquire.streaming.log import apply_verbosity
from rheed_acquire.streaming.open_streams import OpenStreams
from rheed_acquire.streaming.recovery import FIRST_TIME_S, complete_stream
from rheed_acquire.streaming.reference_clock import ClockStatus
from rheed_acquire.streaming.registration import StreamDescription
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.server_link import DRAIN_TIMEOUT_S, ServerLink
from rheed_acquire.streaming.shared_delivery import SharedDelivery
from rheed_acquire.streaming.stream_places import default_spool_folder
from rheed_acquire.streaming.streamer import DeliveryStatus, Streamer
from rheed_acquire.streaming.trust import tls_context
from rheed_acquire.system.home_process import HomeProcess

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray


logger = logging.getLogger(__name__)

DEFAULT_ENDPOINT = "https://api.atomscale.ai"
END_PATIENCE_S = 180.0
"""How long a server may still be analysing, and refuse to end a stream."""

FramesItem: TypeAlias = "NDArray[np.uint8] | tuple[NDArray[np.uint8], float | None]"
"""What `RHEEDStreamer.run` takes: frames, or a pair of frames and their capture start in ms UTC."""


class RHEEDStreamer(Streamer):
    """Streams RHEED frames to Atomscale.

    `push` and `run` hand frames over; they are encoded and uploaded in the background, with retries, while
    the next ones are captured. Several streams may be open at once. Always call `finalize`.

    Parameters
    ----------
    api_key
        Of Atomscale; where it is left out, the environment's ``AS_API_KEY`` or ``ATOMSCALE_API_KEY``.
    endpoint
        Base URL; where it is left out, the environment's ``AS_API_ENDPOINT``, else the real service.
    verbosity
        What goes to the log on stderr: 0 nothing, 1 errors, 2 warnings, 3 progress, 4 details. Left out,
        Python's logging decides, under the name ``rheed_acquire``.
    compression_level
        Of zstd, 1 (fast) to 22 (small), or 0 to store frames as they are. Left out, it follows the load:
        for pushes of arrays, which wait, the level that brings most frames all the way to the server. Frames
        that do not shrink are stored.
    upload_workers
        Uploads under way at once, at most; how many follows the link.
    ring_chunks
        Chunks whose frames wait in memory to be encoded, at least 2; past that `push` waits.
    backoff
        How long to wait between attempts.
    spool_folder
        Where chunks are kept until they are confirmed; by default ``RHEED_SPOOL_DIR``, else a folder beside
        ``ATOMSCALE_SPOOL_DIR``, else one of this user's.
    spool_limits
        How much may be kept there.
    sync_always
        Whether `push` waits until its chunk survives loss of power too, not only the death of this process.
    server
        What the spool calls the server, where its URL changes from run to run; by default the endpoint.
    timeouts
        How long calls may take.
    max_fps
        Frames per second that the service takes at most; None for one without such a limit.
    bare_confirmations
        Whether a chunk counts as delivered where the answer to its upload has neither ETag nor checksum. Only
        for stores that give none: whatever stands between this computer and the store can answer so too.
    given_up
        Asked now and then while `open_ring` makes a ring whether nobody wants it any more.

    Raises
    ------
    ValueError
        There is no key, or an argument is out of its range.
    StreamerError
        The key or the endpoint is malformed.
    SettingsError
        A variable such as ``SSL_CERT_FILE`` names what holds no certificates.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        endpoint: str | None = None,
        verbosity: int | None = None,
        *,
        compression_level: int | None = None,
        upload_workers: int = 8,
        ring_chunks: int = 3,
        backoff: Backoff | None = None,
        spool_folder: str | PathLike[str] | None = None,
        spool_limits: SpoolLimits | None = None,
        sync_always: bool = False,
        server: str | None = None,
        timeouts: Timeouts | None = None,
        max_fps: float | None = ATOMSCALE_MAX_FPS,
        bare_confirmations: bool = False,
        given_up: Callable[[], bool] = never,
    ) -> None:
        if api_key is None:
            api_key = os.environ.get("AS_API_KEY") or os.environ.get("ATOMSCALE_API_KEY")
        if not api_key:
            raise ValueError(
                "RHEEDStreamer needs an api_key; pass one, or set AS_API_KEY in the environment "
                "(rheed-acquire serve starts a local server and prints AS_API_KEY and AS_API_ENDPOINT)"
            )
        endpoint = endpoint or os.environ.get("AS_API_ENDPOINT") or DEFAULT_ENDPOINT
        self._link = link = ServerLink(
            api_key if isinstance(api_key, SecretStr) else SecretStr(api_key),
            endpoint,
            compression_level,
            upload_workers,
            ring_chunks,
            backoff or Backoff(),
            default_spool_folder() if spool_folder is None else Path(spool_folder),
            spool_limits or SpoolLimits(),
            sync_always,
            server or endpoint.rstrip("/"),
            timeouts or Timeouts(),
            bare_confirmations,
        )
        if max_fps is not None:
            check_number("max_fps", max_fps, positive=True)
        if verbosity is not None:
            apply_verbosity(verbosity)
        link.open_api().close()  # a malformed key or endpoint is said here, not at the first call
        if endpoint.startswith("https:"):
            tls_context()  # so is a variable that names no certificates
        self._given_up, self._max_fps = given_up, max_fps
        self._home = HomeProcess("this RHEEDStreamer")
        self._streams = OpenStreams()
        self._delivery = SharedDelivery(link.open_delivery)
        self._recovering = threading.Lock()

    def __repr__(self) -> str:
        return f"RHEEDStreamer(endpoint={self.endpoint!r}, open_streams={self._streams.data_ids})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._home.is_here:  # a fork that leaves the block has nothing of its own to close
            self.close()

    @property
    def endpoint(self) -> str:
        """Where the streams go."""
        return self._link.endpoint

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
        """Create a stream.

        Parameters
        ----------
        fps
            Frames per second that are pushed, at most ``max_fps``.
        rotations_per_min
            Of the sample stage, 0 for a stationary one.
        chunk_size
            Frames per chunk; at least two seconds of them.
        stream_name
            Shown by Atomscale; by default ``RHEED Stream @ 1:23PM``.
        physical_sample
            Name or id of the sample; a name that is not known yet creates one.
        project_id
            Of the project that the stream belongs to.
        tags
            Names; those not known yet are created.
        azimuth
            Label of the beam's direction, for a stationary stage only.

        Returns
        -------
        str
            The data_id, which every other method takes.

        Raises
        ------
        ValueError
            An argument is out of its range.
        StreamerError
            The server cannot be reached or refuses. No stream is left open.
        """
        self._home.check()
        check_number("fps", fps, positive=True)
        refusal = too_fast(fps, self._max_fps)
        if refusal is not None:
            raise ValueError(f"{refusal}; for a server without that limit set max_fps=None")
        check_number("rotations_per_min", rotations_per_min, positive=False)
        check_chunk_size(chunk_size, fps)
        azimuth = text_or_none(azimuth)
        if azimuth is not None and rotations_per_min > 0:
            raise ValueError("azimuth is for a stationary stage: leave it out, or set rotations_per_min to 0")
        description = StreamDescription(
            name=text_or_none(stream_name) or default_stream_name(),
            fps=float(fps),
            rotations_per_min=float(rotations_per_min),
            physical_sample=text_or_none(physical_sample),
            project_id=text_or_none(project_id),
            tags=distinct(tags or ()),
            azimuth=azimuth,
        )
        delivery, is_new = self._delivery.acquire()
        try:
            if is_new:
                process_clock().anchor()  # no stream's stamps can jump by it: there is none
                self._link.recover_in_background(delivery, self._recovering)
            # Without it, the first stamps leave uncorrected.
            delivery.clock.wait_first(FIRST_TIME_S)
            data_id = self._link.open_stream(delivery, description, int(chunk_size), self._streams)
        except BaseException:
            self._delivery.release(delivery)
            raise
        logger.info("stream %s (%s) opened on %s", data_id, description.name, self.endpoint)
        return data_id

    def push(
        self,
        data_id: str,
        chunk_idx: int,
        frames: NDArray[np.uint8],
        capture_start_ms_utc: float | None = None,
    ) -> None:
        """Hand a chunk of frames over.

        From the return on it survives the death of this process, and the array may be used again. Waits
        while `ring_chunks` chunks are still to be encoded, and with `sync_always` until it is on disk.

        Parameters
        ----------
        data_id
            As `initialize` returned it.
        chunk_idx
            Place of the chunk in the stream, from 0; each index once, in any order.
        frames
            (N, H, W) or (H, W), uint8, N at most the declared chunk_size.
        capture_start_ms_utc
            When the first frame was captured, in milliseconds since 1970 in UTC. By default the chunk is
            taken to have just finished: now less N / fps.

        Raises
        ------
        ValueError
            The frames, the index or the data_id cannot be used; nothing was taken.
        RuntimeError
            The stream is finalized.
        """
        entered_ms = time.time_ns() / 1e6
        intake = self._intake(data_id)
        frames = check_frames(frames)
        chunk_idx = check_index(chunk_idx)
        if capture_start_ms_utc is None:
            capture_start_ms_utc = entered_ms - len(frames) / intake.stream.fps * 1000
        else:
            check_number("capture_start_ms_utc", capture_start_ms_utc, positive=False)
        intake.take_array(chunk_idx, frames, capture_start_ms_utc)

    def open_ring(
        self, data_id: str, count: int, height: int, width: int, form: ChunkForm | None = None
    ) -> ChunkRing:
        """Make the stream's ring, in memory that outlives this process; its chunks go to `push_chunk`.

        With a reduction, what goes there is made of them (`rheed_acquire.frames.stream_chunks`); what a
        process that dies leaves in the ring is made so when it is recovered.

        Raises
        ------
        RingMemoryError
            There is no room for it.
        RingGivenUpError
            It is not wanted any more.
        """
        return self._intake(data_id).stream.ring(
            height, width, count, given_up=self._given_up, form=form or PLAIN
        )

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        """Hand over a chunk where it lies, without a copy; it is released once it is encoded.

        Raises
        ------
        ValueError, RuntimeError
            As `push`; the chunk is still the caller's.
        """
        intake = self._intake(data_id)
        if chunk.capture_start_ms_utc is None:
            chunk.date(time.time_ns() / 1e6 - len(chunk) / intake.stream.fps * 1000)
        intake.take_chunk(chunk)

    def run(self, data_id: str, frames_iter: Iterable[FramesItem]) -> None:
        """Push everything that an iterator yields, as fast as it is delivered, and nothing dropped.

        An array of shape (N, H, W) is one chunk. Single frames, of shape (H, W), are gathered into chunks
        of the declared chunk_size; a given capture start that is more than 100 ms off the even spacing of
        the chunk's frames begins a new one.

        Parameters
        ----------
        data_id
            As `initialize` returned it.
        frames_iter
            Yields uint8 arrays, or pairs of an array and the capture start of its first frame in
            milliseconds since 1970 in UTC. Without one, an item is taken to have just been captured, but
            never to begin before the item before it ended.

        Raises
        ------
        ValueError, RuntimeError
            As `push`. What came before the item at fault is delivered.
        """
        gatherer = FrameGatherer(self._intake(data_id))
        try:
            for item in frames_iter:
                arrived_ms = time.time_ns() / 1e6
                frames, start_ms = split_item(item)
                single = isinstance(frames, np.ndarray) and frames.ndim == 2
                gatherer.take(check_frames(frames), start_ms, arrived_ms, is_chunk=not single)
        finally:
            gatherer.flush()

    def status(self, data_id: str) -> DeliveryStatus:
        """How far a stream's chunks have come."""
        intake = self._intake(data_id)
        clock = intake.delivery.clock.status()
        return replace(
            intake.stream.status(),
            spool_bytes=intake.delivery.spool.counts(data_id).nbytes,
            clock_offset_ms=clock.offset_ms,
            clock_uncertainty_ms=clock.uncertainty_ms,
        )

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        """Wait until everything is uploaded, and end the stream.

        Parameters
        ----------
        data_id
            As `initialize` returned it.
        drain_timeout_s
            Seconds to wait for the uploads, 600 by default. What is not uploaded then stays in the spool,
            and the stream open, for `recover`.

        Returns
        -------
        dict
            Counts of chunks: ``chunks_spooled`` (written to disk), ``chunks_from_memory`` (uploaded without
            that), ``chunks_uploaded``, ``chunks_dropped``, ``chunks_failed``, ``chunks_purged``,
            ``chunks_not_uploaded``, ``chunks_pending``; ``drained`` (nothing was left waiting), ``closed``
            (the server has ended the stream), and ``lost``, pairs of chunk index and reason.

        Raises
        ------
        ValueError
            The data_id is unknown.
        RuntimeError
            The stream was finalized before.
        """
        if drain_timeout_s is None:
            drain_timeout_s = DRAIN_TIMEOUT_S
        check_number("drain_timeout_s", drain_timeout_s, positive=False)
        intake = self._intake(data_id)
        stream, delivery = intake.stream, intake.delivery
        stream.begin_finalizing()
        try:
            report = complete_stream(
                stream,
                delivery,
                self._link.open_api,
                self._link.backoff,
                drain_timeout_s,
                patience_s=END_PATIENCE_S,
            )
        except BaseException:
            stream.resume()  # interrupted: it can be finalized once more
            raise
        self._streams.end(data_id)
        self._delivery.release(delivery)
        return report

    def recover(
        self,
        drain_timeout_s: float | None = None,
        on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
    ) -> list[dict[str, Any]]:
        """Finish what earlier processes have left in the spool for this server: upload, and finalize.

        `initialize` begins to do so in the background; this waits for it.

        Parameters
        ----------
        drain_timeout_s
            Seconds to wait for each stream's uploads, 600 by default; what is not uploaded then stays.
        on_chunks
            Called in this thread with how many more chunks have arrived or were given up.

        Returns
        -------
        list of dict
            For each stream a report as `finalize` gives it, with its ``data_id`` and ``stream_name``.
        """
        self._home.check()
        timeout_s = DRAIN_TIMEOUT_S if drain_timeout_s is None else drain_timeout_s
        delivery, _ = self._delivery.acquire()
        try:
            with self._recovering:
                return self._link.make_recovery(delivery, timeout_s, on_chunks).finish()
        finally:
            self._delivery.release(delivery)

    def clock_status(self) -> ClockStatus | None:
        """How the reference clock is doing; None while no stream is open."""
        self._home.check()
        delivery = self._delivery.current
        return None if delivery is None else delivery.clock.status()

    def spool_status(self, data_id: str) -> dict[str, Any]:
        """Count a stream's chunks by the step they are at.

        Returns
        -------
        dict
            ``pushed`` chunks are ``encoding`` (or wait for it), ``in_memory`` or ``spooled`` (on disk; both
            wait for their upload), ``uploading``, ``uploaded`` or ``failed``; ``bytes`` of shards are in the
            spool. Beside these, the counts that `finalize` returns, as they stand now.
        """
        intake = self._intake(data_id)
        queued = intake.delivery.spool.counts(data_id)
        status = intake.stream.status()
        encoded = queued.on_disk + queued.in_memory + queued.uploading
        return {
            **intake.stream.report(closed=False),
            "pushed": status.chunks_pushed,
            "encoding": max(0, status.chunks_queued - encoded),
            "in_memory": queued.in_memory,
            "spooled": queued.on_disk,
            "uploading": queued.uploading,
            "uploaded": status.chunks_uploaded,
            "failed": status.chunks_failed,
            "bytes": queued.nbytes,
        }

    def close(self) -> None:
        """End all threads and connections, and let a `finalize` in another thread wait no longer.

        Streams that are not finalized stay open on the server, and what was taken of them in the spool.
        """
        self._home.check()
        self._streams.leave()
        self._delivery.close()

    def _intake(self, data_id: str) -> Intake:
        self._home.check()
        return self._streams.find(data_id)
