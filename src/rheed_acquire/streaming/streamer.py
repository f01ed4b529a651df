"""Where chunks go: what a session needs of a streamer, and how a plugin brings one.

`RHEEDStreamer` is the built-in one. Nothing here imports numpy or requests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from rheed_acquire.frames.frame_form import ChunkForm
    from rheed_acquire.frames.ring import Chunk, ChunkRing
    from rheed_acquire.streaming.limits import SpoolLimits


LOCAL_SERVER = "local:"
"""How a spool names the local server of a folder, whose port changes from run to run: ``local:FOLDER``."""


@dataclass(frozen=True, slots=True)
class StreamerRequest:
    """What a session gives any streamer: whom to talk to, and what to keep where meanwhile.

    Attributes
    ----------
    api_key
        Empty where there is none and the streamer does not use the local server either (see
        `StreamerBackend.uses_local_server`).
    endpoint
        The service's URL; None for the streamer's own.
    verbosity
        How much to log, 0 to 4; None for the streamer's own idea.
    server
        What a spool's record calls the server where its URL changes from run to run, else None.
    spool_folder, spool_limits
        Where undelivered chunks are kept, and how much; None for the streamer's own ideas.
    sync_always
        Whether a push returns only when its chunk survives loss of power.
    given_up
        Whether the run is to end: `Streamer.open_ring`, which may take seconds to make gigabytes, asks it now
        and then, and where it says so gives the ring up by raising
        `rheed_acquire.frames.mapped_memory.RingGivenUpError`. A streamer that never asks is waited for.
    """

    api_key: SecretStr
    endpoint: str | None = None
    verbosity: int | None = None
    server: str | None = None
    spool_folder: Path | None = None
    spool_limits: SpoolLimits | None = None
    sync_always: bool = False
    given_up: Callable[[], bool] = field(default=lambda: False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How far a stream's chunks have come.

    Attributes
    ----------
    chunks_pushed
        Taken by ``push``.
    chunks_uploaded
        Confirmed by the server.
    chunks_failed
        Given up, with the reason in `lost`.
    bytes_uploaded
        Of encoded shards that the server confirmed.
    lost
        Pairs of chunk index and reason.
    last_error
        The latest failed attempt in words, or None after a success.
    stop_reason
        Why the streamer wants nothing more to be captured, or None.
    spool_bytes
        Of shards that wait on disk; None where there is no spool.
    chunks_spooled
        Those that were written to disk; None where there is no spool. The others went from memory.
    clock_offset_ms, clock_uncertainty_ms
        What is added to this computer's time to have the server's, and the bound of its error; None while
        that is not known.
    """

    chunks_pushed: int = 0
    chunks_uploaded: int = 0
    chunks_failed: int = 0
    bytes_uploaded: int = 0
    lost: tuple[tuple[int, str], ...] = field(default=())
    last_error: str | None = None
    stop_reason: str | None = None
    spool_bytes: int | None = None
    chunks_spooled: int | None = None
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None

    @property
    def chunks_queued(self) -> int:
        """Chunks on their way."""
        return self.chunks_pushed - self.chunks_uploaded - self.chunks_failed


class Streamer(ABC):
    """What a session does with a streamer, always from one thread at a time but for `status` and `close`."""

    @abstractmethod
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
        """Create the stream and return its data_id; nothing is left behind where it fails."""

    def open_ring(
        self,
        data_id: str,  # noqa: ARG002
        count: int,  # noqa: ARG002
        height: int,  # noqa: ARG002
        width: int,  # noqa: ARG002
        form: ChunkForm | None = None,  # noqa: ARG002
    ) -> ChunkRing | None:
        """Make the ring that the stream's chunks are built in; None where plain memory does.

        Parameters
        ----------
        count
            Chunks that it has room for.
        form
            Where the ring's frames are not 8-bit gray, or the stream has fewer of them than the camera gives,
            or the source waits for room: what they are. A chunk of the ring has ``form.reduction.frames``
            times the stream's chunk_size of frames. A streamer whose ``open_ring`` does not take it is not
            asked for a ring where its frames are other ones.
        """
        return None

    @abstractmethod
    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        """Take a chunk over: ``chunk.release()`` is the streamer's duty, once it needs the pixels no more.

        May take its time; the session calls it off the frame path. Where it raises, the session releases the
        chunk and counts its frames as not pushed.
        """

    @abstractmethod
    def status(self, data_id: str) -> DeliveryStatus:
        """How far the chunks have come."""

    @abstractmethod
    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        """Wait for the uploads, end the stream, and report (see the wire protocol)."""

    def close(self) -> None:  # noqa: B027
        """Give back threads and connections. What is queued stays wherever the streamer keeps it."""


@dataclass(frozen=True, slots=True)
class StreamerBackend:
    """A kind of streamer that ``--streamer NAME`` can choose; the fields are those of a camera backend.

    Attributes
    ----------
    name, description
        As in ``--streamer NAME``, and one line for ``rheed-acquire plugins``.
    settings
        A pydantic model whose every field has a default and a description, as a camera backend's.
    open
        Makes the streamer, by the settings and what the run asks of any. Raises a `StreamerError`.
    requires, install
        Modules without which it cannot work, and what to type where one of them is missing.
    uses_local_server
        Whether it speaks Atomscale's protocol, so that without an API key a local server can stand in for
        Atomscale: it is started, and its URL and key are what the streamer is given. One that knows nothing
        of servers needs none, and no key.
    max_fps
        Called with the settings: frames per second that a stream may declare at most, or None for any. With a
        local server in place of the service there is no limit.
    """

    name: str
    description: str
    settings: type[BaseModel]
    open: Callable[[Any, StreamerRequest], Streamer]
    requires: tuple[str, ...] = ()
    install: str = ""
    uses_local_server: bool = False
    max_fps: Callable[[Any], float | None] = lambda settings: None  # noqa: ARG005
