"""Whatever the other side of a connection does, a call ends: in its time, and within its bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from rheed_acquire.errors import SettingsError
from rheed_acquire.streaming.http_session import REFUSAL_BYTES, Answer, HttpSession, is_loopback
from rheed_acquire.streaming.transport_errors import NoAnswerError
from rheed_acquire.streaming.trust import tls_context

TIME_S = 1.0
"""That a call gets here."""
HANG_S = 30.0
"""Far more than any of these calls takes, and less than each would take without its limit."""
MEGABYTE = b"\0" * 1_000_000
SETTINGS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass
class ScriptedServer:
    """A server that says what a test wants; ``heads`` are the requests, ``over`` is set as the test ends."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/"

    def hear(self, connection: socket.socket) -> bytes:
        """Read a request's head, and nothing of its body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return b""
            head += byte
        self.heads.append(head)
        return head

    def trickle(self, connection: socket.socket, content: bytes) -> None:
        """Say something slowly, again and again, for as long as anybody listens."""
        while not self.over.is_set():
            for place in range(len(content)):
                connection.sendall(content[place : place + 1])
                if self.over.wait(0.05):
                    return

    def pour(self, connection: socket.socket, content: bytes) -> None:
        """Say something as fast as it goes, again and again."""
        while not self.over.is_set():
            connection.sendall(content)


Talk = Callable[[ScriptedServer, socket.socket], None]


@contextmanager
def scripted(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Serve until the ``with`` ends: ``talk`` has each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedServer(listener.getsockname()[1])
        threads: list[threading.Thread] = []
        open_now: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            # Whoever hangs up on a client is hung up on, sooner or later.
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    talk(server, connection)
                    return
                with tls.wrap_socket(connection, server_side=True) as secured:
                    talk(server, secured)

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                if server.over.is_set():
                    connection.close()
                    return
                open_now.append(connection)
                server.connections += 1
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            # Nothing else wakes an accept on every system.
            socket.create_connection(("127.0.0.1", server.port)).close()
            accepting.join()
            for connection in open_now:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def whole(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """An answer as it goes over the wire."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def say(content: bytes) -> Talk:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(content)

    return talk


def begin_and_trickle(begin: bytes, content: bytes) -> Talk:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(begin)
        server.trickle(connection, content)

    return talk


def begin_and_pour(begin: bytes, content: bytes) -> Talk:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(begin)
        server.pour(connection, content)

    return talk


def get(url: str, within_s: float = HANG_S, at_most: int = 100_000) -> Answer:
    with HttpSession() as session:
        return session.request("GET", url, within_s=within_s, at_most=at_most)


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


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


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("127.1", True),
        ("2130706433", True),
        ("0x7f000001", True),
        ("[::1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("0.0.0.0", True),
        ("user:word@localhost", True),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("localhost@example.com", False),
        ("[::2]", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_this_computer_is_known_by_all_of_its_names(host: str, local: bool) -> None:
    for port in ("", ":8080"):
        assert is_loopback(f"http://{host}{port}/path?localhost") is local


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.0.0.1", "127.1"])
def test_a_proxy_is_asked_for_other_computers_only(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    with (
        scripted(say(whole(b'"the proxy"'))) as proxy,
        scripted(say(whole(b'"this computer"'))) as here,
        HttpSession() as session,
    ):
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        local = session.request("GET", here.url(host=host), within_s=HANG_S)
        elsewhere = session.request("GET", "http://store.invalid/x", within_s=HANG_S)
    assert (local.body, elsewhere.body) == (b'"this computer"', b'"the proxy"')
    assert len(proxy.heads) == 1


def test_a_proxy_that_refuses_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(say(whole(b"", status="407 Proxy Authentication Required"))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:5ecret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:5ecret@127.0.0.1:{proxy.port}")
        with pytest.raises(NoAnswerError) as failed:
            get("https://store.invalid/x")
    said = str(failed.value)
    assert "HTTP 407" in said
    assert "proxy 127.0.0.1" in said
    assert "5ecret" not in said
    assert failed.value.unsent


@dataclass
class Lab:
    """A lab's own authority, and what its server shows."""

    authority: Path
    tls: ssl.SSLContext


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    authority = trustme.CA()
    place = tmp_path_factory.mktemp("lab") / "authority.pem"
    authority.cert_pem.write_to_path(str(place))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    return Lab(place, tls)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_labs_own_authority_is_trusted_where_a_variable_names_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(lab.authority))
    with scripted(say(whole(b'"safe"')), lab.tls) as server:
        assert get(server.url("https", "localhost")).body == b'"safe"'


def test_calls_over_tls_end_in_their_time_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.authority))
    talk = begin_and_trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" ")
    with scripted(talk, lab.tls) as server, pytest.raises(NoAnswerError, match="no answer in time"):
        get(server.url("https", "localhost"), TIME_S)

    def read_nothing(server: ScriptedServer, connection: socket.socket) -> None:
        server.hear(connection)
        server.over.wait()

    with scripted(read_nothing, lab.tls) as server, HttpSession() as session:
        url = server.url("https", "localhost")
        with pytest.raises(NoAnswerError, match="no answer in time"):
            session.request("PUT", url, within_s=TIME_S, data=io.BytesIO(50 * MEGABYTE))


def test_a_certificate_that_is_not_trusted_is_said_with_the_setting_that_would_help(lab: Lab) -> None:
    with scripted(say(whole()), lab.tls) as server, pytest.raises(NoAnswerError) as failed:
        get(server.url("https", "localhost"))
    assert "certificate of localhost is not trusted" in str(failed.value)
    assert "SSL_CERT_FILE" in str(failed.value)
    assert failed.value.is_advice
    assert failed.value.unsent


def test_a_certificate_for_another_name_is_said_to_be(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.authority))
    with scripted(say(whole()), lab.tls) as server, pytest.raises(NoAnswerError, match="for another name"):
        get(server.url("https", "127.0.0.1"))


def test_a_server_that_does_not_speak_tls_is_told_from_one_whose_certificate_is_wrong() -> None:
    def talk(server: ScriptedServer, connection: socket.socket) -> None:
        connection.recv(5000)
        connection.sendall(whole(status="400 Bad Request"))

    with scripted(talk) as server, pytest.raises(NoAnswerError, match="does the server speak TLS"):
        get(server.url("https"))


@pytest.mark.parametrize("variable", SETTINGS)
@pytest.mark.parametrize("what", ["missing", "no certificate", "empty"])
def test_a_variable_that_names_no_certificates_is_named_with_the_file(
    tmp_path: Path, variable: str, what: str
) -> None:
    place = tmp_path / "authority.pem"
    if what == "no certificate":
        place.write_text("hello\n")
    elif what == "empty":
        place.mkdir() if variable == "SSL_CERT_DIR" else place.touch()
    with pytest.raises(SettingsError) as failed:
        tls_context({variable: str(place)})
    assert variable in str(failed.value)
    assert str(place) in str(failed.value)
