"""`AtomscaleStreamer`: chunks go out through the public client's ``RHEEDStreamer``.

What is said here of the client is what its release 0.21.10 documents or was seen to do, run as a black box.
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rheed_acquire import DeliveryStatus, Streamer, StreamerError, StreamerRequest

if TYPE_CHECKING:
    from rheed_acquire import Chunk

T = TypeVar("T")

DRAIN_TIMEOUT_S = 600.0
POLL_S = 0.05
NO_LIMIT_BYTES = 2**63 - 1
NO_LIMIT_S = 10**10
"""The client has limits of its own where it is given none: a tenth of the disk, and 24 hours."""
COUNTS = ("chunks_spooled", "chunks_uploaded", "chunks_dropped", "chunks_failed", "chunks_purged")


class AtomscaleStreamer(Streamer):
    """Drives the public client.

    `push_chunk` returns when the client has encoded the chunk and written it to its spool; it releases the
    GIL meanwhile. `initialize` holds the GIL until the server has answered: nothing else of this process runs
    during that time, which is before the first frame.

    Parameters
    ----------
    request
        ``sync_always`` means nothing here: every push waits for the client's spool.

    Raises
    ------
    StreamerError
        The client cannot be loaded, or refuses what it is given.
    """

    def __init__(self, request: StreamerRequest) -> None:
        self._endpoint = request.endpoint or "the Atomscale service"
        self._key = request.api_key
        self._limits = request.spool_limits
        self._closed = threading.Event()
        self._counts: dict[str, dict[str, Any]] = {}
        self._refused: dict[str, list[tuple[int, str]]] = {}
        # Sent by `finalize` beside the report, which says the same.
        warnings.filterwarnings("ignore", r"\d+ of the \d+ chunk\(s\) of stream ", RuntimeWarning)
        try:
            from atomscale.streaming import RHEEDStreamer
        except ImportError as error:
            raise StreamerError(
                f"the Atomscale client cannot be loaded ({error}); install it anew: "
                'pip install --force-reinstall "rheed-acquire[atomscale]"'
            ) from None
        options: dict[str, Any] = {"verbosity": 0}  # its log goes to stdout, where the report belongs
        if request.spool_folder is not None:
            options["spool_dir"] = str(_own_spool(request.spool_folder))
        if self._limits is not None:
            most, oldest = self._limits.max_bytes, self._limits.retention_s
            options["spool_max_bytes"] = NO_LIMIT_BYTES if most is None else most
            options["spool_retention_s"] = NO_LIMIT_S if oldest is None else oldest
            options["spool_min_free_bytes"] = self._limits.keep_free_bytes
        self._client: Any = self._ask(
            "cannot be started",
            lambda: RHEEDStreamer(self._key.get_secret_value(), request.endpoint, **options),
        )

    def __repr__(self) -> str:
        return f"AtomscaleStreamer(endpoint={self._endpoint!r}, streams={sorted(self._refused)})"

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
        """Create the stream.

        Raises
        ------
        StreamerError
            The server cannot be reached or refuses. The client ends a stream that it could not complete.
        """
        data_id: str = self._ask(
            f"could not open a stream on {self._endpoint}",
            lambda: self._client.initialize(
                fps=fps,
                rotations_per_min=rotations_per_min,
                chunk_size=chunk_size,
                stream_name=stream_name,
                physical_sample=physical_sample,
                project_id=project_id,
                tags=None if tags is None else list(tags),
                azimuth=azimuth,
            ),
        )
        self._refused[data_id] = []
        return data_id

    def push_chunk(self, data_id: str, chunk: Chunk) -> None:
        """Let the client encode the chunk and put it in its spool, and release it.

        A chunk that the client refuses is counted as failed, with its reason: one without a single pixel
        above 0 is refused as ``missing encoded chunk``, all others of the run go on.

        Raises
        ------
        StreamerError
            The stream is unknown, or this streamer is closed.
        """
        if data_id not in self._refused or self._closed.is_set():
            raise StreamerError(f"stream {data_id} is not open in the Atomscale client")
        start_ms = chunk.capture_start_ms_utc
        if start_ms is not None and chunk.time_base == "reference":
            # The client takes every start for this computer's time, and adds what that is behind.
            clock = self._client.clock_status()
            start_ms -= 0.0 if clock is None else clock["offset_ms"]
        try:
            self._client.push(
                data_id, chunk.index, chunk.frames, None if start_ms is None else round(start_ms)
            )
        except RuntimeError as error:
            why = "a chunk with every pixel 0" if not chunk.frames.any() else "the chunk"
            self._refused[data_id].append(
                (chunk.index, f"the Atomscale client refused {why}: {self._said(error)}")
            )
        chunk.release()  # the client holds a copy: its encoded shard on disk

    def status(self, data_id: str) -> DeliveryStatus:
        """How far the chunks have come; the client does not tell bytes, nor errors that it gets over."""
        counts = self._count(data_id)
        lost = self._lost(data_id, counts)
        dropped = [reason for _, reason in lost if reason.startswith("dropped")]
        stop = self._limits is not None and self._limits.when_full == "stop"
        return DeliveryStatus(
            chunks_pushed=counts["chunks_spooled"] + counts["chunks_dropped"] + len(self._refused[data_id]),
            chunks_uploaded=counts["chunks_uploaded"],
            chunks_failed=self._failed(data_id, counts),
            lost=lost,
            last_error=lost[-1][1] if lost else None,
            stop_reason=f"the Atomscale client {dropped[-1]}" if dropped and stop else None,
        )

    def finalize(self, data_id: str, drain_timeout_s: float | None = None) -> dict[str, Any]:
        """Wait for the uploads and end the stream.

        The client's own ``finalize`` throws away what is not uploaded in time. It is therefore called only
        when all is; else the chunks stay in the client's spool, from which the client uploads them when it is
        next opened on it for the same endpoint, and the stream stays open.

        Returns
        -------
        dict
            The client's report, with the chunks that it refused among ``chunks_failed`` and ``lost``, and
            ``closed`` True.

        Raises
        ------
        StreamerError
            Chunks are left, the server did not confirm the end (the client tries for three minutes), or
            `close` was called meanwhile.
        """
        deadline = time.monotonic() + (DRAIN_TIMEOUT_S if drain_timeout_s is None else drain_timeout_s)
        while self._count(data_id)["chunks_pending"]:
            if self._closed.is_set() or time.monotonic() >= deadline:
                left, folder = self._count(data_id)["chunks_pending"], self._client.spool_status()["dir"]
                raise StreamerError(
                    f"{left} chunks are not uploaded yet; they are kept in {folder}, and the next run with "
                    "--streamer atomscale to the same endpoint uploads them"
                )
            time.sleep(POLL_S)
        report = self._end(data_id)
        counts = self._counts[data_id] = {**self._count(data_id), **report}
        refused = self._refused[data_id]
        return {
            **report,
            "chunks_failed": report["chunks_failed"] + len(refused),
            "chunks_not_uploaded": self._failed(data_id, counts),
            "lost": list(self._lost(data_id, counts)),
            "closed": True,
        }

    def close(self) -> None:
        """Let a `finalize` in another thread wait no longer; the client has no end of its own."""
        self._closed.set()

    def _end(self, data_id: str) -> dict[str, Any]:
        """Call the client's finalize in a thread, since nothing can make it return early."""
        results: list[dict[str, Any]] = []
        errors: list[StreamerError] = []

        def finalize() -> None:
            what = f"could not end stream {data_id} on {self._endpoint}"
            try:
                results.append(self._ask(what, lambda: self._client.finalize(data_id)))
            except StreamerError as error:
                errors.append(error)

        thread = threading.Thread(target=finalize, name="atomscale-finalize", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_S)
            if self._closed.is_set() and thread.is_alive():
                raise StreamerError(f"{self._endpoint} has not confirmed the end of the stream yet")
        if errors:
            raise errors[0]
        return results[0]

    def _count(self, data_id: str) -> dict[str, Any]:
        """The client's counts of a stream, the latest that there are: it forgets one that is finalized."""
        counts = self._client.spool_status()["streams"].get(data_id)
        if counts is not None:
            self._counts[data_id] = counts
        return self._counts.get(data_id, dict.fromkeys((*COUNTS, "chunks_pending"), 0) | {"lost": []})

    def _failed(self, data_id: str, counts: dict[str, Any]) -> int:
        given_up = counts["chunks_dropped"] + counts["chunks_failed"] + counts["chunks_purged"]
        return int(given_up) + len(self._refused[data_id])

    def _lost(self, data_id: str, counts: dict[str, Any]) -> tuple[tuple[int, str], ...]:
        lost = [(int(index), self._without_key(str(reason))) for index, reason in counts["lost"]]
        return tuple(sorted(lost + self._refused[data_id]))

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """Call the client; whatever it raises becomes one error that says what was wanted."""
        try:
            return call()
        except (RuntimeError, ValueError, OverflowError, TypeError) as error:
            raise StreamerError(f"the Atomscale client {what}: {self._said(error)}") from None

    def _said(self, error: Exception) -> str:
        text = self._without_key(" ".join(str(error).split()))
        # Servers spell the words after the number as they like.
        refused = re.search(r"\b40[13] (unauthorized|forbidden)", text, re.IGNORECASE) is not None
        return f"{text}; check the key in AS_API_KEY" if refused else text

    def _without_key(self, text: str) -> str:
        return text.replace(self._key.get_secret_value(), "**********")


def _own_spool(folder: Path) -> Path:
    """A folder beside the spool of the streamer ``rheed``.

    Never the same: the client deletes the streams that it does not know from the folder it is given.
    """
    return folder.with_name(f"{folder.name}-atomscale-client")
