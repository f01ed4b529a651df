"""The station's interface as it is served: what comes in is checked here, and decided by the acquisition.

See `rheed_acquire.view.interface` for its shapes, and `rheed_acquire.view.server.openapi` for the document.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from rheed_acquire.regions.oscillation import dominant_period
from rheed_acquire.system.addresses import netloc_of
from rheed_acquire.view.interface import KEY_HEADER, LONGEST_KEY, PREFIX, REPLAYED_HEADER, Problem
from rheed_acquire.view.interface_requests import (
    CameraRequest,
    MarkRequest,
    ReadingsRequest,
    RegionsRequest,
    StartRequest,
    StopRequest,
)
from rheed_acquire.view.server.asked_at import asked_ns
from rheed_acquire.view.server.event_client import EventClient
from rheed_acquire.view.server.frames import frame_png
from rheed_acquire.view.server.history import Trace, thin_out
from rheed_acquire.view.server.limits import (
    MOST_ASKED_A_SECOND,
    MOST_ASKED_AT_ONCE,
    MOST_COMMANDS_A_SECOND,
    MOST_COMMANDS_AT_ONCE,
    RefusedError,
    RequestAllowance,
    body_of,
)
from rheed_acquire.view.server.live_view import LiveView, NoAnswerError
from rheed_acquire.view.server.openapi import openapi_document

FRAME_LIMIT_S = 3.0
"""For a frame to come to a view that nobody looked at."""
FRESH_S = 0.2
"""A frame that was shown within it is the newest."""

_JSON = "application/json"
_Body = TypeVar("_Body", bound=BaseModel)
_Handler = Callable[[Request], Awaitable[Response]]


async def http_problem(request: Request, error: Exception) -> Response:
    """Answer for a path or method that there is not: to clients of the interface as everything else is."""
    assert isinstance(error, HTTPException)
    if not request.url.path.startswith(f"{PREFIX}/"):
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    if error.status_code == 405:
        text = f"{request.method} is not for {request.url.path}"
        return _problem(405, "not-allowed", text, error.headers)
    return _problem(error.status_code, "not-found", f"there is no {request.url.path}", error.headers)


class Interface:
    """What ``/api/v1`` answers.

    Parameters
    ----------
    view
        What is known of the acquisition, and the way to it.
    """

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._asked = RequestAllowance(MOST_ASKED_A_SECOND, MOST_ASKED_AT_ONCE)
        self._commands = RequestAllowance(MOST_COMMANDS_A_SECOND, MOST_COMMANDS_AT_ONCE)
        self._document: dict[str, Any] | None = None

    def routes(self) -> list[BaseRoute]:
        """Return what the application serves of it."""
        handlers: list[tuple[str, str, _Handler]] = [
            ("GET", "/state", self._state),
            ("POST", "/start", self._start),
            ("POST", "/stop", self._stop),
            ("GET", "/runs/{run}", self._run),
            ("POST", "/camera", self._adjust),
            ("POST", "/marks", self._mark),
            ("GET", "/marks", self._marks),
            ("POST", "/channels", self._send_readings),
            ("GET", "/channels", self._channels),
            ("GET", "/regions", self._regions),
            ("PUT", "/regions", self._set_regions),
            ("GET", "/frame.png", self._frame),
            ("GET", "/traces", self._traces),
            ("GET", "/openapi.json", self._openapi),
        ]
        routes: list[BaseRoute] = [
            Route(f"{PREFIX}{path}", self._guarded(method, handler), methods=[method])
            for method, path, handler in handlers
        ]
        return [*routes, WebSocketRoute(f"{PREFIX}/events", self._events)]

    def _guarded(self, method: str, handler: _Handler) -> _Handler:
        async def guarded(request: Request) -> Response:
            try:
                # Whoever asks too often how things stand must not keep a stop or a mark out.
                (self._asked if method == "GET" else self._commands).take()
                return await handler(request)
            except RefusedError as error:
                headers = {"Retry-After": "1"} if error.status == 429 else None
                return _problem(error.status, error.code, str(error), headers)
            except NoAnswerError as error:
                return _problem(503, "no-answer", str(error))

        return guarded

    # ---- what is known here ----------------------------------------------------------------------------

    async def _state(self, request: Request) -> Response:  # noqa: ARG002
        if self._view.station is None:  # of a moment old process
            await self._view.wait_for(lambda: self._view.station is not None, FRAME_LIMIT_S)
        if self._view.station is None:
            raise RefusedError(503, "no-answer", "the station has not told its state yet")
        return JSONResponse(self._view.station)

    async def _regions(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse({"regions": (self._view.station or {}).get("regions", []), "notes": []})

    async def _frame(self, request: Request) -> Response:
        bits = request.query_params.get("bits", "8")
        if bits not in ("8", "16"):
            raise RefusedError(422, "invalid", f"bits: {bits} is neither 8 nor 16")
        view, since_s = self._view, time.monotonic() - FRESH_S
        await view.wait_for(lambda: view.frame_taken_s > since_s, FRAME_LIMIT_S, watches=True)
        frame = view.frame
        if frame is None or view.frame_taken_s <= since_s:
            raise RefusedError(503, "no-frame", f"no frame has come in {FRAME_LIMIT_S:g} s")
        picture = await view.compute(lambda: frame_png(frame, int(bits)))
        headers = {
            "X-Frame-Number": str(frame.number),
            "X-Frame-Top": str(frame.top if bits == "16" else 255),
        }
        if frame.utc_ms is not None:
            headers["X-Frame-Time-Unix-Ms"] = f"{frame.utc_ms:.4f}"
        return Response(picture, media_type="image/png", headers=headers)

    async def _traces(self, request: Request) -> Response:
        since = _since(request)

        def made() -> str:
            trace, begun = self._view.history.since(since)
            return json.dumps(_traces(trace, thin_out(trace, begun)), allow_nan=False)

        return Response(await self._view.compute(made), media_type="application/json")

    async def _openapi(self, request: Request) -> Response:  # noqa: ARG002
        self._document = self._document or openapi_document()
        return JSONResponse(self._document)

    async def _events(self, websocket: WebSocket) -> None:
        await EventClient(self._view, websocket).serve()

    # ---- what the acquisition decides ------------------------------------------------------------------

    async def _start(self, request: Request) -> Response:
        at_ns = asked_ns(request)
        body = await _read(request, StartRequest)
        question = {"do": "start", "at_ns": at_ns, "settings": _told(body, "wait_s")}
        answer = await self._ask(request, question)
        return await self._settled(answer, body.wait_s, ("waiting", "starting"), done=201)

    async def _stop(self, request: Request) -> Response:
        body = await _read(request, StopRequest)
        answer = await self._ask(request, {"do": "stop", **_told(body, "wait_s")})
        return await self._settled(answer, body.wait_s, ("recording", "starting", "ending"), done=200)

    async def _run(self, request: Request) -> Response:
        return _response(await self._view.ask({"do": "run", "run": request.path_params["run"]}))

    async def _adjust(self, request: Request) -> Response:
        changes = _told(await _read(request, CameraRequest))
        return _response(await self._ask(request, {"do": "adjust", "changes": changes}))

    async def _mark(self, request: Request) -> Response:
        at_ns = asked_ns(request)
        body = await _read(request, MarkRequest)
        return _response(await self._ask(request, {"do": "mark", "at_ns": at_ns, **_told(body)}))

    async def _marks(self, request: Request) -> Response:
        return _response(await self._view.ask({"do": "marks", "run": request.query_params.get("run")}))

    async def _send_readings(self, request: Request) -> Response:
        at_ns = asked_ns(request)
        body = await _read(request, ReadingsRequest)
        return _response(await self._ask(request, {"do": "readings", "at_ns": at_ns, **_told(body)}))

    async def _channels(self, request: Request) -> Response:
        return _response(await self._view.ask({"do": "channels", "since": _since(request)}))

    async def _set_regions(self, request: Request) -> Response:
        body = await _read(request, RegionsRequest)
        return _response(await self._ask(request, {"do": "regions", **body.model_dump(mode="json")}))

    async def _ask(self, request: Request, question: Mapping[str, Any]) -> dict[str, Any]:
        key = request.headers.get(KEY_HEADER)
        if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            raise RefusedError(
                422, "invalid", f"{KEY_HEADER}: must be 1 to {LONGEST_KEY} characters that can be seen"
            )
        client = request.client
        origin = "" if client is None else netloc_of(client.host, client.port)
        return await self._view.ask({**question, "key": key, "origin": origin})

    async def _settled(
        self, answer: dict[str, Any], wait_s: float, unsettled: tuple[str, ...], *, done: int
    ) -> Response:
        """Wait until what was asked of a run is done, and answer with what has become of it."""
        if answer["status"] >= 400:
            return _response(answer)
        name = answer["body"]["run"]
        phase = answer["body"]["phase"]
        if phase in unsettled and wait_s:
            await self._view.wait_for(lambda: self._phase_of(name) not in unsettled, wait_s)
            told = await self._view.ask({"do": "run", "run": name})
            answer = {**answer, "body": told["body"]}
            phase = told["body"].get("phase")
        return _response({**answer, "status": 202 if phase in unsettled else done})

    def _phase_of(self, name: str) -> str:
        station = self._view.station or {}
        for place in ("run", "next_run", "last_run"):
            run = station.get(place)
            if run is not None and run["run"] == name:
                return str(run["phase"])
        return "waiting"  # accepted, and not told of yet


def _problem(status: int, code: str, error: str, headers: Mapping[str, str] | None = None) -> Response:
    problem = Problem.model_validate({"code": code, "error": error})
    return JSONResponse(problem.model_dump(), status, headers)


def _response(answer: Mapping[str, Any]) -> Response:
    headers = {REPLAYED_HEADER: "true"} if answer.get("replayed") else None
    return JSONResponse(answer["body"], answer["status"], headers)


def _since(request: Request) -> float:
    """Read the time from which on something is asked for."""
    try:
        since = float(request.query_params.get("since", "0"))
    except ValueError:
        since = math.nan
    if not math.isfinite(since):
        raise RefusedError(422, "invalid", "since: must be a time in ms since 1970, UTC")
    return since


def _told(body: BaseModel, *but: str) -> dict[str, Any]:
    """What a request says, without what it leaves out."""
    return body.model_dump(mode="json", exclude=set(but), exclude_none=True)


async def _read(request: Request, model: type[_Body]) -> _Body:
    """Read a request's body.

    Raises
    ------
    RefusedError
        It is too large, too slow, no JSON, or not of this shape.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A form of another site's page could send anything else, and always names what it sends.
    other = RefusedError(415, "unsupported-type", f"a body is JSON, and says so: Content-Type: {_JSON}")
    if media_type not in ("", _JSON):
        raise other
    body = await body_of(request)
    if body and media_type != _JSON:
        raise other
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise RefusedError(422, "invalid", f"{place}: {reason}" if place else reason) from None


def _traces(trace: Trace, shown: Trace) -> dict[str, Any]:
    return {
        "time_unix_ms": [round(float(time_ms), 4) for time_ms in shown.utc_ms],
        "traces": [
            {
                "region": region.model_dump(mode="json"),
                "mean": _numbers(shown.mean[row]),
                "maximum": _numbers(shown.maximum[row]),
                "oscillation": _oscillation(trace, row),
            }
            for row, region in enumerate(shown.regions)
        ],
    }


def _numbers(values: Any) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 4) for value in values.tolist()]


def _oscillation(trace: Trace, row: int) -> dict[str, float] | None:
    found = dominant_period(trace.utc_ms / 1000, trace.mean[row])
    if found is None:
        return None
    names = ("period_s", "uncertainty_s", "strength", "growth_rate")
    return {name: float(getattr(found, name)) for name in names}
