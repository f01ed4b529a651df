"""HTTP calls that end: within their time and their bytes, by the right proxy, trusting whom the user trusts.

Everything that this distribution says over HTTP goes through `HttpSession`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import HTTPError

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.streaming.bounded_connection import (
    CONNECT_TIMEOUT_S,
    AnswerTooLongError,
    BoundedPool,
    BoundedTlsPool,
    bounds,
)
from rheed_acquire.streaming.outgoing import BLOCK_BYTES
from rheed_acquire.streaming.transport_errors import no_answer
from rheed_acquire.streaming.trust import tls_context

ANSWER_BYTES = 16_000_000
"""Of an answer that is of use; a catalogue of thousands of samples has a few million."""
REFUSAL_BYTES = 64_000
"""Of an answer that is only told; what is longer is cut."""
_HEADER_BYTES = 1_000_000
_READ_BYTES = 16_384
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body|title|meta|script|style|!--)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes
    ----------
    headers
        By name, whose case does not matter.
    body
        Decompressed; of an answer that is no success at most `REFUSAL_BYTES`, the rest being cut off.
    came_ns
        When its headers were there, by ``perf_counter_ns``.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    came_ns: int

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return 200 <= self.status < 300

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, as captive portals and proxies send, and no API or store ever does."""
        return bool(self.body.strip()) and (self.is_called_html or _PAGE.match(self.body) is not None)

    @property
    def is_called_html(self) -> bool:
        """Whether its headers say that it is a page, be there any or not."""
        return "html" in self.headers.get("Content-Type", "").lower()


class HttpSession:
    """Connections, kept open from call to call. For one thread.

    Parameters
    ----------
    connect_s
        How long a connection may take to be made, its name's look-up included.
    """

    def __init__(self, connect_s: float = CONNECT_TIMEOUT_S) -> None:
        self._connect_s = connect_s
        self._session = _Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        within_s: float,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: Iterable[bytes] | None = None,
        at_most: int = ANSWER_BYTES,
    ) -> Answer:
        """Make one call.

        Parameters
        ----------
        within_s
            For all of it: from the look-up of the server's name to the last byte of the answer.
        data
            The body, where that is not ``json``: an object with ``len`` and ``read``.
        at_most
            Bytes that the answer of a success may have.

        Raises
        ------
        NoAnswerError
            None came, or none that could be read to its end. The URL is not in its text.
        """
        # Compression would save little, and what says little can be blown up to much by it.
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        proxies: dict[str, str] = {}
        try:
            if not is_loopback(url):
                proxies = get_environ_proxies(url)
            with (
                bounds(within_s, at_most + _HEADER_BYTES, self._connect_s),
                self._session.request(
                    method,
                    url,
                    headers=sent,
                    params=params,
                    json=json,
                    data=data,
                    timeout=(self._connect_s, within_s),
                    proxies=proxies,
                    stream=True,
                    # A redirect would carry the key to wherever it points.
                    allow_redirects=False,
                ) as answer,
            ):
                came_ns = time.perf_counter_ns()
                is_success = 200 <= answer.status_code < 300
                body = _read(answer, at_most if is_success else REFUSAL_BYTES, cut=not is_success)
                return Answer(answer.status_code, answer.headers, body, came_ns)
        except (requests.RequestException, HTTPError, OSError, ValueError, RheedAcquireError) as error:
            raise no_answer(error, url, select_proxy(url, proxies) if proxies else None) from None


def _read(answer: requests.Response, most: int, *, cut: bool) -> bytes:
    """Read a body, decompressed; one that is longer than ``most`` bytes is cut there, or an error."""
    body = bytearray()
    for piece in answer.raw.stream(_READ_BYTES, decode_content=True):
        body += piece
        if len(body) > most:
            if not cut:
                raise AnswerTooLongError("the answer is too long")
            break
    return bytes(body[:most])


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        # Proxies and certificates are chosen here, and a signed URL bears no credentials of a .netrc file.
        self.trust_env = False
        self.auth = _no_authentication
        # Nothing that one server says goes to another, or is kept.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Say that there is none: requests would read the whole body of a redirect first."""
        return None


class _Adapter(HTTPAdapter):
    """Makes bounded connections, with the certificates that the user trusts."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        # Sends bodies in blocks of which each is worth the trouble; by default they are 16 kB.
        super().init_poolmanager(*arguments, blocksize=BLOCK_BYTES, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._context()
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK_BYTES, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context()} if host["scheme"] == "https" else tls

    def close(self) -> None:
        # urllib3 leaves it to the collector of garbage, which on CPython 3.14 takes its time.
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no dict, and cannot be iterated over
                if (pool := manager.pools.get(key)) is not None:
                    pool.close()
        super().close()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context, to which requests would add certifi's list here."""

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or tls_context()
        return self._tls


_POOLS = {"http": BoundedPool, "https": BoundedTlsPool}


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this computer, however it is written: such calls never go by a proxy."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").partition("%")[0]
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # As the resolver reads 127.1 or 0x7f000001.
            address = ipaddress.ip_address(socket.inet_aton(host))
        except (OSError, ValueError):
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    # The unspecified address leads to this computer too, wherever it leads at all.
    return address.is_loopback or address.is_unspecified
