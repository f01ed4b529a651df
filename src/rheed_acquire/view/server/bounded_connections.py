"""Connections that cannot keep what they take: uvicorn's protocols with limits in time and memory.

Whoever sends nothing, reads nothing, or reads less than is sent to them is cut off; who opens more
connections than `MOST_CONNECTIONS` is cut off at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

REQUEST_LIMIT_S = 10.0
"""For a whole request to arrive."""
READ_LIMIT_S = 15.0
"""For a client to read until there is room for more."""
MOST_CONNECTIONS = 256
MOST_UNREAD = 32 << 20
"""Bytes that wait for one client, answers to its pings included."""

if TYPE_CHECKING:

    class _Protocol(asyncio.Protocol):
        transport: asyncio.Transport
        loop: asyncio.AbstractEventLoop

else:
    _Protocol = object


class _ReadsInTime(_Protocol):
    """Cuts off a client that leaves its answers unread for too long."""

    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(READ_LIMIT_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.transport.abort()
        else:
            super().data_received(data)

    def _forget(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class BoundedHttp(_ReadsInTime, H11Protocol):
    """An HTTP connection."""

    def connection_made(self, transport: Any) -> None:
        """Begin, or end at once where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self.loop.call_later(REQUEST_LIMIT_S, self._look_whether_it_came)

    def _look_whether_it_came(self) -> None:
        # A connection that has become a WebSocket has another protocol.
        if self.cycle is None and self.transport.get_protocol() is self:
            self.transport.abort()


class BoundedWebSocket(_ReadsInTime, WebSocketsSansIOProtocol):
    """A WebSocket connection."""
