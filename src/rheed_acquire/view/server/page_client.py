"""One open page: its WebSocket, and what it has been told.

Nothing queues up for a page. State and events are told when they change; a frame and the traces only after
the page has said that it has drawn those before; each is the newest that there is when its turn comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

from starlette.websockets import WebSocket

from rheed_acquire.system.addresses import netloc_of
from rheed_acquire.view.server.both_ways import until_one_ends
from rheed_acquire.view.server.frames import RawFrame, line_profile, pixel_value
from rheed_acquire.view.server.growth import GrowthQuestion
from rheed_acquire.view.server.live_view import TRACES_INTERVAL_S, LiveView
from rheed_acquire.view.server.requests import (
    BadRequestError,
    Drawn,
    Look,
    as_command,
    parse_request,
)

_LOOK_AGAIN_S = TRACES_INTERVAL_S


class PageClient:
    """Serves one page until it goes."""

    def __init__(self, view: LiveView, websocket: WebSocket) -> None:
        self._view, self._websocket = view, websocket
        client = websocket.client
        self._origin = "" if client is None else netloc_of(client.host, client.port)
        self._news = asyncio.Event()
        self._news.set()
        self._look = Look(do="look")
        self._looked = True
        self._frame_drawn = self._traces_drawn = True
        self._state_told = self._events_told = 0
        self._shown: RawFrame | None = None
        self._traces_shown: bytes | None = None
        self._growth_told = ""
        self._refusal: str | None = None

    async def serve(self) -> None:
        """Talk until either side ends it."""
        await self._websocket.accept()
        await until_one_ends(self._view, self._news, self._listen(), self._tell())

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                request = parse_request(message.get("text") or "")
            except BadRequestError as error:
                self._refusal = str(error)
                self._news.set()
                continue
            if isinstance(request, Drawn):
                if request.what == "frame":
                    self._frame_drawn = True
                else:
                    self._traces_drawn = True
            elif isinstance(request, Look):
                if request.window_s != self._look.window_s:
                    self._traces_shown = None
                self._look, self._looked = request, True
            else:
                self._refusal = await self._view.command(as_command(request, self._origin))
            self._news.set()

    async def _tell(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                # Also without news: what was too soon may be due now.
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._news.wait()
            self._news.clear()
            await self._tell_in_words()
            await self._tell_frame()
            if self._traces_drawn:
                traces = await self._view.traces(self._look.window_s)
                if traces is not self._traces_shown and traces:
                    self._traces_shown, self._traces_drawn = traces, False
                    await self._websocket.send_bytes(traces)
            await self._tell_growth()

    async def _tell_growth(self) -> None:
        look = self._look
        question = GrowthQuestion(look.window_s, look.oscillations, look.since_ms)
        growth = self._view.growth.message(question)
        if growth is not self._growth_told and growth:
            self._growth_told = growth
            await self._websocket.send_text(growth)

    async def _tell_in_words(self) -> None:
        view = self._view
        if self._state_told != view.state_version:
            self._state_told = view.state_version
            await self._websocket.send_text(view.state_text)
        if self._events_told != view.event_count:
            events, self._events_told = view.events_since(self._events_told)
            await self._websocket.send_text(json.dumps({"type": "events", "events": events}))
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            await self._websocket.send_text(json.dumps({"type": "refused", "reason": refusal}))

    async def _tell_frame(self) -> None:
        frame = self._view.frame
        if frame is None:
            return
        if self._frame_drawn and frame is not self._shown:
            encoded = await self._view.encoded_frame()
            if encoded is not None:
                frame, message = encoded
                self._shown, self._frame_drawn, self._looked = frame, False, True
                await self._websocket.send_bytes(message)
        if self._looked:
            self._looked = False
            await self._tell_values(frame)

    async def _tell_values(self, frame: RawFrame) -> None:
        look = self._look
        if look.pixel is None and look.line is None:
            return
        await self._websocket.send_text(
            json.dumps(
                {
                    "type": "values",
                    "number": frame.number,
                    "pixel": None
                    if look.pixel is None
                    else {"x": look.pixel[0], "y": look.pixel[1], "value": pixel_value(frame, *look.pixel)},
                    "line": None
                    if look.line is None
                    else [round(float(value), 2) for value in line_profile(frame, look.line)],
                }
            )
        )
