"""The HTTP side: every endpoint of the wire protocol."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import wraps
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rheed_acquire.server import wire
from rheed_acquire.server.catalogue import Catalogue
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.store import StreamStore
from rheed_acquire.server.uploads import CHECKSUM_HEADER, UploadTickets, receive, too_large

logger = logging.getLogger(__name__)

_LONGEST_JSON = 1 << 20
_END_WAIT_S = 45.0
"""How long the request that ends a stream waits for it, below the protocol's time-out of 60 s."""

_Endpoint = Callable[[Request], Awaitable[Response]]


class ApiKey:
    """The key that clients must show; only its digest is kept."""

    def __init__(self, key: str) -> None:
        self._digest = hashlib.sha256(key.encode()).digest()

    def fits(self, shown: str) -> bool:
        """Whether this is the key, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(hashlib.sha256(shown.encode("latin-1", "replace")).digest(), self._digest)


class Endpoints:
    """The handlers of the wire protocol's requests.

    What touches the disk runs in worker threads, so that the clock answers at once and uploads run side by
    side; zstd and MD5 let the GIL go.
    """

    def __init__(
        self,
        store: StreamStore,
        catalogue: Catalogue,
        key: ApiKey,
        closing: Executor,
        tickets: UploadTickets,
        end_wait_s: float = _END_WAIT_S,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._key = key
        self._closing = closing
        self._tickets = tickets
        self._end_wait_s = end_wait_s

    def routes(self) -> list[Route]:
        """Every endpoint with its path and method."""
        guarded: list[tuple[str, str, _Endpoint]] = [
            ("GET", "/physical_samples/", self.list_samples),
            ("POST", "/physical_samples/", self.add_sample),
            ("GET", "/tags/", self.list_tags),
            ("POST", "/tags/", self.add_tag),
            ("POST", "/rheed/stream/", self.create_stream),
            ("POST", "/rheed/stream/{data_id}/end", self.end_stream),
            ("POST", "/data_entries/physical_sample", self.link_sample),
            ("POST", "/tags/data-items/", self.link_tags),
            ("POST", "/projects/{project_id}/configuration/tracking_samples", self.track_sample),
            ("POST", "/data_entries/raw_data/staged/upload_urls/", self.presign),
        ]
        return [
            Route("/gateway/time", self.time, methods=["GET"]),
            Route("/uploads/{token}", self.upload, methods=["PUT"], name="upload"),
            *(Route(path, self._guard(handler), methods=[method]) for method, path, handler in guarded),
        ]

    def _guard(self, handler: _Endpoint) -> _Endpoint:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            shown = request.headers.get("x-api-key")
            if not shown:
                raise Refusal(401, "the header X-API-KEY is missing")
            if not self._key.fits(shown):
                raise Refusal(403, "the API key is not this server's")
            return await handler(request)

        return guarded

    async def time(self, request: Request) -> Response:  # noqa: ARG002 - the time is all it says
        """Say what time it is, for an NTP-style exchange."""
        received = round(time.time_ns() / 1e6)
        return JSONResponse(
            {"receivedAtUnixMs": received, "transmittedAtUnixMs": round(time.time_ns() / 1e6)},
            headers={"Cache-Control": "no-store"},
        )

    async def list_samples(self, request: Request) -> Response:  # noqa: ARG002
        """List the physical samples."""
        return JSONResponse(await run_in_threadpool(self._catalogue.samples))

    async def add_sample(self, request: Request) -> Response:
        """Make a physical sample."""
        name = wire.text(await _json(request), "name")
        sample = await run_in_threadpool(self._catalogue.add_sample, name)
        return JSONResponse({"physical_sample_id": sample["id"], **sample})

    async def list_tags(self, request: Request) -> Response:  # noqa: ARG002
        """List the tags."""
        return JSONResponse(await run_in_threadpool(self._catalogue.tags))

    async def add_tag(self, request: Request) -> Response:
        """Make a tag."""
        name = wire.text(await _json(request), "name")
        return JSONResponse(await run_in_threadpool(self._catalogue.add_tag, name))

    async def create_stream(self, request: Request) -> Response:
        """Make a stream; the answer is its data_id."""
        declaration = wire.parse_stream(await _json(request))
        stream = await run_in_threadpool(self._store.create, declaration)
        return JSONResponse(stream.data_id)

    async def end_stream(self, request: Request) -> Response:
        """End a stream. Where its frames take long to move together: 503 until that is done."""
        data_id = request.path_params["data_id"]
        await run_in_threadpool(self._store.get, data_id)
        closing = self._closing.submit(self._store.close, data_id, "ended by the client")
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(closing)), self._end_wait_s)
        except TimeoutError:
            # It goes on all the same; a later request waits for it and finds the stream closed.
            raise Refusal(503, f"the frames of stream {data_id} are still being moved together") from None
        return JSONResponse({"data_id": data_id, "state": "closed"})

    async def link_sample(self, request: Request) -> Response:
        """Link streams to a physical sample."""
        body = await _json(request)
        data_ids, sample_id = wire.texts(body, "data_ids"), wire.text(body, "physical_sample_id")

        def link() -> None:
            sample = self._catalogue.sample(sample_id)
            for stream in [self._store.get(data_id) for data_id in data_ids]:
                stream.link(physical_sample=sample)

        await run_in_threadpool(link)
        return JSONResponse({"data_ids": data_ids, "physical_sample_id": sample_id})

    async def link_tags(self, request: Request) -> Response:
        """Link streams to tags."""
        body = await _json(request)
        data_ids, tag_ids = wire.texts(body, "data_ids"), wire.texts(body, "tag_ids")

        def link() -> None:
            tags = [self._catalogue.tag(tag_id) for tag_id in tag_ids]
            for stream in [self._store.get(data_id) for data_id in data_ids]:
                stream.link(tags=tags)

        await run_in_threadpool(link)
        return JSONResponse({"data_ids": data_ids, "tag_ids": tag_ids})

    async def track_sample(self, request: Request) -> Response:
        """Have a project track a physical sample."""
        body = await _json(request)
        sample_id = wire.text(body, "physical_sample_id")
        active = body.get("set_active", False)
        if not isinstance(active, bool):
            raise Refusal(422, f"'set_active' must be true or false, not {active!r}")

        def track() -> None:
            self._catalogue.sample(sample_id)
            self._catalogue.track_sample(request.path_params["project_id"], sample_id, active=active)

        await run_in_threadpool(track)
        return JSONResponse({"physical_sample_id": sample_id, "set_active": active})

    async def presign(self, request: Request) -> Response:
        """Give out an upload URL for a chunk."""
        data_id, chunk = wire.parse_chunk(request.query_params, await _json(request))

        def issue() -> str:
            stream = self._store.get(data_id)
            stream.check(chunk)
            self._store.heard_of(data_id)
            return self._tickets.issue(stream, chunk)

        token = await run_in_threadpool(issue)
        url = str(request.url_for("upload", token=token))
        # "checksum" is this server's own: it says that the upload may bring one (`uploads.CHECKSUM_HEADER`).
        return JSONResponse([{"upload_id": token[:8], "url": url, "part": 1, "checksum": "crc32c"}])

    async def upload(self, request: Request) -> Response:
        """Receive a shard; a 2xx says that it was checked and will survive."""
        with self._tickets.redeem(request.path_params["token"]) as (stream, chunk):
            limit = chunk.largest_shard
            announced = request.headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > limit:
                raise too_large(limit)
            claimed = request.headers.get(CHECKSUM_HEADER)
            target = await run_in_threadpool(stream.incoming_path)
            try:
                confirmation = await receive(request.stream(), target, limit, claimed)
                await run_in_threadpool(stream.commit, target, chunk, is_as_sent=claimed is not None)
            finally:
                await run_in_threadpool(target.unlink, missing_ok=True)
            self._store.heard_of(stream.data_id)
        return Response(status_code=200, headers=confirmation)


async def _json(request: Request) -> dict[str, object]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_JSON:
            raise Refusal(413, f"the body is longer than {_LONGEST_JSON} bytes")
    return wire.parse_object(bytes(body))


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    assert isinstance(error, Refusal)
    headers = {}
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers["Connection"] = "close"  # the rest of the body is not read
    return JSONResponse({"detail": error.detail}, error.status, headers)


def _not_routed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)


def _disk_failed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, OSError)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    logger.error("cannot store: %s", error)
    status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.INTERNAL_SERVER_ERROR
    return JSONResponse({"detail": f"the server cannot store this: {error.strerror or error}"}, status)


def _hung_up(request: Request, error: Exception) -> Response:  # noqa: ARG001 - nobody reads it
    return Response(status_code=400)


def create_app(endpoints: Endpoints) -> Starlette:
    """Make the ASGI application."""
    return Starlette(
        routes=endpoints.routes(),
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_routed,
            OSError: _disk_failed,
            ClientDisconnect: _hung_up,
        },
    )
