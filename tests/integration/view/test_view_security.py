"""Who is kept out of the view, and what those who are in cannot do."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rheed_acquire.view.server.app import MOST_CLIENTS
from rheed_acquire.view.server.requests import LONGEST_REQUEST

if TYPE_CHECKING:
    from tests.integration.view.conftest import WatchedView

OpenView = Callable[..., "WatchedView"]
Pixels = NDArray[np.uint8]
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def ask(
    view: WatchedView, target: str, headers: str = "", host: str | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], str]:
    """Say it over a socket as it stands: no client tidies the path or the headers up."""
    with socket.create_connection(("127.0.0.1", view.port), 20) as connection:
        shown = f"127.0.0.1:{view.port}" if host is None else host
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: {shown}\r\n{headers}\r\n".encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = b"" if response.status == 101 else response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, body.decode(errors="replace")


@pytest.fixture
def view(loopback_view: WatchedView) -> WatchedView:
    return loopback_view


@pytest.fixture
def origin(view: WatchedView) -> str:
    return f"Origin: http://127.0.0.1:{view.port}\r\n"


@pytest.mark.parametrize(
    "target", ["/", "/js/main.js", "/metrics", "/vendor/uplot/uPlot.iife.min.js", "/nothing"]
)
@pytest.mark.parametrize("shown", ["", "?token=", "?token=wrong", "?token=wr%C3%B6ng"])
def test_without_the_token_nothing_is_said_to_others(
    open_to_others: WatchedView, target: str, shown: str
) -> None:
    status, _, body = ask(open_to_others, target + shown)
    assert status == 401
    assert open_to_others.token not in body
    assert "<html" not in body


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "Cookie: rheed_view_{port}=wrong\r\n",
        "Cookie: ;;;=\r\n",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer\r\n",
    ],
)
def test_without_the_token_no_websocket_is_opened(open_to_others: WatchedView, headers: str) -> None:
    shown = headers.format(port=open_to_others.port)
    assert ask(open_to_others, "/live", UPGRADE + shown)[0] == 401


def test_the_token_of_the_url_moves_into_a_cookie_that_opens_everything(open_to_others: WatchedView) -> None:
    token = open_to_others.token
    assert len(token) >= 32
    status, headers, _ = ask(open_to_others, f"/?token={token}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    shown = f"Cookie: {cookie.partition(';')[0]}\r\n"
    for target in ("/", "/js/main.js", "/metrics"):
        assert ask(open_to_others, target, shown)[0] == 200
    assert ask(open_to_others, "/live", UPGRADE + shown)[0] == 101


def test_prometheus_may_show_the_token_as_a_bearer(open_to_others: WatchedView) -> None:
    shown = f"Authorization: Bearer {open_to_others.token}\r\n"
    assert ask(open_to_others, "/metrics", shown)[0] == 200


def test_each_view_has_a_token_of_its_own_and_loopback_needs_none(open_view: OpenView) -> None:
    one, other, loopback = open_view("0.0.0.0"), open_view("0.0.0.0"), open_view()
    assert one.token != other.token
    assert loopback.token == ""
    assert ask(other, f"/?token={one.token}")[0] == 401
    assert ask(loopback, "/")[0] == 200


@pytest.mark.skipif(sys.platform == "win32", reason="ps")
def test_the_token_is_in_no_argument_and_no_environment(open_to_others: WatchedView) -> None:
    arguments = ["ps", "eww", "-o", "args", "-p", str(open_to_others.process.pid)]
    shown = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert "rheed_acquire.view" in shown
    assert open_to_others.token not in shown
    assert open_to_others.token not in repr(vars(open_to_others.process))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "192.168.7.7"]
)
@pytest.mark.parametrize("headers", ["", UPGRADE])
def test_a_name_that_is_not_this_servers_is_refused(view: WatchedView, host: str, headers: str) -> None:
    assert ask(view, "/live" if headers else "/", headers, host.format(port=view.port))[0] == 421


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "file://",
        "http://[",
        "https://127.0.0.1",
    ],
)
@pytest.mark.parametrize("headers", ["", UPGRADE])
def test_a_page_of_another_site_is_refused(view: WatchedView, origin: str, headers: str) -> None:
    shown = f"Origin: {origin.format(port=view.port)}\r\n"
    assert ask(view, "/live" if headers else "/", headers + shown)[0] == 403
    assert view.commands.empty()


def test_the_views_own_page_is_let_in(view: WatchedView, origin: str) -> None:
    assert ask(view, "/", origin)[0] == 200
    assert ask(view, "/live", UPGRADE + origin)[0] == 101
    assert ask(view, "/", host=f"localhost:{view.port}")[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        "/../__main__.py",
        "/js/../../process.py",
        "/..%2f..%2fprocess.py",
        "/%2e%2e/process.py",
        "/..\\process.py",
        "/index.html/../../process.py",
        "//etc/passwd",
        "/etc/passwd",
        "/js",
        "/js//main.js",
        "/js/main.js/",
        "/js/%00",
        "/vendor/uplot/package.json",
        "http://evil.example/",
    ],
)
def test_nothing_but_the_pages_own_files_can_be_had(view: WatchedView, target: str) -> None:
    status, _, body = ask(view, target)
    assert status in (400, 404) or "<title>RHEED view</title>" in body
    assert "import" not in body.replace("important", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_nothing_can_be_sent_but_through_the_websocket(view: WatchedView, method: str) -> None:
    assert ask(view, "/", "Content-Length: 0\r\n", method=method)[0] in (400, 405)


def test_every_answer_forbids_foreign_scripts_frames_and_guesses(view: WatchedView) -> None:
    for target in ("/", "/js/main.js", "/metrics", "/nothing"):
        headers = ask(view, target)[1]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
    page = ask(view, "/")[2]
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=|//(?!/)[a-z]", page)


def test_headers_that_never_end_are_cut_off(view: WatchedView) -> None:
    with socket.create_connection(("127.0.0.1", view.port), 20) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\nX: ".encode() + b"x" * (1 << 17)
        )
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
        assert answer == b"" or b" 400 " in answer or b" 431 " in answer
    assert ask(view, "/")[0] == 200


def test_an_oversized_message_ends_its_page_only(view: WatchedView) -> None:
    with view.page() as other:
        with view.page() as page:
            page.socket.send("x" * (LONGEST_REQUEST + 1))
            with pytest.raises(ConnectionClosed) as closed:
                page.receive("refused")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        with view.page() as page:  # in pieces
            with suppress(ConnectionClosed):
                page.socket.send("x" * (LONGEST_REQUEST // 4) for _ in range(8))
            with pytest.raises(ConnectionClosed) as closed:
                page.receive("refused")
            # Pieces that arrive after the end reset the connection, and with it the reason that was given.
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        other.send(do="stop")
        assert view.commands.get(timeout=20) == {"do": "stop"}


def test_what_is_no_json_is_refused(view: WatchedView) -> None:
    with view.page() as page:
        for nonsense in ("", "{", "[" * 5000, '"stop"', "null", "\x00"):
            page.socket.send(nonsense)
            page.receive("refused")
        page.socket.send(b'{"do": "stop"}')  # bytes are no text
        page.receive("refused")
    assert view.commands.empty()


def test_more_pages_than_there_is_room_for_are_turned_away(view: WatchedView) -> None:
    with ExitStack() as opened:
        for _ in range(MOST_CLIENTS):
            opened.enter_context(view.page()).send(do="look")
        view.process.show_state({"frames": 1})
        last = opened.enter_context(view.page())
        with pytest.raises(ConnectionClosed) as closed:
            last.receive("state")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def is_number(number: int) -> Callable[[Any], bool]:
    return lambda header: bool(header["number"] == number)


def test_twenty_pages_that_do_not_read_cost_nobody_else_anything(view: WatchedView) -> None:
    """Their sockets hold little, they never read, and beg for frames; the one that reads gets them all."""
    noise = np.random.default_rng(2).integers(0, 256, (800, 1000), np.uint8)
    with ExitStack() as opened:
        for _ in range(20):
            connection = opened.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(("127.0.0.1", view.port))
            connection.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n{UPGRADE}\r\n".encode())
            assert b"101" in connection.recv(32)
            drawn = b'{"do": "drawn", "what": "frame"}'
            connection.sendall((bytes([0x81, 0x80 | len(drawn), 0, 0, 0, 0]) + drawn) * 30)
        page = opened.enter_context(view.page())
        for number in range(10):
            view.process.show_frame(noise, number, None)
            page.receive("frame", is_number(number))
        page.send(do="stop")
        assert view.commands.get(timeout=20) == {"do": "stop"}


def test_a_websocket_elsewhere_is_refused(view: WatchedView) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{view.port}/js/main.js"):
        pass


def test_no_request_is_logged(
    open_to_others: WatchedView, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask(open_to_others, f"/?token={open_to_others.token}")
    ask(open_to_others, f"/nothing?token={open_to_others.token}")
    assert ask(open_to_others, "/live?token=wrong", UPGRADE)[0] == 401
    assert ask(open_to_others, f"/nothing?token={open_to_others.token}", UPGRADE)[0] == 403
    child: Any = open_to_others.process._child
    child._stderr.seek(0)
    logged = child._stderr.read().decode()
    assert logged == ""
    assert open_to_others.token not in "".join(capfd.readouterr()) + caplog.text
