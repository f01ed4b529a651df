"""Atomscale's HTTP API, call by call: one method each, one attempt each (see the wire protocol)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.outgoing import BLOCK_BYTES, OutgoingShard
from rheed_acquire.streaming.retry import is_transient, parse_retry_after

CONNECT_TIMEOUT_S = 10.0
API_TIMEOUT_S = 60.0
PUT_TIMEOUT_S = 60.0
PUT_SLOWEST_BYTES_PER_S = 100_000.0
CHECKSUM_HEADER = "x-amz-checksum-crc32c"
"""Of a body, as S3 names it."""


class ApiError(StreamerError):
    """A call failed.

    Attributes
    ----------
    status
        The HTTP status, or None where no answer came.
    transient
        Whether the same call may succeed later.
    unsent
        Whether it is certain that the server saw nothing of the call.
    retry_after_s
        How long the server asked to wait, or None.
    detail
        The decoded body's ``detail``, or None.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        transient: bool,
        unsent: bool = False,
        retry_after_s: float | None = None,
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.status, self.transient, self.unsent = status, transient, unsent
        self.retry_after_s, self.detail = retry_after_s, detail


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where a shard goes.

    Attributes
    ----------
    url
        Presigned: a secret, good for one upload.
    takes_crc32c
        Whether the upload may bring a checksum. A URL signed for S3 allows no header that it was not signed
        with; this project's own server says that it takes one, and then need not decode every frame.
    """

    url: str = field(repr=False)
    takes_crc32c: bool = False


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this computer."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_session(endpoint: str) -> requests.Session:
    """Make a connection pool for one thread."""
    session = requests.Session()
    # A proxy meant for the outside must not get to see what stays on this computer.
    session.trust_env = not is_loopback(endpoint)
    # Else requests adds credentials of a .netrc file, which a signed URL does not bear.
    session.auth = _no_authentication
    for scheme in ("http://", "https://"):
        session.mount(scheme, _LargeBlocks())
    return session


class _LargeBlocks(HTTPAdapter):
    """Sends bodies in blocks of which each is worth the trouble; by default they are 16 kB."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, blocksize=BLOCK_BYTES, **options)


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def presign_query(chunk_idx: int) -> dict[str, str]:
    """The query of a presign request (wire protocol, "A chunk")."""
    return {
        "original_filename": f"frames.zarr/frames/c/{chunk_idx}/0/0",
        "num_parts": "1",
        "staging_type": "stream",
    }


class AtomscaleApi:
    """Calls one server with one key. Each thread needs an instance of its own.

    Parameters
    ----------
    endpoint
        Base URL, such as ``https://api.atomscale.ai``.
    api_key
        Sent as ``X-API-KEY`` with every call but those to presigned URLs.

    Raises
    ------
    StreamerError
        The endpoint is not an http or https URL.
    """

    def __init__(self, endpoint: str, api_key: SecretStr) -> None:
        if not _is_http_url(endpoint):
            raise StreamerError(
                f"the endpoint {endpoint!r} is not a URL such as https://api.atomscale.ai; "
                "set it by --endpoint or AS_API_ENDPOINT"
            )
        key = api_key.get_secret_value()
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            raise StreamerError(
                "the API key is empty or holds characters that no key has (spaces, line ends, quotes of a "
                "word processor); check AS_API_KEY"
            )
        self.endpoint = endpoint.rstrip("/")
        self._api_key = api_key
        self._session = open_session(endpoint)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def list_samples(self) -> list[dict[str, Any]]:
        """Every physical sample: ``id`` and ``name``."""
        return self._entries(self._call("GET", "/physical_samples/"), "/physical_samples/")

    def create_sample(self, name: str) -> str:
        """Create a physical sample and return its id."""
        answer = self._call("POST", "/physical_samples/", json={"name": name})
        return self._text(answer, "/physical_samples/", "physical_sample_id", "id")

    def list_tags(self) -> list[dict[str, Any]]:
        """Every tag: ``id`` and ``name``."""
        return self._entries(self._call("GET", "/tags/"), "/tags/")

    def create_tag(self, name: str) -> str:
        """Create a tag and return its id."""
        return self._text(self._call("POST", "/tags/", json={"name": name}), "/tags/", "id")

    def create_stream(self, description: dict[str, Any]) -> str:
        """Create the stream and return its data_id."""
        path = "/rheed/stream/"
        answer = self._call("POST", path, json=description)
        if not isinstance(answer, str) or not answer:
            raise self._nonsense(path)
        return answer

    def link_sample(self, data_id: str, sample_id: str) -> None:
        """Say which sample the stream is of."""
        body = {"data_ids": [data_id], "physical_sample_id": sample_id}
        self._call("POST", "/data_entries/physical_sample", json=body)

    def track_sample(self, project_id: str, sample_id: str) -> None:
        """Make the sample the one that a project follows."""
        path = f"/projects/{quote(project_id, safe='')}/configuration/tracking_samples"
        self._call("POST", path, json={"physical_sample_id": sample_id, "set_active": True})

    def link_tags(self, data_id: str, tag_ids: list[str]) -> None:
        """Tag the stream."""
        self._call("POST", "/tags/data-items/", json={"data_ids": [data_id], "tag_ids": tag_ids})

    def presign(self, chunk_idx: int, body: dict[str, str]) -> UploadTarget:
        """Ask where a chunk's shard can be put, once."""
        path = "/data_entries/raw_data/staged/upload_urls/"
        answer = self._call("POST", path, params=presign_query(chunk_idx), json=body)
        if isinstance(answer, list) and answer:
            answer = answer[0]
        url = self._text(answer, path, "url")
        return UploadTarget(url, takes_crc32c=answer.get("checksum") == "crc32c")

    def put(self, target: UploadTarget, shard: OutgoingShard) -> None:
        """Send a shard to its presigned URL; returns once the server has confirmed it.

        Raises
        ------
        ApiError
            Always transient: a fresh URL may do better. Also where the answer names another checksum than
            the shard's.
        DamagedShardError
            The shard is not what was written; the server has not stored it.
        """
        place = _place(target.url)
        # The signature covers an empty content type, and the key is none of that server's business.
        headers = {"content-type": ""}
        if target.takes_crc32c:
            headers[CHECKSUM_HEADER] = shard.crc32c_base64
        timeout = (CONNECT_TIMEOUT_S, PUT_TIMEOUT_S + shard.size / PUT_SLOWEST_BYTES_PER_S)
        try:
            answer = self._session.put(
                target.url, data=shard, headers=headers, timeout=timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ApiError(f"PUT to {place}: {_cause(error)}", transient=True) from None
        if not 200 <= answer.status_code < 300:
            raise ApiError(
                f"PUT to {place}: HTTP {answer.status_code} {_shorten(answer.text)}",
                answer.status_code,
                transient=True,
                retry_after_s=parse_retry_after(answer.headers.get("Retry-After")),
            )
        stored = answer.headers.get(CHECKSUM_HEADER)
        etag = answer.headers.get("ETag", "").strip('"').lower()
        # Only an ETag of 32 hexadecimal digits is an MD5: other stores make theirs otherwise.
        is_other = stored is not None and stored != shard.crc32c_base64
        if is_other or (len(etag) == 32 and etag != shard.md5()):
            raise ApiError(f"PUT to {place}: the server stored other bytes than were sent", transient=True)

    def end_stream(self, data_id: str) -> None:
        """Tell the server that nothing more will come."""
        self._call("POST", f"/rheed/stream/{quote(data_id, safe='')}/end")

    def _call(self, method: str, path: str, *, json: Any = None, params: dict[str, str] | None = None) -> Any:
        """Make one call; the decoded answer, None for an empty one."""
        try:
            answer = self._session.request(
                method,
                self.endpoint + path,
                json=json,
                params=params,
                headers={"X-API-KEY": self._api_key.get_secret_value()},
                timeout=(CONNECT_TIMEOUT_S, API_TIMEOUT_S),
                # A redirect would carry the key to wherever it points.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            unsent = isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error)
            raise ApiError(
                f"cannot reach {self.endpoint}: {_cause(error)}; check the network and the endpoint "
                "(--endpoint or AS_API_ENDPOINT)",
                transient=True,
                unsent=unsent,
            ) from None
        status = answer.status_code
        if 200 <= status < 300:
            if not answer.content:
                return None
            try:
                return answer.json()
            except ValueError:
                raise self._nonsense(path) from None
        try:
            detail = answer.json().get("detail")
        except (ValueError, AttributeError):
            detail = None
        if status in (401, 403):
            message = (
                f"{self.endpoint} refuses the API key (HTTP {status}); "
                "check AS_API_KEY, and that it belongs to this endpoint"
            )
        elif 300 <= status < 400:
            message = (
                f"{self.endpoint} answers {method} {path} with a redirect (HTTP {status}); check the endpoint"
            )
        else:
            # A gateway may print the request that it could not handle, headers and all.
            reason = _shorten(str(detail or answer.text).replace(self._api_key.get_secret_value(), "***"))
            message = f"{self.endpoint} answers {method} {path} with HTTP {status}: {reason}"
        raise ApiError(
            message,
            status,
            transient=is_transient(status, answer.text),
            retry_after_s=parse_retry_after(answer.headers.get("Retry-After")),
            detail=detail,
        )

    def _nonsense(self, path: str) -> ApiError:
        return ApiError(
            f"{self.endpoint}{path} gave an answer that is not Atomscale's; check the endpoint",
            transient=True,
        )

    def _entries(self, answer: Any, path: str) -> list[dict[str, Any]]:
        if not isinstance(answer, list) or not all(
            isinstance(entry, dict) and "id" in entry and "name" in entry for entry in answer
        ):
            raise self._nonsense(path)
        return answer

    def _text(self, answer: Any, path: str, *keys: str) -> str:
        if isinstance(answer, dict):
            for key in keys:
                if isinstance(answer.get(key), str) and answer[key]:
                    return str(answer[key])
        raise self._nonsense(path)


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without their like, or a port that is none
        return False


def _place(url: str) -> str:
    """The part of a presigned URL that is no secret."""
    try:
        return urlsplit(url).hostname or "the upload URL"
    except ValueError:
        return "the upload URL"


def _cause(error: requests.RequestException) -> str:
    """Put a transport error in words, without the URL that requests repeats (it may be a signed one)."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT_S:.0f} s"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS handshake failed; check the endpoint, the system's clock and its certificates"
    text = repr(error)
    for sign, words in (
        ("Connection refused", "connection refused"),
        ("actively refused", "connection refused"),
        ("NameResolutionError", "the host name is not known"),
        ("unreachable", "the network is unreachable"),
        ("reset", "the connection was reset"),
        ("RemoteDisconnected", "the server closed the connection"),
        ("ProxyError", "the proxy failed"),
    ):
        if sign in text:
            return words
    return f"the connection failed ({type(error).__name__})"


def _shorten(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."
