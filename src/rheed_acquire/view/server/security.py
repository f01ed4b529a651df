"""Who may talk to the view: checked for every request and every WebSocket before anything else.

- ``Host`` must name this server. A page of an attacker whose name is made to resolve to this computer (DNS
  rebinding) gives the attacker's name there.
- ``Origin``, which a browser adds when another site's page makes it ask, must be the view itself.
- A token is needed, on this machine too, which may have other users: in the URL (``?token=``), from then on
  in a cookie, or as ``Authorization: Bearer`` (for Prometheus). A browser that is started with the view's URL
  shows a ticket in its place (``?ticket=``), which is good for one visit: others can read its command line.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rheed_acquire.system.addresses import may_be_called
from rheed_acquire.text.page_headers import PAGE_HEADERS

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    **PAGE_HEADERS,
    # One request a connection: what is idle can be told from what is slow, and is closed.
    "Connection": "close",
}

_GO_ON = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>RHEED view</title>
  <link rel="icon" href="data:,">
  <meta http-equiv="refresh" content="0; url=/">
</head>
<body><a href="/">RHEED view</a></body>
</html>
"""
_GO_ON_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""An icon that is asked for would be asked for in vain: the page goes on before the answer."""


class Gate:
    """Stands before the application and lets in who may.

    Parameters
    ----------
    host
        What the server listens on, as it was asked for.
    port
        Its port, which the cookie's name holds: cookies know hosts only.
    token
        Which every request must show.
    ticket
        That opens the page in its place, once; None for none.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, token: str, ticket: str | None) -> None:
        self._app, self._host = app, host
        self._token = token.encode()
        self._ticket = None if ticket is None else ticket.encode()
        self._cookie = f"rheed_view_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        headers = Headers(scope=scope)
        answer = self._refusal(headers, scope) or self._welcome(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                own = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    own.setdefault(name, value)
            await send(message)

        if answer is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await receive()
            await answer(scope, receive, send_with_headers)
        else:
            await answer(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, scope: Scope) -> Response | None:
        host = headers.get("host", "")
        if not may_be_called(_without_port(host), self._host):
            return _refuse(
                HTTPStatus.MISDIRECTED_REQUEST, "this view is reached by the address that the command printed"
            )
        origin = headers.get("origin")
        if origin is not None and not _same_origin(origin, host):
            return _refuse(HTTPStatus.FORBIDDEN, "another site's page may not use this view")
        shown = (*_in_query(scope, "token"), *self._in_cookie(headers), *_as_bearer(headers))
        if not _among(shown, self._token) and not self._takes_ticket(scope):
            return _refuse(
                HTTPStatus.UNAUTHORIZED,
                "this view needs its token: open the whole URL, with its ?token=, that rheed-acquire has "
                "printed after the word view in its terminal, or where its stderr goes",
            )
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Put the token of the first request into a cookie, and out of the address bar."""
        shown = (*_in_query(scope, "token"), *_in_query(scope, "ticket"))
        if not _asks_for_page(scope) or not shown:
            return None
        # Not a redirect: with SameSite=Strict none of another site's link would bring the cookie along.
        response = HTMLResponse(_GO_ON, headers={"Content-Security-Policy": _GO_ON_POLICY})
        response.set_cookie(self._cookie, self._token.decode(), httponly=True, samesite="strict")
        return response

    def _takes_ticket(self, scope: Scope) -> bool:
        if self._ticket is None or not _asks_for_page(scope) or scope["method"] != "GET":
            return False
        if not _among(_in_query(scope, "ticket"), self._ticket):
            return False
        self._ticket = None
        return True

    def _in_cookie(self, headers: Headers) -> list[str]:
        # Taken apart here: whatever other programs on this host have set, well formed or not, is in it too.
        pairs = (pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self._cookie]


def _refuse(status: HTTPStatus, text: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return PlainTextResponse(text + "\n", status, headers)


def _asks_for_page(scope: Scope) -> bool:
    is_page: bool = scope["type"] == "http" and scope["path"] == "/"
    return is_page


def _among(shown: Iterable[str], secret: bytes) -> bool:
    return any(hmac.compare_digest(one.encode("utf-8", "replace"), secret) for one in shown)


def _in_query(scope: Scope, wanted: str) -> list[str]:
    # Bounded by the header's length, which the server limits.
    fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [value for name, value in fields if name == wanted]


def _as_bearer(headers: Headers) -> list[str]:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return [shown.strip()] if scheme.lower() == "bearer" else []


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] or host


def _same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
