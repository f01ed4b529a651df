"""Whatever the other side of a connection does, a call ends: in its time, and within its bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import socket
import sys
import threading

import pytest
from tests.integration.http_session.conftest import (
    HANG_S,
    MEGABYTE,
    TIME_S,
    ScriptedServer,
    begin_and_pour,
    begin_and_trickle,
    get,
    say,
    scripted,
    whole,
)

from rheed_acquire.streaming.http_session import REFUSAL_BYTES, HttpSession
from rheed_acquire.streaming.transport_errors import NoAnswerError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "content"),
    [
        pytest.param(b"", b"H", id="status"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" ", id="body"),
        pytest.param(CHUNKED, b"1\r\n \r\n", id="chunks"),
        pytest.param(CHUNKED + b"0\r\n", b"A: b\r\n", id="trailers"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n", b" ", id="error body"),
        pytest.param(b"HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 5000\r\n\r\n", b" ", id="redirect"),
    ],
)
def test_an_answer_that_never_ends_is_given_up_when_its_time_is_over(begin: bytes, content: bytes) -> None:
    with scripted(begin_and_trickle(begin, content)) as server, pytest.raises(NoAnswerError) as failed:
        get(server.url(), TIME_S)
    assert "no answer in time" in str(failed.value)
    assert not failed.value.unsent


def test_a_body_that_nobody_reads_is_given_up_when_its_time_is_over() -> None:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        server.over.wait()

    with scripted(talk) as server, HttpSession() as session, pytest.raises(NoAnswerError, match="in time"):
        session.request("PUT", server.url(), within_s=TIME_S, data=io.BytesIO(50 * MEGABYTE))


def test_a_body_that_is_read_too_slowly_is_given_up_when_its_time_is_over() -> None:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        while connection.recv(1000) and not server.over.wait(0.01):
            pass

    with scripted(talk) as server, HttpSession() as session, pytest.raises(NoAnswerError, match="in time"):
        session.request("PUT", server.url(), within_s=TIME_S, data=io.BytesIO(50 * MEGABYTE))


def test_a_tls_handshake_that_never_ends_is_given_up_when_its_time_is_over() -> None:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        connection.recv(5000)
        # A record of 16 kB is announced, a server's hello, whose bytes come one by one.
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
        server.trickle(connection, b"\0")

    with scripted(talk) as server, pytest.raises(NoAnswerError, match="in time"):
        get(server.url("https"), TIME_S)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a full queue answers, or takes as many as come"
)
def test_a_connection_that_nobody_accepts_is_given_up_when_its_time_is_over() -> None:
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Once the system's queue is full, those who come are not answered.
        for _ in range(8):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with HttpSession(connect_s=TIME_S) as session, pytest.raises(NoAnswerError) as failed:
            session.request("GET", url, within_s=HANG_S)
    assert "no connection in time" in str(failed.value)
    assert failed.value.unsent


@pytest.mark.parametrize(
    ("begin", "content"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", MEGABYTE, id="body without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", MEGABYTE, id="long body"),
        pytest.param(CHUNKED, b"100000\r\n" + b"x" * 0x100000 + b"\r\n", id="chunks"),
        pytest.param(CHUNKED, b"0" * 1_000_000, id="size of a chunk"),
        pytest.param(CHUNKED + b"0\r\n", b"A: b\r\n" * 10_000, id="trailers"),
        pytest.param(b"", b"H" * 1_000_000, id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"A" * 1_000_000, id="header line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 10_000, id="headers"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, id="continue"),
    ],
)
def test_an_answer_without_end_is_given_up_when_it_is_too_long(begin: bytes, content: bytes) -> None:
    with scripted(begin_and_pour(begin, content)) as server, pytest.raises(NoAnswerError) as failed:
        get(server.url())
    assert "in time" not in str(failed.value)


def test_a_body_that_grows_when_it_is_decompressed_is_given_up() -> None:
    bomb = gzip.compress(300 * MEGABYTE)
    twice = gzip.compress(bomb)
    for body, coding in ((bomb, "gzip"), (twice, "gzip, gzip")):
        with (
            scripted(say(whole(body, f"Content-Encoding: {coding}"))) as server,
            pytest.raises(NoAnswerError, match="too long"),
        ):
            get(server.url())


@pytest.mark.parametrize("status", ["500 Oh", "302 Found", "404 Not Found"])
def test_the_body_of_an_error_is_read_as_far_as_it_is_told(status: str) -> None:
    bomb = gzip.compress(300 * MEGABYTE)
    for body, headers in (
        (bomb, ("Content-Encoding: gzip", "Location: /elsewhere")),
        (30 * MEGABYTE, ("Location: http://[",)),
    ):
        with scripted(say(whole(body, *headers, status=status))) as server:
            answer = get(server.url())
        assert answer.status == int(status[:3])
        assert len(answer.body) == REFUSAL_BYTES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "ended too soon"),
        (CHUNKED + b"5\r\nab", "ended too soon|cut"),
        (CHUNKED + b"zz\r\n", "cut|ended too soon"),
        (whole(b"no gzip at all", "Content-Encoding: gzip"), "decompressed"),
    ],
)
def test_what_came_in_place_of_an_answer_is_said_in_words(content: bytes, reason: str) -> None:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(content)

    with scripted(talk) as server, pytest.raises(NoAnswerError, match=reason):
        get(server.url())


def test_connections_are_kept_from_call_to_call_with_and_without_a_body() -> None:
    with scripted(say(whole(b""))) as empty, scripted(say(whole(b"{}"))) as full, HttpSession() as session:
        for server in (empty, full):
            for _ in range(4):
                session.request("GET", server.url(), within_s=HANG_S)
            assert (len(server.heads), server.connections) == (4, 1)


def test_a_name_that_could_not_be_looked_up_for_want_of_a_thread_is_looked_up_by_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "name-lookup":
            raise RuntimeError("can't start new thread")
        start(thread)

    with scripted(say(whole())) as server, HttpSession() as session:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(NoAnswerError):
                session.request("GET", server.url(host="localhost"), within_s=HANG_S)
        assert session.request("GET", server.url(host="localhost"), within_s=HANG_S).status == 200


def test_headers_that_make_no_sense_are_passed_over_and_not_logged_with_the_url(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Good: yes\r\nno header at all\r\n\r\n{}"
    with scripted(say(answer)) as server:
        assert get(f"{server.url()}?X-Amz-Signature=5ecret").body == b"{}"
    assert "5ecret" not in caplog.text


def test_nothing_that_a_server_sets_is_sent_with_the_next_call() -> None:
    with scripted(say(whole(b"{}", "Set-Cookie: portal=1"))) as server, HttpSession() as session:
        for _ in range(2):
            session.request("GET", server.url(), within_s=HANG_S)
        assert not any(b"cookie" in head.lower() for head in server.heads)
