"""The HTTP side: every endpoint of the wire protocol."""

from __future__ import annotations

import errno
import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.frame_times import FRAME_TIMES
from rheed_acquire.recording.growth_notes import GROWTH, decode_growth, growth_note
from rheed_acquire.recording.refusals import RunClosedError, UnfitError
from rheed_acquire.server import wire
from rheed_acquire.server.catalogue import Catalogue
from rheed_acquire.server.figures import CONTENT_TYPE
from rheed_acquire.server.json_body import parse_object, shown
from rheed_acquire.server.keys import Right
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.store import StreamStore
from rheed_acquire.server.streams import AnyStream, Streams, no_stream
from rheed_acquire.server.uploads import CHECKSUM_HEADER, BodyReader, HungUpError, UploadTickets, receive
from rheed_acquire.system.durable_files import remove

if TYPE_CHECKING:
    from rheed_acquire.recording.declarations import ChunkDeclaration
    from rheed_acquire.recording.run_writer import RunWriter
    from rheed_acquire.server.audit import Audit
    from rheed_acquire.server.figures import Figures
    from rheed_acquire.server.keys import Key, Keys

logger = logging.getLogger(__name__)

UPLOADS_AT_ONCE = 48
"""Below the number of threads: those that are left answer everything else, however slowly bodies come."""
_LONGEST_JSON = 1 << 20
_END_WAIT_S = 45.0
"""How long the request that ends a stream waits for it, below the protocol's time-out of 60 s."""

_Endpoint = Callable[..., Response]


class KeyedRequest(Request):
    """A request, with the key that it shows."""

    key: Key


class Endpoints(ABC, Generic[AnyStream]):
    """The handlers of the wire protocol's requests, but for where shards are uploaded to."""

    def __init__(
        self,
        store: Streams[AnyStream],
        catalogue: Catalogue,
        keys: Keys,
        closing: Executor,
        audit: Audit,
        figures: Figures,
        end_wait_s: float = _END_WAIT_S,
    ) -> None:
        self._audit, self.figures = audit, figures
        self._store = store
        self._catalogue = catalogue
        self._keys = keys
        self._closing = closing
        self._end_wait_s = end_wait_s

    def rules(self) -> list[Rule]:
        """Every endpoint with its path and method."""
        for_streaming: list[tuple[str, str, _Endpoint]] = [
            ("GET", "/physical_samples/", self.list_samples),
            ("POST", "/physical_samples/", self.add_sample),
            ("GET", "/tags/", self.list_tags),
            ("POST", "/tags/", self.add_tag),
            ("POST", "/rheed/stream/", self.create_stream),
            ("POST", "/rheed/stream/<data_id>/end", self.end_stream),
            ("POST", "/data_entries/physical_sample", self.link_sample),
            ("POST", "/tags/data-items/", self.link_tags),
            ("POST", "/projects/<project_id>/configuration/tracking_samples", self.track_sample),
            ("POST", "/data_entries/raw_data/staged/upload_urls/", self.presign),
        ]
        return [
            Rule("/gateway/time", methods=["GET"], endpoint=self.time),
            Rule("/metrics", methods=["GET"], endpoint=guarded(self._keys, Right.READ, self.metrics)),
            *(
                Rule(path, methods=[method], endpoint=guarded(self._keys, Right.STREAM, handler))
                for method, path, handler in for_streaming
            ),
        ]

    def _own(self, request: KeyedRequest, data_id: str) -> AnyStream:
        """Find a stream that the request's key may do with what the protocol has.

        Raises
        ------
        Refusal
            404 where there is none: of others' it is not told that they are there.
        """
        stream = self._store.get(data_id)
        if not request.key.is_of(stream.streamed_by):
            raise no_stream(data_id)
        return stream

    def metrics(self, request: Request) -> Response:  # noqa: ARG002
        """Say what Prometheus wants to know."""
        text = self.figures.text(lambda: sum(1 for _ in self._store.open_streams()))
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    def time(self, request: Request) -> Response:  # noqa: ARG002 - the time is all it says
        """Say what time it is, for an NTP-style exchange."""
        received = round(time.time_ns() / 1e6)
        answer = _json({"receivedAtUnixMs": received, "transmittedAtUnixMs": round(time.time_ns() / 1e6)})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def list_samples(self, request: Request) -> Response:  # noqa: ARG002
        """List the physical samples."""
        return _json(self._catalogue.samples())

    def add_sample(self, request: Request) -> Response:
        """Make a physical sample."""
        sample = self._catalogue.add_sample(wire.text(_object(request), "name"))
        return _json({"physical_sample_id": sample["id"], **sample})

    def list_tags(self, request: Request) -> Response:  # noqa: ARG002
        """List the tags."""
        return _json(self._catalogue.tags())

    def add_tag(self, request: Request) -> Response:
        """Make a tag."""
        return _json(self._catalogue.add_tag(wire.text(_object(request), "name")))

    def create_stream(self, request: KeyedRequest) -> Response:
        """Make a stream; the answer is its data_id."""
        return _json(self._store.create(wire.parse_stream(_object(request)), request.key).data_id)

    def end_stream(self, request: KeyedRequest, data_id: str) -> Response:
        """End a stream. Where its frames take long to move together or to look at: 503 until that is done.

        With ``unless=refused`` it stays open where chunks do not hold, so that they can come again.
        """
        stream = self._own(request, data_id)
        only_whole = request.args.get("unless") == "refused"
        ending = self._closing.submit(self._end, stream, only_whole=only_whole)
        try:
            answer = ending.result(self._end_wait_s)
        except TimeoutError:
            # It goes on all the same; a later request waits for it and finds the stream closed.
            raise Refusal(
                503, f"the frames of stream {data_id} are still moved together or looked at"
            ) from None
        return _json(answer)

    def _end(self, stream: AnyStream, *, only_whole: bool) -> dict[str, Any]:
        data_id = stream.data_id
        if only_whole and not stream.is_closed:
            refused = self._store.refusals(data_id, after_a_look=True)
            if refused:
                state = "closed" if stream.is_closed else "open"
                return {"data_id": data_id, "state": state, "refused": refused}
        self._store.close(data_id, "ended by the client")
        refused = self._store.refusals(data_id)
        return {"data_id": data_id, "state": "closed", **({"refused": refused} if refused else {})}

    def link_sample(self, request: KeyedRequest) -> Response:
        """Link streams to a physical sample."""
        body = _object(request)
        data_ids, sample_id = wire.texts(body, "data_ids"), wire.text(body, "physical_sample_id")
        sample = self._catalogue.sample(sample_id)
        for stream in [self._own(request, data_id) for data_id in data_ids]:
            self._link(stream, physical_sample=sample)
        return _json({"data_ids": data_ids, "physical_sample_id": sample_id})

    def link_tags(self, request: KeyedRequest) -> Response:
        """Link streams to tags."""
        body = _object(request)
        data_ids, tag_ids = wire.texts(body, "data_ids"), wire.texts(body, "tag_ids")
        tags = [self._catalogue.tag(tag_id) for tag_id in tag_ids]
        for stream in [self._own(request, data_id) for data_id in data_ids]:
            self._link(stream, tags=tags)
        return _json({"data_ids": data_ids, "tag_ids": tag_ids})

    def _link(self, stream: AnyStream, **links: Any) -> None:
        stream.link(**links)
        if stream.is_closed:
            self._audit.note(stream.folder)

    def track_sample(self, request: Request, project_id: str) -> Response:
        """Have a project track a physical sample."""
        body = _object(request)
        sample_id = wire.text(body, "physical_sample_id")
        active = body.get("set_active", False)
        if not isinstance(active, bool):
            raise Refusal(422, f"'set_active' must be true or false, not {shown(active)}")
        project_id = wire.check_text("project_id", project_id)
        self._catalogue.sample(sample_id)
        self._catalogue.track_sample(project_id, sample_id, active=active)
        return _json({"physical_sample_id": sample_id, "set_active": active})

    def presign(self, request: KeyedRequest) -> Response:
        """Give out an upload URL for a chunk."""
        body = _object(request)
        data_id, chunk = wire.parse_chunk(request.args, body)
        stream = self._own(request, data_id)
        offered = self.offer(request, stream, chunk, body)
        growth = decode_growth(body.get(GROWTH))
        if growth is not None:
            stream.link(**{GROWTH: growth_note(growth, chunk.start_unix_ms)})
        return _json([{**offered, GROWTH: "taken"}])

    @abstractmethod
    def offer(
        self, request: Request, stream: AnyStream, chunk: ChunkDeclaration, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Find a URL for a chunk; ``body`` is that of the request."""


class LocalEndpoints(Endpoints["RunWriter"]):
    """The same, where shards are uploaded to this server too.

    Each request has a thread to itself: uploads run side by side, and may wait for disk and network as they
    must; sockets, files, zstd and MD5 let the GIL go.
    """

    def __init__(
        self,
        store: StreamStore,
        catalogue: Catalogue,
        keys: Keys,
        closing: Executor,
        audit: Audit,
        figures: Figures,
        tickets: UploadTickets,
        end_wait_s: float = _END_WAIT_S,
    ) -> None:
        super().__init__(store, catalogue, keys, closing, audit, figures, end_wait_s)
        self._runs = store
        self._tickets = tickets
        self._uploading = threading.BoundedSemaphore(UPLOADS_AT_ONCE)

    def rules(self) -> list[Rule]:
        """Every endpoint with its path and method."""
        return [*super().rules(), Rule("/uploads/<token>", methods=["PUT"], endpoint=self.upload)]

    def offer(
        self, request: Request, stream: RunWriter, chunk: ChunkDeclaration, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Give out a URL of this server's own."""
        times_ms = wire.parse_times(body, chunk)
        stream.check(chunk)
        self._runs.heard_of(stream.data_id)
        token = self._tickets.issue(stream, chunk, times_ms)
        url = f"{request.host_url}uploads/{token}"
        # This server's own: the upload may bring a checksum (`uploads.CHECKSUM_HEADER`), this request times.
        own = {"checksum": "crc32c", "keeps": "shards", FRAME_TIMES: "taken"}
        return {"upload_id": token[:8], "url": url, "part": 1, **own}

    def upload(self, request: Request, token: str) -> Response:
        """Receive a shard; a 2xx says that it was checked and will survive."""
        if not self._uploading.acquire(blocking=False):
            raise Refusal(503, f"{UPLOADS_AT_ONCE} uploads are under way, as many as may be at once")
        try:
            return self._receive(request, token)
        finally:
            self._uploading.release()

    def _receive(self, request: Request, token: str) -> Response:
        with self._tickets.redeem(token) as (stream, chunk, times_ms):
            numbers = None if times_ms is None else FrameNumbers.of_times(times_ms)
            claimed = request.headers.get(CHECKSUM_HEADER)
            target = stream.incoming_path()
            try:
                confirmation = receive(BodyReader(request.environ), target, chunk.largest_shard, claimed)
                size = target.stat().st_size
                stream.commit(target, chunk, is_as_sent=claimed is not None, numbers=numbers)
            finally:
                remove(target)
            self._runs.heard_of(stream.data_id)
            self.figures.stored(size)
        return Response(status=200, headers=confirmation)


def guarded(keys: Keys, right: Right, handler: _Endpoint) -> _Endpoint:
    """Let a handler answer only requests that show a key that may do this."""

    @wraps(handler)
    def answer(request: KeyedRequest, **parts: str) -> Response:
        try:
            request.key = keys.find(_shown_key(request, right))
            request.key.refuse_unless(right)
        except Refusal as error:
            if error.status == HTTPStatus.FORBIDDEN and request.authorization is not None:
                # A browser asks its user again, for whom it has shown the key.
                raise Refusal(HTTPStatus.UNAUTHORIZED, error.detail) from None
            raise
        return handler(request, **parts)

    return answer


def _shown_key(request: Request, right: Right) -> str | None:
    """The key, as the protocol, Prometheus or a browser shows it."""
    in_header = request.headers.get("x-api-key")
    if in_header is not None or request.authorization is None:
        return in_header
    if request.authorization.token is not None:
        return request.authorization.token
    # A browser adds this by itself, also to what another site's page has it send: it changes nothing.
    return request.authorization.password if right is Right.READ else None


def _object(request: Request) -> dict[str, Any]:
    reader = BodyReader(request.environ)
    body = b"" if reader.announced > _LONGEST_JSON else reader.read(_LONGEST_JSON + 1)
    if max(reader.announced, len(body)) > _LONGEST_JSON:
        raise Refusal(413, f"the body is longer than {_LONGEST_JSON} bytes")
    return parse_object(body)


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status, mimetype="application/json")


def _refused(error: Refusal) -> Response:
    answer = _json({"detail": error.detail}, error.status)
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        answer.headers["Connection"] = "close"  # no place is kept for whoever has no key
    if error.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Basic realm="rheed-acquire", charset="UTF-8"'
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        answer.headers["Retry-After"] = "5"
    return answer


def _not_routed(error: HTTPException) -> Response:
    answer = _json({"detail": error.name}, error.code or HTTPStatus.BAD_REQUEST)
    allowed = dict(error.get_headers()).get("Allow")
    if allowed is not None:
        answer.headers["Allow"] = allowed
    return answer


def _disk_failed(error: OSError) -> Response:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    logger.error("cannot store: %s", error)
    status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.INTERNAL_SERVER_ERROR
    return _json({"detail": f"the server cannot store this: {error.strerror or error}"}, status)


def create_app(endpoints: Endpoints[Any], more: Iterable[Rule] = ()) -> WSGIApplication:
    """Make the WSGI application (PEP 3333), which may answer more than the protocol has."""
    rules = Map([*endpoints.rules(), *more], strict_slashes=False, merge_slashes=False)
    figures = endpoints.figures

    def answer(environ: WSGIEnvironment) -> Response:
        begun_s, asked = time.perf_counter(), "unknown"
        answered: Response
        try:
            handler, parts = rules.bind_to_environ(environ).match()
            asked = handler.__name__
            answered = handler(KeyedRequest(environ), **parts)
        except Refusal as error:
            answered = _refused(error)
        except UnfitError as error:
            is_closed = isinstance(error, RunClosedError)
            answered = _refused(Refusal(409 if is_closed else 422, str(error)))
        except HTTPException as error:
            answered = _not_routed(error)
        except HungUpError:
            answered = _json({"detail": "the body did not come whole, or too slowly"}, 400)
        except OSError as error:
            figures.store_failed()
            answered = _disk_failed(error)
        except Exception:
            # A bug; said in the protocol's form, and with what to do about it.
            logger.exception("%s %s failed", environ["REQUEST_METHOD"], ascii(environ["PATH_INFO"]))
            answered = _json({"detail": "the server failed on this request: its log says how"}, 500)
        figures.answered(asked, answered.status_code, time.perf_counter() - begun_s)
        return answered

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answered = answer(environ)
        body = BodyReader(environ)
        # What whoever is refused still sends is read by nobody's thread.
        if not body.is_read and (answered.status_code >= HTTPStatus.BAD_REQUEST or not body.skip()):
            answered.headers["Connection"] = "close"
        return answered(environ, start_response)

    return application
