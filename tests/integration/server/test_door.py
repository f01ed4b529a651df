"""Clients that say nothing, or say it slowly, or too much: they cost nothing that others need."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests

from rheed_acquire.server.app import UPLOADS_AT_ONCE
from rheed_acquire.server.connection import LONGEST_HEAD, Limits
from rheed_acquire.server.http_server import HttpServer
from rheed_acquire.server.process import LocalServer
from rheed_acquire.system.listening import listen

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tests.integration.server.conftest import Client

    Connect = Callable[[LocalServer], AbstractContextManager[Client]]

LIMIT_S = 20.0
MANY = 300
"""More than threads and places at the door."""


@pytest.fixture
def dial(server: LocalServer) -> Iterator[Callable[..., socket.socket]]:
    """Opens connections that are closed at the end, and says something in each."""
    with ExitStack() as opened:

        def dial(said: bytes = b"") -> socket.socket:
            connection = opened.enter_context(connect_to(server.endpoint))
            if said:
                connection.sendall(said)
            return connection

        yield dial


def connect_to(endpoint: str) -> socket.socket:
    host, port = endpoint.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def hear(connection: socket.socket, *, until: bytes | None = None) -> bytes:
    """All that the server says until it hangs up, or says `until`: head and body may come apart."""
    heard = b""
    while not (until and heard.endswith(until)) and (piece := connection.recv(65536)):
        heard += piece
    return heard


def is_served(server: LocalServer, client: Client) -> None:
    """Everything that a run needs works."""
    assert requests.get(server.endpoint + "/gateway/time", timeout=LIMIT_S).status_code == 200
    data_id, frames = client.create(), client.make_frames(4)
    client.upload(data_id, 0, frames)
    assert client.end(data_id).status_code == 200
    np.testing.assert_array_equal(client.read_frames(server, data_id), frames)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"G", id="one letter"),
        pytest.param(b"GET /gateway/time HTTP/1.1\r\n", id="a line"),
        pytest.param(
            b"GET /gateway/time HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 500, id="headers without end"
        ),
        pytest.param(b"x" * LONGEST_HEAD, id="a line without end"),
        pytest.param(
            b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", id="a body to come"
        ),
        pytest.param(
            b"POST /tags/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
            id="chunks to come",
        ),
        pytest.param(b"\r\n" * 3000, id="empty lines"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
def test_many_clients_that_say_little_keep_nobody_from_being_served(
    server: LocalServer, client: Client, dial: Callable[..., socket.socket], said: bytes
) -> None:
    for _ in range(MANY):
        dial(said)
    is_served(server, client)


def test_whoever_has_no_key_is_answered_before_the_body(dial: Callable[..., socket.socket]) -> None:
    for request, status in (
        (b"POST /tags/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n", b" 401 "),
        (b"POST /tags/ HTTP/1.1\r\nHost: x\r\nX-API-KEY: no\r\nContent-Length: 999999\r\n\r\n{", b" 403 "),
        (b"PUT /uploads/guess HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n", b" 403 "),
        (b"PUT /uploads/guess HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", b" 403 "),
    ):
        assert status in hear(dial(request)).partition(b"\r\n")[0]


def test_whoever_is_refused_within_a_long_body_hears_why(server: LocalServer) -> None:
    body = b"x" * (30 << 20)
    answer = requests.put(server.endpoint + "/uploads/guess", data=body, timeout=LIMIT_S)
    assert answer.status_code == 403
    assert "not valid" in answer.json()["detail"]


def test_uploads_that_trickle_leave_threads_for_everything_else(
    server: LocalServer, client: Client, dial: Callable[..., socket.socket]
) -> None:
    data_id, frames = client.create(), client.make_frames(4)
    hanging = []
    for index in range(UPLOADS_AT_ONCE):
        path = client.url(data_id, index, frames).removeprefix(server.endpoint)
        connection = dial(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx".encode())
        hanging.append(connection)
    url = client.url(data_id, UPLOADS_AT_ONCE, frames)
    while (answer := client.put(url, client.shard(frames))).status_code == 200:
        url = client.url(data_id, UPLOADS_AT_ONCE, frames)  # not all of them have arrived yet
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert client.get("/tags/").status_code == 200
    for connection in hanging:
        connection.close()
    while (answer := client.put(url, client.shard(frames))).status_code == 503:
        pass
    assert answer.status_code == 200


def test_requests_that_come_at_once_are_answered_in_turn(dial: Callable[..., socket.socket]) -> None:
    request = b"GET /gateway/time HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /gateway/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert hear(dial(request * 50 + last)).count(b" 200 OK") == 51


@pytest.mark.parametrize("junk", [b"junk\r\n\r\n" * 2000, b"\0" * 9000 + b"\r\n\r\n", b"GET\r\n\r\n" * 2000])
def test_junk_is_refused_once_and_the_connection_closed(
    server: LocalServer, client: Client, dial: Callable[..., socket.socket], junk: bytes
) -> None:
    connection = dial()
    good = b"GET /gateway/time HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.sendall(good + junk)
    heard = hear(connection)
    assert heard.count(b"HTTP/1.1 200") == 1
    assert heard.count(b"HTTP/1.1 400") == 1
    is_served(server, client)


@pytest.mark.skipif(sys.platform != "linux", reason="stops a process for a while, and knows Linux's backlog")
def test_connections_that_come_at_once_find_room_while_the_server_is_busy(
    server: LocalServer, dial: Callable[..., socket.socket]
) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for _ in range(100):
            dial()
    finally:
        os.kill(server.pid, signal.SIGCONT)


def answer_with_ok(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    body: Any = environ["wsgi.input"]
    while body.read(65536):
        pass
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@contextmanager
def serving(**limits: Any) -> Iterator[str]:
    with listen("127.0.0.1", 0) as listener, HttpServer(listener, answer_with_ok, limits=Limits(**limits)):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_who_takes_too_long_for_a_request_is_let_go(said: bytes) -> None:
    with serving(head_s=0.3) as endpoint, connect_to(endpoint) as connection:
        connection.sendall(said)
        assert hear(connection) == b""


def test_who_takes_too_long_for_the_next_request_is_let_go() -> None:
    with serving(idle_s=0.3) as endpoint, connect_to(endpoint) as connection:
        connection.sendall(REQUEST + b"body")
        assert hear(connection).endswith(b"\r\n\r\nok")


def test_who_begins_a_next_request_and_does_not_end_it_is_let_go() -> None:
    with serving(head_s=0.3) as endpoint, connect_to(endpoint) as connection:
        connection.sendall(REQUEST + b"body" + REQUEST[:10])
        assert hear(connection).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("limits", [{"silence_s": 0.3}, {"silence_s": 0.5, "slowest_bytes_s": 1e9}])
def test_a_body_that_comes_too_slowly_is_refused(limits: dict[str, float]) -> None:
    with serving(**limits) as endpoint, connect_to(endpoint) as connection:
        connection.sendall(REQUEST.replace(b": 4", b": 400"))
        connection.settimeout(0.05)
        deadline = time.monotonic() + LIMIT_S
        heard = b""
        while True:
            assert time.monotonic() < deadline
            with suppress(TimeoutError):
                heard += connection.recv(1)
                if heard.endswith(b"\n"):
                    break
                continue
            if limits.get("slowest_bytes_s"):
                # Once it is refused nobody need listen any more; the answer is there to be read all the same.
                with suppress(ConnectionError):
                    connection.sendall(b"x")
        assert b" 408 " in heard


def test_who_still_sends_after_the_last_answer_is_let_go() -> None:
    with serving(drain_s=0.3) as endpoint, connect_to(endpoint) as connection:
        connection.sendall(b"junk\r\n\r\n")
        assert b" 400 " in hear(connection)
        deadline = time.monotonic() + LIMIT_S
        with suppress(ConnectionError):
            while time.monotonic() < deadline:
                connection.sendall(b"x" * 10_000)
            pytest.fail("it is still listened to")


def test_the_oldest_that_never_made_a_request_makes_room_for_one_more() -> None:
    with serving(most_waiting=4) as endpoint, ExitStack() as opened:
        served = opened.enter_context(connect_to(endpoint))
        served.sendall(REQUEST + b"body")
        assert hear(served, until=b"ok").endswith(b"ok")
        strangers = [opened.enter_context(connect_to(endpoint)) for _ in range(4)]
        assert hear(strangers[0]) == b""
        for connection in (served, *strangers[1:]):
            connection.sendall(REQUEST.replace(b"Host", b"Connection: close\r\nHost") + b"body")
            assert hear(connection).endswith(b"ok")


def test_who_has_had_the_last_answer_makes_room_before_who_has_yet_to_ask() -> None:
    with serving(most_waiting=4) as endpoint, ExitStack() as opened:
        patient = opened.enter_context(connect_to(endpoint))
        for _ in range(8):
            refused = opened.enter_context(connect_to(endpoint))
            refused.sendall(b"junk\r\n\r\n")
            assert b" 400 " in hear(refused)
        patient.sendall(REQUEST.replace(b"Host", b"Connection: close\r\nHost") + b"body")
        assert hear(patient).endswith(b"ok")


def test_a_server_can_be_stopped_whatever_its_clients_do(tmp_path: Path, connect: Connect) -> None:
    with ExitStack() as opened, LocalServer(tmp_path) as server, connect(server) as client:
        client.create()
        for said in (b"", b"GET /", REQUEST, b"junk\r\n\r\n"):
            for _ in range(20):
                connection = opened.enter_context(connect_to(server.endpoint))
                connection.sendall(said)
