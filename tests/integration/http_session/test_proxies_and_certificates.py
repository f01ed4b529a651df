"""Calls go through a proxy to other computers only, and over TLS to whom the settings trust."""

from __future__ import annotations

import io
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from tests.integration.http_session.conftest import (
    HANG_S,
    MEGABYTE,
    SETTINGS,
    TIME_S,
    ScriptedServer,
    begin_and_trickle,
    get,
    say,
    scripted,
    whole,
)

from rheed_acquire.errors import SettingsError
from rheed_acquire.streaming.http_session import HttpSession, is_loopback
from rheed_acquire.streaming.transport_errors import NoAnswerError
from rheed_acquire.streaming.trust import tls_context


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
