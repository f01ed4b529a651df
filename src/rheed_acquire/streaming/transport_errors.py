"""What went wrong where no answer came, in words that hold no URL: it may be a signed one."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import traceback
from collections.abc import Iterator
from urllib.parse import urlsplit

from requests.exceptions import InvalidSchema, InvalidURL
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    IncompleteRead,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.streaming.bounded_connection import AnswerTooLongError
from rheed_acquire.streaming.trust import trusted_by

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_NOT_IN_TIME = {9, 10, 0x800B0101, -67818}
"""A certificate is not yet valid, or has expired: X509_V_ERR of OpenSSL, CERT_E_EXPIRED of Windows and
errSecCertificateExpired of macOS."""
_OTHER_NAME = {62, 64, 0x800B010F, -67602}
"""It is for another name, or another IP address: as above, CERT_E_CN_NO_MATCH and errSecHostNameMismatch."""


class NoAnswerError(Exception):
    """No answer came, or none that could be read.

    Attributes
    ----------
    unsent
        Whether it is certain that the server saw nothing of the call.
    is_advice
        Whether the message says what to do.
    """

    def __init__(self, message: str, *, unsent: bool, is_advice: bool) -> None:
        super().__init__(message)
        self.unsent, self.is_advice = unsent, is_advice


_NEVER_SENT = (
    ConnectTimeoutError,
    NewConnectionError,
    ProxyError,
    ssl.SSLCertVerificationError,
    RheedAcquireError,
)


def no_answer(error: BaseException, url: str, proxy: str | None) -> NoAnswerError:
    """Put into words why a call to ``url`` got no answer, which went by ``proxy`` if that is not None."""
    chain = list(_chain(error))
    advice = next((str(one) for one in chain if isinstance(one, RheedAcquireError)), None)
    advice = advice or _certificate(chain, _host(url))
    words = advice or _words(chain, error)
    for one in chain:
        # requests and urllib3 keep their errors in the frames that these went through: a cycle, and what was
        # sent would stay, with whoever sent it, until garbage is collected.
        traceback.clear_frames(one.__traceback__)
    if proxy is not None:
        words += f" (through the proxy {_host(proxy)}, which HTTP_PROXY or HTTPS_PROXY names)"
    unsent = any(isinstance(one, _NEVER_SENT) for one in chain)
    return NoAnswerError(words, unsent=unsent, is_advice=advice is not None)


def _words(chain: list[BaseException], error: BaseException) -> str:
    for one in chain:
        if isinstance(one, AnswerTooLongError):
            return str(one)
        if isinstance(one, ProxyError):
            refusal = next(filter(None, (_REFUSED_TUNNEL.search(str(e)) for e in chain)), None)
            return f"the proxy refused (HTTP {refusal[1]})" if refusal else "the proxy failed"
    if any(isinstance(one, OSError) and one.errno in _UNREACHABLE for one in chain):
        return "the network is unreachable"
    for kind, words in _KINDS:
        if any(isinstance(one, kind) for one in chain):
            return words
    return f"the connection failed ({type(error).__name__})"


_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the host name is not known"),
    (ConnectionRefusedError, "connection refused"),
    (http.client.RemoteDisconnected, "the server closed the connection"),
    (ConnectionResetError, "the connection was reset"),
    (ConnectionAbortedError, "the connection was aborted"),
    (BrokenPipeError, "the server closed the connection"),
    # After what says more: urllib3 calls every connection that fails a time-out too.
    (ConnectTimeoutError, "no connection in time"),
    (ssl.SSLError, "the TLS handshake failed: does the server speak TLS there?"),
    (ReadTimeoutError, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (IncompleteRead, "the answer ended too soon"),
    (http.client.IncompleteRead, "the answer ended too soon"),
    (DecodeError, "the answer cannot be decompressed"),
    (http.client.HTTPException, "the answer is not HTTP"),
    (InvalidSchema, "the URL, or its proxy's (one for SOCKS?), is of a kind that cannot be used"),
    (InvalidURL, "the URL cannot be used"),
    (LocationParseError, "the URL cannot be used"),
    (ProtocolError, "the connection was cut"),
    (ValueError, "the URL cannot be used"),
)


def _certificate(chain: list[BaseException], host: str) -> str | None:
    """Say what is wrong with a certificate and what to set; None where it is not that."""
    for one in chain:
        if not isinstance(one, ssl.SSLCertVerificationError):
            continue
        reason = getattr(one, "verify_message", "") or "it is not trusted"
        number = getattr(one, "verify_code", 0)
        if number in _NOT_IN_TIME:
            return f"the certificate of {host} is not valid now ({reason}); is this computer's clock right?"
        if number in _OTHER_NAME:
            return f"the certificate of {host} is for another name ({reason})"
        return (
            f"the certificate of {host} is not trusted ({reason}; trusted is {trusted_by()}); where a lab's "
            "own authority has issued it, set SSL_CERT_FILE to the file with that authority's certificate"
        )
    return None


def _host(url: str) -> str:
    try:
        return urlsplit(url if "//" in url else f"//{url}").hostname or "the server"
    except ValueError:
        return "the server"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it was made of: requests and urllib3 wrap what happened several times."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        waiting += [e for e in inner if isinstance(e, BaseException)]
