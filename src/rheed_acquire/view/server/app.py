"""The view's ASGI application: the page's files, its WebSocket, the metrics, the station's interface."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from rheed_acquire.view.page_files import PAGE
from rheed_acquire.view.server.api import Interface, http_problem
from rheed_acquire.view.server.event_client import MOST_CLIENTS, TRY_AGAIN_LATER
from rheed_acquire.view.server.live_view import LiveView
from rheed_acquire.view.server.metrics import CONTENT_TYPE, RunCollector, metrics_text
from rheed_acquire.view.server.page_client import PageClient
from rheed_acquire.view.server.security import Gate

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _page_files() -> Mapping[str, tuple[bytes, str]]:
    """Every file of the page by its path in the URL: nothing else can be asked for."""
    return {
        "/" + path.relative_to(PAGE).as_posix(): (path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in PAGE.rglob("*")
        if path.suffix in _MEDIA_TYPES
    }


def create_app(view: LiveView, host: str, port: int, token: str, ticket: str | None) -> ASGIApp:
    """Make the application, guarded (see `rheed_acquire.view.server.security.Gate`)."""
    files = _page_files()
    collector = RunCollector(lambda: view.state, view.history)

    async def page_file(request: Request) -> Response:
        path = request.url.path
        content, media_type = files["/index.html" if path == "/" else path]
        return Response(content, media_type=media_type)

    async def metrics(request: Request) -> Response:  # noqa: ARG001
        return Response(metrics_text(collector), headers={"Content-Type": CONTENT_TYPE})

    async def live(websocket: WebSocket) -> None:
        if len(view.listeners) >= MOST_CLIENTS:
            await websocket.accept()
            await websocket.close(TRY_AGAIN_LATER, f"{MOST_CLIENTS} pages are open already")
            return
        await PageClient(view, websocket).serve()

    app = Starlette(
        routes=[
            Route("/", page_file),
            *(Route(path, page_file) for path in files),
            Route("/metrics", metrics),
            WebSocketRoute("/live", live),
            *Interface(view).routes(),
        ],
        exception_handlers={HTTPException: http_problem},
    )
    app.router.redirect_slashes = False
    return Gate(app, host, port, token, ticket)
