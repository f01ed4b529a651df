"""URLs of servers: which can be used, and what of them may be shown."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlsplit

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.error_bodies import shown_url


def is_http_url(url: str) -> bool:
    """Whether a request could go there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without their like, or a port that is none
        return False


def check_endpoint(endpoint: str) -> None:
    """Refuse what is no base URL.

    Raises
    ------
    StreamerError
        It is none, or it holds what is no part of one: a user name, a password, a query.
    """
    if not is_http_url(endpoint):
        raise StreamerError(
            f"the endpoint {shown_url(endpoint)!r} is not a URL such as https://api.atomscale.ai; "
            "set it by --endpoint or AS_API_ENDPOINT"
        )
    parts = urlsplit(endpoint)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise StreamerError(
            f"the endpoint {shown_url(endpoint)!r} must hold no user name, password or query; "
            "set it by --endpoint or AS_API_ENDPOINT, and the key by AS_API_KEY"
        )


def place_of(url: str) -> str:
    """The part of a presigned URL that is no secret."""
    try:
        return urlsplit(url).hostname or "the upload URL"
    except ValueError:
        return "the upload URL"


def secrets_of(url: str) -> list[str]:
    """What of a presigned URL nobody else may read: its query, and a token that is its last part."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query) if len(value) >= 6]
    token = parts.path.rpartition("/")[2]
    spelt = [*values, *(quote(value, safe="") for value in values), *([token] if len(token) >= 16 else [])]
    return [parts.query, *sorted(spelt, key=len, reverse=True)]
