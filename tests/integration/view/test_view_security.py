"""Who is kept out of the view, and what those who are in cannot do."""

from __future__ import annotations

import http.client
import re
import socket
import struct
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

from rheed_acquire.view.server.event_client import MOST_CLIENTS
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
    """Say it with the token, as one who may: what is refused then is refused for another reason."""
    return knock(view, target, f"Authorization: Bearer {view.token}\r\n{headers}", host, method)


def knock(
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


@pytest.fixture(params=["loopback_view", "open_to_others"])
def guarded(request: pytest.FixtureRequest) -> WatchedView:
    """A view that only this computer reaches, whose other users are strangers too, and one that all reach."""
    view: WatchedView = request.getfixturevalue(request.param)
    return view


@pytest.fixture
def origin(view: WatchedView) -> str:
    return f"Origin: http://127.0.0.1:{view.port}\r\n"


@pytest.mark.parametrize(
    "target", ["/", "/js/main.js", "/metrics", "/vendor/uplot/uPlot.iife.min.js", "/nothing"]
)
@pytest.mark.parametrize("shown", ["", "?token=", "?token=wrong", "?token=wr%C3%B6ng"])
def test_without_the_token_nothing_is_said_but_where_the_url_is_printed(
    guarded: WatchedView, target: str, shown: str
) -> None:
    status, _, body = knock(guarded, target + shown)
    assert status == 401
    assert guarded.token not in body
    assert body.startswith("this view needs its token: open the whole URL")
    assert body.count("\n") == 1


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
def test_without_the_token_no_websocket_is_opened(guarded: WatchedView, headers: str) -> None:
    shown = headers.format(port=guarded.port)
    assert knock(guarded, "/live", UPGRADE + shown)[0] == 401


def test_the_token_of_the_url_moves_into_a_cookie_that_opens_everything(guarded: WatchedView) -> None:
    assert len(guarded.token) >= 32
    status, headers, body = knock(guarded, f"/?token={guarded.token}")
    assert status == 200
    # The page goes on by itself to the address without the token.
    assert '<meta http-equiv="refresh" content="0; url=/">' in body
    assert guarded.token not in body
    cookie = headers["set-cookie"]
    assert cookie.startswith(f"rheed_view_{guarded.port}=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    shown = cookie.partition(";")[0]
    # Other programs on this host have cookies too, not all of them well formed.
    others = ("{}", "a=1; {}", 'a="\\;{}', "rheed_view_1=other; b@d=[]; {} ;;", "=;{}")
    for cookies in (other.format(shown) for other in others):
        line = f"Cookie: {cookies}\r\n"
        for target in ("/", "/js/main.js", "/metrics"):
            assert knock(guarded, target, line)[0] == 200, cookies
        assert knock(guarded, "/live", UPGRADE + line)[0] == 101, cookies


def ticket_of(view: WatchedView) -> str:
    url = view.process.url_for_one_visit
    assert view.token not in url
    return url.partition("ticket=")[2]


def test_a_ticket_opens_the_page_once_and_nothing_else(open_view: OpenView) -> None:
    view = open_view()
    ticket = ticket_of(view)
    assert knock(view, "/?ticket=wrong")[0] == 401
    for target in (f"/metrics?ticket={ticket}", f"/js/main.js?ticket={ticket}", f"/?token={ticket}"):
        assert knock(view, target)[0] == 401
    assert knock(view, f"/live?ticket={ticket}", UPGRADE)[0] == 401
    assert knock(view, f"/?ticket={ticket}", method="POST")[0] == 401
    status, headers, body = knock(view, f"/?ticket={ticket}")
    assert status == 200
    assert view.token not in body
    cookie = headers["set-cookie"].partition(";")[0]
    assert knock(view, "/live", f"{UPGRADE}Cookie: {cookie}\r\n")[0] == 101
    assert knock(view, f"/?ticket={ticket}")[0] == 401


def test_prometheus_may_show_the_token_as_a_bearer(guarded: WatchedView) -> None:
    assert knock(guarded, "/metrics", f"Authorization: Bearer {guarded.token}\r\n")[0] == 200


def test_each_view_has_a_token_of_its_own(open_view: OpenView) -> None:
    one, other = open_view("0.0.0.0"), open_view()
    assert one.token != other.token
    assert knock(other, f"/?token={one.token}")[0] == 401
    assert knock(other, f"/?token={other.token}")[0] == 200


@pytest.mark.parametrize("fields", ["&a=1" * 300, "&a" * 20, "&%", "&a=%ff%00", "&token=wrong"])
def test_whatever_else_a_url_asks_for_is_no_reason_to_fail(view: WatchedView, fields: str) -> None:
    assert knock(view, f"/?token={view.token}{fields}")[0] == 200
    assert knock(view, f"/?token=wrong{fields}")[0] == 401


@pytest.mark.skipif(sys.platform == "win32", reason="ps")
def test_the_token_is_in_no_argument_and_no_environment(guarded: WatchedView) -> None:
    arguments = ["ps", "eww", "-o", "args", "-p", str(guarded.process.pid)]
    shown = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert "rheed_acquire.view" in shown
    assert guarded.token not in shown
    assert guarded.token not in repr(vars(guarded.process))


def test_a_command_comes_with_the_address_of_its_page_whatever_a_header_says(view: WatchedView) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
    with view.page(additional_headers=forged) as page:
        own = page.socket.local_address
        page.send(do="regions", regions=[])
        origin = f"{own[0]}:{own[1]}"
        assert view.commands.get(timeout=20) == {"do": "regions", "regions": [], "origin": origin}
    with view.page() as page:
        page.send(do="regions", regions=[], origin="192.0.2.7:1")
        page.receive("refused")
    lines = "".join(f"{name}: {value}\r\n" for name, value in forged.items())
    with socket.create_connection(("127.0.0.1", view.port), 20) as connection:
        connection.sendall(
            f"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\nContent-Length: 2\r\n{lines}"
            f"Authorization: Bearer {view.token}\r\nContent-Type: application/json\r\n\r\n{{}}".encode()
        )
        own = connection.getsockname()
        asked = view.commands.get(timeout=20)
        assert (asked["do"], asked["origin"]) == ("stop", f"{own[0]}:{own[1]}")


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
            answer = connection.makefile("rb").readline()
        except ConnectionError:
            answer = b""
        assert answer == b"" or b" 400 " in answer or b" 431 " in answer
    assert ask(view, "/")[0] == 200


def frame_head(opcode: int, size: int, *, last: bool) -> bytes:
    """The head of a WebSocket frame of at least 64 kB from a client (RFC 6455, 5.2), masked with zeros."""
    return bytes([last << 7 | opcode, 0xFF]) + size.to_bytes(8, "big") + bytes(4)


TEXT, MORE = 1, 0
WHOLE = frame_head(TEXT, LONGEST_REQUEST + 1, last=True)
IN_PIECES = (
    frame_head(TEXT, LONGEST_REQUEST, last=False)
    + b"x" * LONGEST_REQUEST
    + frame_head(MORE, LONGEST_REQUEST, last=True)
)


@pytest.mark.parametrize("begun", [WHOLE, IN_PIECES], ids=["whole", "in pieces"])
def test_a_message_is_refused_as_oversized_before_it_has_come(view: WatchedView, begun: bytes) -> None:
    """Nothing that was sent is unread when the view closes, so that nothing can overtake its reason."""
    with view.page() as page:
        page.socket.socket.sendall(begun)
        with pytest.raises(ConnectionClosed) as closed:
            page.receive("refused")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_an_oversized_message_ends_its_page_only(view: WatchedView) -> None:
    with view.page() as other:
        for pieces in (1, 8):
            # What arrives after the end resets the connection, and with it the reason that was given.
            with view.page() as page:
                with suppress(ConnectionClosed):
                    page.socket.send("x" * (2 * LONGEST_REQUEST // pieces) for _ in range(pieces))
                with pytest.raises(ConnectionClosed):
                    page.receive("refused")
        other.send(do="regions", regions=[])
        assert view.command() == {"do": "regions", "regions": []}


def test_what_is_no_json_is_refused(view: WatchedView) -> None:
    with view.page() as page:
        for nonsense in ("", "{", "[" * 5000, '"regions"', "null", "\x00"):
            page.socket.send(nonsense)
            page.receive("refused")
        page.socket.send(b'{"do": "regions", "regions": []}')  # bytes are no text
        page.receive("refused")
    assert view.commands.empty()


def test_more_pages_than_there_is_room_for_are_turned_away(open_view: OpenView) -> None:
    view = open_view()
    with ExitStack() as opened:
        for _ in range(MOST_CLIENTS):
            opened.enter_context(view.page()).send(do="look")
        view.process.show_state({"frames": 1})
        last = opened.enter_context(view.page())
        with pytest.raises(ConnectionClosed) as closed:
            last.receive("state")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def test_a_page_that_has_just_given_a_command_gives_up_its_place_as_it_goes(open_view: OpenView) -> None:
    view = open_view()
    view.process.show_state({"frames": 1})
    with ExitStack() as opened:
        for _ in range(MOST_CLIENTS - 1):
            opened.enter_context(view.page()).receive("state")
        with view.page() as page:
            page.receive("state")
            page.send(do="regions", regions=[])
        opened.enter_context(view.page()).receive("state")


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
            target = f"/live?token={view.token}"
            connection.sendall(
                f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n{UPGRADE}\r\n".encode()
            )
            assert b"101" in connection.makefile("rb", buffering=0).readline()
            drawn = b'{"do": "drawn", "what": "frame"}'
            connection.sendall((bytes([0x81, 0x80 | len(drawn), 0, 0, 0, 0]) + drawn) * 30)
        page = opened.enter_context(view.page())
        for number in range(10):
            view.process.show_frame(noise, number, None)
            page.receive("frame", is_number(number))
        page.send(do="regions", regions=[])
        assert view.command() == {"do": "regions", "regions": []}


def test_a_websocket_elsewhere_is_refused(view: WatchedView) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{view.port}/js/main.js?token={view.token}"):
        pass


def logged(view: WatchedView) -> str:
    """What the view's process has said on stderr."""
    child: Any = view.process._child
    child._stderr.seek(0)
    said: bytes = child._stderr.read()
    return said.decode()


def test_no_request_is_logged(
    guarded: WatchedView, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    knock(guarded, f"/?token={guarded.token}")
    knock(guarded, f"/nothing?token={guarded.token}")
    assert knock(guarded, "/live?token=wrong", UPGRADE)[0] == 401
    assert knock(guarded, f"/nothing?token={guarded.token}", UPGRADE)[0] == 403
    assert logged(guarded) == ""
    assert guarded.token not in "".join(capfd.readouterr()) + caplog.text


def test_a_client_that_breaks_off_is_not_logged(guarded: WatchedView) -> None:
    linger = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
    for begun in ("", "GET /?token=", f"GET /?token={guarded.token} HTTP/1.1\r\nHost: here\r\n\r\n") * 10:
        with socket.create_connection(("127.0.0.1", guarded.port), 20) as connection:
            connection.sendall(begun.encode())
            # Closed so, the connection is reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    knock(guarded, f"/?token={guarded.token}")
    assert logged(guarded) == ""
