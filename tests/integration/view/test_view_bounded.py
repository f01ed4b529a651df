"""Clients that send, read or close too slowly are cut off; the limits are shortened, to be waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from rheed_acquire.view.server import bounded_connections
from rheed_acquire.view.server.bounded_connections import BoundedHttp, BoundedWebSocket

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Talker:
    """Sends far more than sockets hold, to whoever comes, and says when that one has gone."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        try:
            for _ in range(200):
                await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
                await asyncio.sleep(0)
        finally:
            self.gone.set()


@pytest.fixture
def talker() -> Talker:
    return Talker()


@pytest.fixture
def address(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(bounded_connections, "REQUEST_LIMIT_S", 0.3)
    monkeypatch.setattr(bounded_connections, "READ_LIMIT_S", 0.3)
    monkeypatch.setattr(bounded_connections, "MOST_CONNECTIONS", 8)
    config = uvicorn.Config(
        talker,
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, 20)
    connection.settimeout(20)
    return connection


def ended(connection: socket.socket) -> bool:
    """Wait for the other side to end it."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo"])
def test_a_request_that_never_comes_is_waited_for_no_longer(address: tuple[str, int], begun: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(begun)
        assert ended(connection)


def test_a_websocket_that_is_not_read_is_ended(address: tuple[str, int], talker: Talker) -> None:
    with connect(address) as connection:
        connection.sendall(HANDSHAKE)
        assert talker.gone.wait(20)


def test_a_websocket_that_is_read_goes_on_past_the_limits(
    address: tuple[str, int], talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy computer may keep this thread from its next piece for a while, and that is no client that sleeps.
    monkeypatch.setattr(bounded_connections, "REQUEST_LIMIT_S", 3.0)
    monkeypatch.setattr(bounded_connections, "READ_LIMIT_S", 3.0)
    with connect(address) as connection:
        connection.sendall(HANDSHAKE)
        received = rests = 0
        while received < 200 << 20:
            piece = connection.recv(1 << 20)
            assert piece
            received += len(piece)
            if received // (5 << 20) > rests:  # 40 of them: longer than the limits
                rests += 1
                time.sleep(0.1)


def test_more_connections_than_there_is_room_for_are_ended_at_once(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_connections, "REQUEST_LIMIT_S", 60.0)  # so that no other limit ends them
    connections = [connect(address) for _ in range(8)]
    try:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        with connect(address) as one_more:
            assert ended(one_more)
        connections[0].setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still open, and nothing has come
            connections[0].recv(1)
    finally:
        for connection in connections:
            connection.close()
