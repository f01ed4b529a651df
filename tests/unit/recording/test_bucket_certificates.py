"""What is said of a store whose certificate is not one that this computer trusts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

pytest.importorskip("obstore", reason="what talks to object stores is not installed: the extra site")

from rheed_acquire.recording.bucket import open_bucket, told_as_os_errors

NAME = "localhost"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Certificate = Callable[[trustme.CA], trustme.LeafCert]


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[tuple[int, trustme.CA]]:
    """A port where somebody shows a certificate and says nothing more."""
    authority = trustme.CA()
    make: Certificate = request.param
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make(authority).configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):  # that it is no more listened to
            while True:
                connection, _ = listener.accept()
                with (
                    connection,
                    contextlib.suppress(OSError),
                    context.wrap_socket(connection, server_side=True),
                ):
                    pass

    thread = threading.Thread(target=answer)
    thread.start()
    yield listener.getsockname()[1], authority
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    ("store", "is_trusted", "told"),
    [
        (lambda authority: authority.issue_cert(NAME), False, "not trusted: SSL_CERT_FILE names"),
        (lambda authority: authority.issue_cert("store.lab.example"), True, "for another name"),
        (lambda authority: authority.issue_cert(NAME, not_after=LONG_AGO), True, "has expired"),
    ],
    indirect=["store"],
)
def test_it_is_said_what_is_wrong_with_the_certificate_of_a_store(
    store: tuple[int, trustme.CA],
    is_trusted: bool,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import obstore

    port, authority = store
    for name, value in (("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "of-the-test")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://{NAME}:{port}")
    if is_trusted:
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with pytest.raises(OSError, match=told) as raised, told_as_os_errors():
        obstore.put(open_bucket("runs", tries=0), "key", b"")
    assert "of-the-test" not in str(raised.value)
