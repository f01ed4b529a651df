"""The interface as an OpenAPI 3.1 document, made of the models that it is checked by."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from rheed_acquire.view.interface import (
    ASKED_HEADER,
    KEY_HEADER,
    LONGEST_BODY,
    LONGEST_KEY,
    PREFIX,
    REPLAYED_HEADER,
    CameraAdjusted,
    ChannelList,
    EventLine,
    MarkList,
    MarkTaken,
    Problem,
    ReadingsTaken,
    RegionList,
    Run,
    StationState,
    Traces,
)
from rheed_acquire.view.interface_requests import (
    CameraRequest,
    MarkRequest,
    ReadingsRequest,
    RegionsRequest,
    StartRequest,
    StopRequest,
)
from rheed_acquire.view.server.limits import (
    BODY_LIMIT_S,
    MOST_ASKED_A_SECOND,
    MOST_ASKED_AT_ONCE,
    MOST_COMMANDS_A_SECOND,
    MOST_COMMANDS_AT_ONCE,
)

_REQUESTS = (StartRequest, StopRequest, CameraRequest, MarkRequest, ReadingsRequest, RegionsRequest)
_ANSWERS = (
    StationState,
    Run,
    CameraAdjusted,
    MarkTaken,
    MarkList,
    ReadingsTaken,
    ChannelList,
    RegionList,
    Traces,
    EventLine,
    Problem,
)
_REFUSALS = {
    "401": "the token is missing or wrong (plain text)",
    "403": "another site's page asks (plain text)",
    "421": "`Host` names another server (plain text)",
    "429": "too many requests; `Retry-After` says when to ask again",
    "503": "the station does not answer; asked again with the same key, nothing is done twice",
}
_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "chosen by the client, new for each thing it wants done: the same one again, with the "
    f"same body, does nothing and has the first one's answer, with `{REPLAYED_HEADER}: true`",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}
_ASKED = {
    "name": ASKED_HEADER,
    "in": "header",
    "required": False,
    "description": "when it was asked for, from a client of the station's own computer: what Python's "
    "`time.perf_counter_ns` has; without it, or where it is not of the last five minutes, when the request "
    "arrived",
    "schema": {"type": "integer", "minimum": 0},
}
_DATED = (StartRequest, MarkRequest, ReadingsRequest)


def openapi_document() -> dict[str, Any]:
    """Make the document."""
    modes: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in _REQUESTS),
        *((model, "serialization") for model in _ANSWERS),
    ]
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "RHEED station",
            "version": "1",
            "description": "The process that holds one camera: start and stop runs, mark them, look on. "
            f"A body has at most {LONGEST_BODY} bytes and comes within {BODY_LIMIT_S:g} s. All clients "
            f"together have {MOST_ASKED_A_SECOND:g} questions (GET) a second, {MOST_ASKED_AT_ONCE:g} at "
            f"once, and beside them {MOST_COMMANDS_A_SECOND:g} requests that change something, "
            f"{MOST_COMMANDS_AT_ONCE:g} at once. "
            "Times are in ms since 1970, UTC. Fields may be added; a reader passes over those that it does "
            "not know.",
        },
        "servers": [{"url": PREFIX}],
        "security": [{"bearer": []}, {"query": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    start = {
        "201": _json("the run records", Run),
        "202": _json("accepted: it is `starting`, or `waiting` for the run before to end", Run),
        "409": _json("a run goes on, or another one waits already; nothing was begun", Problem),
    }
    stop = {
        "200": _json("it has ended, and this is what became of it", Run),
        "202": _json("it is `ending`: what was captured is being delivered", Run),
        "409": _json("no run goes on, or another one than was named", Problem),
    }
    adjust = {
        "200": _json("it is changed, and marked in the run that records", CameraAdjusted),
        "409": _json("the camera is away, or does not answer", Problem),
    }
    mark = {
        "201": _json("it is kept, on disk", MarkTaken),
        "409": _json("no run records just now, or another one than was named", Problem),
        "507": _json("no disk takes it", Problem),
    }
    send = {
        "201": _json("they are taken", ReadingsTaken),
        "409": _json("another run than was named, or a channel that the station reads itself", Problem),
    }
    of_run = _query("run", "of which run; without it, of the one that goes on, else of the last")
    return {
        "/state": {"get": _operation("state", "What the station does", {"200": _json("", StationState)})},
        "/start": {"post": _operation("start", "Start a run", start, StartRequest)},
        "/stop": {"post": _operation("stop", "End the run that goes on", stop, StopRequest)},
        "/runs/{run}": {
            "get": _operation(
                "run",
                "One of the latest 100 runs",
                {"200": _json("", Run), "404": _json("there is no such run", Problem)},
                parameters=[{"name": "run", "in": "path", "required": True, "schema": {"type": "string"}}],
            )
        },
        "/camera": {
            "post": _operation("adjustCamera", "Change the camera while it runs", adjust, CameraRequest)
        },
        "/marks": {
            "post": _operation("mark", "Mark the run that goes on", mark, MarkRequest),
            "get": _operation(
                "marks",
                "The marks of a run",
                {"200": _json("", MarkList), "404": _json("there is no such run", Problem)},
                parameters=[of_run],
            ),
        },
        "/channels": {
            "post": _operation("sendReadings", "Record readings of other instruments", send, ReadingsRequest),
            "get": _operation(
                "channels",
                "What other instruments have said of late",
                {"200": _json("", ChannelList)},
                parameters=[_query("since", "only readings after this, in ms since 1970, UTC", "number")],
            ),
        },
        "/regions": {
            "get": _operation("regions", "The regions of interest", {"200": _json("", RegionList)}),
            "put": _operation(
                "setRegions",
                "Follow other regions; they are saved in the station's settings file",
                {"200": _json("", RegionList)},
                RegionsRequest,
            ),
        },
        "/frame.png": {
            "get": _operation(
                "frame",
                "The newest frame",
                {
                    "200": {
                        "description": "`X-Frame-Number` counts from 0 since the preview or run began, "
                        "`X-Frame-Time-Unix-Ms` is its capture, `X-Frame-Top` the highest level there can be",
                        "content": {"image/png": {}},
                    }
                },
                parameters=[
                    _query("bits", "8 as it is shown, 16 with the camera's own levels", "integer", [8, 16])
                ],
            )
        },
        "/traces": {
            "get": _operation(
                "traces",
                "Intensities of the regions, with the strongest oscillation of each and its growth rate",
                {"200": _json("", Traces)},
                parameters=[
                    _query("since", "only frames captured after this, in ms since 1970, UTC", "number")
                ],
            )
        },
        "/events": {
            "get": _operation(
                "events",
                'A WebSocket: `{"type": "state", "state": StationState}` at once and with each change, at '
                'most about four times a second, and `{"type": "event", "event": EventLine}`',
                {"101": {"description": "the WebSocket"}},
            )
        },
        "/openapi.json": {
            "get": _operation(
                "openapi", "This document", {"200": {"description": "", "content": {"application/json": {}}}}
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    body: type[BaseModel] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": summary}
    given = [
        *(parameters or ()),
        *([_KEY] if body is not None else ()),
        *([_ASKED] if body in _DATED else ()),
    ]
    if given:
        operation["parameters"] = given
    refusals = dict(_REFUSALS)
    if body is not None:
        operation["requestBody"] = {"required": True, **_content(body)}
        refusals |= {
            "408": "the body does not come",
            "413": "it is too large",
            "415": "it does not say that it is JSON",
            "422": "it is not as it should be, or the key belongs to another request",
        }
    plain = ("401", "403", "421")
    operation["responses"] = {
        **answers,
        **{
            status: {"description": text, **({} if status in plain else _content(Problem))}
            for status, text in refusals.items()
            if status not in answers
        },
    }
    return operation


def _json(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, **_content(model)}


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}}


def _query(
    name: str, description: str, kind: str = "string", values: list[int] | None = None
) -> dict[str, Any]:
    schema = {"type": kind, **({} if values is None else {"enum": values})}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
