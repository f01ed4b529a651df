"""More clients and requests than the station has room for: each is told so, and costs the others nothing."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import ExitStack

import pytest
from tests.integration.view.answering_view import JSON, STATE, AnsweringView, events_of
from tests.integration.waiting import wait_for
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rheed_acquire.view.interface import PREFIX
from rheed_acquire.view.server.event_client import MOST_CLIENTS
from rheed_acquire.view.server.limits import MOST_ASKED_AT_ONCE, MOST_COMMANDS_AT_ONCE
from rheed_acquire.view.server.live_view import WAITING_COMMANDS


def answers_at_once(view: AnsweringView, request: bytes, count: int) -> set[tuple[int, str | None]]:
    """Send a request by so many connections before the first answer is read; each status and Retry-After."""
    answers = set()
    with ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", view.port), 60)) for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            response = http.client.HTTPResponse(connection)
            response.begin()
            answers.add((response.status, response.getheader("Retry-After")))
    return answers


def answers_to_a_crowd(view: AnsweringView, request: bytes, count: int) -> set[tuple[int, str | None]]:
    """What as many requests at once get, until they get more than one kind of answer."""
    answers: set[tuple[int, str | None]] = set()
    # A computer that is slow enough answers some hundreds without ever having too many at a time.
    for _ in range(10):
        answers |= answers_at_once(view, request, count)
        if len(answers) > 1:
            break
    return answers


def test_more_requests_at_once_than_are_allowed_are_told_to_come_later_and_pages_go_on(
    own_view: AnsweringView,
) -> None:
    view = own_view
    lines = (
        f"POST {PREFIX}/marks HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n{JSON}Content-Length: 2\r\n\r\n{{}}"
    ).encode()
    with connect(f"ws://127.0.0.1:{view.port}/live?token={view.token}") as page:
        answers = answers_to_a_crowd(view, lines, round(2.4 * MOST_COMMANDS_AT_ONCE))
        assert answers == {(422, None), (429, "1")}
        page.send(json.dumps({"do": "regions", "regions": []}))
        assert page.recv(20)


def test_whoever_asks_too_often_keeps_no_mark_out(own_view: AnsweringView) -> None:
    view = own_view
    lines = (
        f"GET {PREFIX}/regions HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n\r\n"
    ).encode()
    answers = answers_to_a_crowd(view, lines, round(1.2 * MOST_ASKED_AT_ONCE))
    assert answers == {(200, None), (429, "1")}
    assert view.post("/marks", {"text": "shutter open"})[0] == 202


def test_clients_that_never_read_and_more_than_there_is_room_for_cost_nobody_anything(
    own_view: AnsweringView,
) -> None:
    view = own_view
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with ExitStack() as opened:
        for _ in range(MOST_CLIENTS - 1):
            connection = opened.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", view.port))
            connection.sendall(
                f"GET {PREFIX}/events?token={view.token} HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n".encode()
            )
            assert b"101" in connection.makefile("rb", buffering=0).readline()
        with events_of(view) as reader:
            assert reader.recv(20)
            for number in range(300):
                view.process.show_state({}, {**STATE, "software": f"{number} {'x' * 4000}"})
            while json.loads(reader.recv(20))["state"]["software"].partition(" ")[0] != "299":
                pass
            with events_of(view) as late, pytest.raises(ConnectionClosed) as closed:
                late.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        assert view.post("/stop", {"wait_s": 0})[0] == 202


def test_an_acquisition_that_takes_no_more_questions_is_told_of_and_asked_no_more(
    own_view: AnsweringView,
) -> None:
    """Whoever waits for answers holds places; beyond them everybody is told at once."""
    view = own_view
    view.process.answer = lambda *given, **more: None  # type: ignore[method-assign]
    lines = (
        f"GET {PREFIX}/runs/1 HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n\r\n"
    ).encode()
    before = len(view.asked)
    with ExitStack() as opened:
        for _ in range(WAITING_COMMANDS):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", view.port), 30))
            connection.sendall(lines)
        wait_for(lambda: len(view.asked) - before == WAITING_COMMANDS, 60)
        status, _, body = view.knock("/runs/1")
        assert (status, json.loads(body)["code"]) == (503, "no-answer")
        assert view.knock("/state")[0] == 200
