"""The interface's document in the documentation is that of the code."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.routing import Route, WebSocketRoute

from rheed_acquire.view.interface import PREFIX
from rheed_acquire.view.server.api import Interface
from rheed_acquire.view.server.live_view import LiveView
from rheed_acquire.view.server.openapi import openapi_document

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "station.openapi.json"
WRITE = (
    'python -c "import json; from rheed_acquire.view.server.openapi import openapi_document; '
    f'print(json.dumps(openapi_document(), indent=2))" > docs/reference/{DOCUMENT.name}'
)


def test_the_document_in_the_documentation_is_the_codes() -> None:
    assert json.loads(DOCUMENT.read_text(encoding="utf-8")) == openapi_document(), f"write it anew: {WRITE}"


def test_the_document_has_every_route_with_its_methods_and_no_other() -> None:
    view = LiveView(lambda content: None)
    routes: set[tuple[str, str]] = set()
    for route in Interface(view).routes():
        if isinstance(route, Route):
            routes |= {
                (route.path, method.lower()) for method in (route.methods or ()) if method not in ("HEAD",)
            }
        elif isinstance(route, WebSocketRoute):
            routes.add((route.path, "get"))
    view.close()
    documented = {
        (PREFIX + path, method) for path, methods in openapi_document()["paths"].items() for method in methods
    }
    assert documented == routes


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(openapi_document())
    names = openapi_document()["components"]["schemas"]
    pieces = text.split('"#/components/schemas/')[1:]
    assert pieces
    assert {piece.partition('"')[0] for piece in pieces} <= set(names)
