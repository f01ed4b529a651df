"""One client of ``/api/v1/events``: told of each new state, and of each line of the log from now on.

Nothing queues up for it: of states it is told the newest there is when it has taken the last, of events those
that are kept. What it sends is let go.
"""

from __future__ import annotations

import asyncio
import json

from starlette.websockets import WebSocket

from rheed_acquire.view.server.both_ways import until_one_ends
from rheed_acquire.view.server.live_view import LiveView

MOST_CLIENTS = 32
"""Pages and these together."""
TRY_AGAIN_LATER = 1013


class EventClient:
    """Serves one client until it goes."""

    def __init__(self, view: LiveView, websocket: WebSocket) -> None:
        self._view, self._websocket = view, websocket
        self._news = asyncio.Event()
        self._news.set()
        self._state_told = 0
        self._events_told = view.event_count

    async def serve(self) -> None:
        """Tell it until either side ends it."""
        await self._websocket.accept()
        if len(self._view.listeners) >= MOST_CLIENTS:
            await self._websocket.close(TRY_AGAIN_LATER, f"{MOST_CLIENTS} clients listen already")
            return
        await until_one_ends(self._view, self._news, self._let_go(), self._tell(), watches=False)

    async def _let_go(self) -> None:
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass

    async def _tell(self) -> None:
        view = self._view
        while True:
            await self._news.wait()
            self._news.clear()
            if self._events_told != view.event_count:
                events, self._events_told = view.events_since(self._events_told)
                for event in events:
                    await self._websocket.send_text(json.dumps({"type": "event", "event": event}))
            if self._state_told != view.state_version and view.station is not None:
                self._state_told = view.state_version
                await self._websocket.send_text(json.dumps({"type": "state", "state": view.station}))
