"""Streams in a bucket: made and found by any server, uploaded to the store itself, ended by whoever is asked.

A server keeps nothing to itself. Below the prefix lie the runs, and in ``.server/`` what is no run's: the
documents that all servers share (see `documents`); ``streams/DATA_ID``, where each stream's run is; and
``open/DATA_ID``, or ``open/KEY/DATA_ID``, for each that is not closed, written anew when something is heard
of it; and ``ended/DATA_ID`` as long as somebody may still have a URL to upload to it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.bucket_run import VALID_FOR, BucketRun
from rheed_acquire.recording.frame_times import FRAME_TIMES
from rheed_acquire.recording.layout import UPLOADS, folder_name, is_data_id
from rheed_acquire.server import wire
from rheed_acquire.server.app import Endpoints
from rheed_acquire.server.audit import Audit
from rheed_acquire.server.documents import BucketDocuments
from rheed_acquire.server.figures import Figures
from rheed_acquire.server.streams import OpenStream, links_of, no_stream, too_many_open

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from werkzeug.wrappers import Request

    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
    from rheed_acquire.server.catalogue import Catalogue
    from rheed_acquire.server.keys import Key, Keys

logger = logging.getLogger(__name__)

CLOSE_AFTER_S = 2 * 3600.0
_NOTED_EVERY_S = 30.0
_SETTLED_FOR_S = 1800.0
"""For so long after it was heard of a stream is looked at by the server that has heard of it."""
_SILENCE_CHECKED_EVERY_S = 60.0
_SETTLED_AT_ONCE = 8
"""Streams: the store copies their shards side by side."""


class SiteStreams:
    """The streams of a bucket. Thread-safe, and safe among servers.

    Parameters
    ----------
    place
        Where runs are.
    close_after_s
        Silence after which a stream is closed.
    audit
        Has a line for each stream that has ended; None for that of the place.
    figures
        Where it is counted what is done; None for nobody to see.

    Raises
    ------
    RheedAcquireError
        It cannot be written to.
    """

    def __init__(
        self,
        place: BucketPath,
        close_after_s: float = CLOSE_AFTER_S,
        audit: Audit | None = None,
        figures: Figures | None = None,
    ) -> None:
        self.place = place
        self._audit = audit or Audit(BucketDocuments(place))
        self._figures = figures or Figures()
        self._close_after_s = close_after_s
        self._lock = threading.Lock()
        self._looked_s = -math.inf
        self._heard_s: dict[str, float] = {}
        self._noted_s: dict[str, float] = {}
        self._runs: dict[str, BucketRun] = {}
        self._marked: dict[str, tuple[str, str]] = {}
        self._failing: set[str] = set()
        try:
            probe = self._own / f"probe-{uuid.uuid4().hex}"
            probe.create(b"")
            probe.unlink()
        except OSError as error:
            raise RheedAcquireError(
                f"{place} cannot be written to ({error.strerror}): choose another with --store, or look "
                "at the variables AWS_..."
            ) from None

    @property
    def _own(self) -> BucketPath:
        return self.place / ".server"

    def create(self, declaration: StreamDeclaration, key: Key | None = None) -> BucketRun:
        """Make a stream, and its run, named after today's date, its name and its id.

        Raises
        ------
        Refusal
            429 where its key has as many open as it may.
        OSError
            The store does not take it.
        """
        data_id = str(uuid.uuid4())
        name = folder_name(declaration.name, data_id, datetime.now(UTC))
        # The mark of an open stream at first: whatever happens then, it is found and closed.
        owner = None if key is None else key.name
        mark = self._mark(data_id, owner)
        mark.create(name.encode())
        if key is not None and owner is not None:
            # Counted with its own: of two that are made at once, by whatever servers, none is overlooked.
            count = sum(1 for _ in mark.parent.below())
            if count > key.most_streams:
                mark.unlink()
                raise too_many_open(owner, count - 1)
        run = BucketRun.create(self.place / name, data_id, declaration, self._figures.stored, **links_of(key))
        (self._own / "streams" / data_id).create(name.encode())
        self._note(data_id, run)
        return run

    def get(self, data_id: str) -> BucketRun:
        """Find a stream, open or closed.

        Raises
        ------
        Refusal
            404 where there is none.
        """
        with self._lock:
            if data_id in self._runs:
                return self._runs[data_id]
        if is_data_id(data_id):
            with suppress(FileNotFoundError):
                return self._run((self._own / "streams" / data_id).read_bytes())
        raise no_stream(data_id)

    def _run(self, mark: bytes) -> BucketRun:
        return BucketRun(self.place / mark.decode(), self._figures.stored)

    def open_streams(self) -> Iterator[OpenStream]:
        """Those that are open, of whichever server."""
        marked: dict[str, tuple[str, str]] = {}
        for mark, tag, heard in (self._own / "open").below():
            known = self._marked.get(mark.name)
            if known is None or known[0] != tag:
                try:
                    known = tag, mark.read_bytes().decode()
                except FileNotFoundError:  # it has just been closed
                    continue
            marked[mark.name] = known
            yield OpenStream(mark.name, known[1], heard)
        self._marked = marked  # and no more of those that another server has closed

    def _mark(self, data_id: str, streamed_by: str | None) -> BucketPath:
        """What is there as long as a stream is not closed: those of a key together."""
        marks = self._own / "open"
        return marks / data_id if streamed_by is None else marks / streamed_by / data_id

    def heard_of(self, run: BucketRun) -> None:
        """Note a sign of life of an open stream, for this server and for others."""
        data_id = run.data_id
        self._note(data_id, run)
        now = time.monotonic()
        with self._lock:
            is_due = now - self._noted_s.get(data_id, -_NOTED_EVERY_S) >= _NOTED_EVERY_S
            if is_due:
                self._noted_s[data_id] = now
        if is_due:
            self._mark(data_id, run.streamed_by).write_bytes(run.folder.name.encode())

    def _note(self, data_id: str, run: BucketRun) -> None:
        with self._lock:
            self._heard_s[data_id] = time.monotonic()
            self._runs.setdefault(data_id, run)

    def close(self, data_id: str, reason: str) -> None:
        """End a stream; again does nothing. Raises as `get`."""
        run = self.get(data_id)
        run.close(reason)
        self._ended(run, self._mark(data_id, run.streamed_by))

    def refusals(self, data_id: str, *, after_a_look: bool = False) -> Sequence[Mapping[str, Any]]:
        """The chunks of a stream that did not hold (see `BucketRun.refusals`); raises as `get`."""
        return self.get(data_id).refusals(after_a_look=after_a_look)

    def _ended(self, run: BucketRun, mark: BucketPath) -> None:
        """Write down that a stream has ended, as long as it is marked as open: only then it is done."""
        if mark.exists():
            self._audit.note(run.folder)
            (self._own / "ended" / mark.name).write_bytes(run.folder.name.encode())
        self._forget(mark.name)
        mark.unlink()

    def _forget(self, data_id: str) -> None:
        with self._lock:
            for known in (self._heard_s, self._noted_s, self._runs):
                known.pop(data_id, None)
            self._failing.discard(data_id)

    def settle(self) -> None:
        """Store what has been uploaded for the streams that this server has heard of."""
        with self._lock:
            runs = dict(self._runs)
        if runs:
            with ThreadPoolExecutor(min(_SETTLED_AT_ONCE, len(runs)), "settling") as pool:
                list(pool.map(self._settle, runs, runs.values()))

    def _settle(self, data_id: str, run: BucketRun) -> None:
        with self._lock:
            silent_s = time.monotonic() - self._heard_s.get(data_id, -math.inf)
        try:
            if silent_s > _SETTLED_FOR_S or not run.settle(all_of_it=False):
                self._forget(data_id)
        except (OSError, ValueError, KeyError) as error:  # of the store, or of a record that is damaged
            self._count(error)
            if data_id not in self._failing:  # once, and not at every look
                self._failing.add(data_id)
                logger.warning("stream %s cannot be looked at: %s", data_id, _told(error))
        else:
            self._failing.discard(data_id)

    def close_silent(self) -> None:
        """Close streams not heard of for long, and those whose closing was broken off.

        A failure is logged and tried again next time.
        """
        try:
            marks = list((self._own / "open").below())
        except OSError as error:
            self._count(error)
            logger.warning("open streams cannot be listed: %s", error.strerror or error)
            return
        for mark, _, heard in marks:
            data_id = mark.name
            try:
                run = self._run(mark.read_bytes())
                is_silent = datetime.now(UTC) - heard > timedelta(seconds=self._close_after_s)
                try:
                    state = run.record()["state"]
                except FileNotFoundError:  # of a server that died while it made the stream
                    if is_silent:
                        mark.unlink()
                    continue
                if state == "open" and not is_silent:
                    continue
                run.close("nothing was heard of it")
                self._ended(run, mark)
            except FileNotFoundError:  # closed by another server meanwhile
                continue
            except (OSError, ValueError, KeyError) as error:
                self._count(error)
                logger.warning("stream %s could not be closed: %s", data_id, _told(error))

    def sweep(self, after: timedelta = 2 * VALID_FOR) -> None:
        """Remove what was uploaded to streams after their end, once no URL is good any more.

        Parameters
        ----------
        after
            How long ago they have ended. An upload may have begun just before its URL expired.
        """
        try:
            for mark, _, ended in list((self._own / "ended").below()):
                if datetime.now(UTC) - ended > after:
                    for upload, _, _ in (self.place / mark.read_bytes().decode() / UPLOADS).below():
                        upload.unlink()
                    mark.unlink()
        except FileNotFoundError:  # another server was faster
            return
        except OSError as error:
            self._count(error)
            logger.warning("late uploads cannot be removed: %s", error.strerror or error)

    def _count(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._figures.store_failed()

    def look(self) -> None:
        """Store what has come, and from time to time close what is silent."""
        self.settle()
        now = time.monotonic()
        if now - self._looked_s > min(_SILENCE_CHECKED_EVERY_S, self._close_after_s / 4):
            self._looked_s = now
            self.close_silent()
            self.sweep()


def _told(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


class SiteEndpoints(Endpoints[BucketRun]):
    """The handlers of the protocol's requests, for runs in a bucket: shards go to the store itself."""

    def __init__(
        self,
        streams: SiteStreams,
        catalogue: Catalogue,
        keys: Keys,
        closing: Executor,
        audit: Audit,
        figures: Figures,
    ) -> None:
        super().__init__(streams, catalogue, keys, closing, audit, figures)
        self._streams = streams

    def offer(
        self,
        request: Request,  # noqa: ARG002
        stream: BucketRun,
        chunk: ChunkDeclaration,
        body: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Give out a URL of the store."""
        wire.parse_times(body, chunk)
        stream.check(chunk)
        url, upload_id, refused = stream.announce(chunk, body.get(FRAME_TIMES))
        self._streams.heard_of(stream)
        own = {"keeps": "shards", "verified": "later", "short_shards": "padded", FRAME_TIMES: "taken"}
        told = {"refused": refused} if refused else {}
        return {"upload_id": upload_id, "url": url, "part": 1, **own, **told}
