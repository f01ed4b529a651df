"""A server with its overview, in this process, over a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.server.conftest import Client

from rheed_acquire.overview.pages import Overview
from rheed_acquire.server.app import Endpoints, LocalEndpoints, create_app
from rheed_acquire.server.audit import Audit
from rheed_acquire.server.catalogue import Catalogue
from rheed_acquire.server.documents import documents_of
from rheed_acquire.server.figures import Figures
from rheed_acquire.server.http_server import HttpServer
from rheed_acquire.server.keys import KeyBook, Keys, Right
from rheed_acquire.server.site import SiteEndpoints, SiteStreams
from rheed_acquire.server.store import StreamStore
from rheed_acquire.server.uploads import UploadTickets
from rheed_acquire.system.listening import listen

if TYPE_CHECKING:
    from rheed_acquire.recording.run_path import RunPath


@dataclass(frozen=True)
class Serving:
    """A server that answers, and its keys by what they may do."""

    endpoint: str
    streams: Any
    audit: Audit
    stream_key: str
    read_key: str

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = Client(self.endpoint, self.stream_key)
        with client.session:
            yield client


@contextmanager
def serving(place: RunPath) -> Iterator[Serving]:
    documents = documents_of(place)
    book, audit, figures = KeyBook(documents), Audit(documents), Figures()
    stream_key = book.add("chamber-1", [Right.STREAM], most_streams=1000, requests_s=1000.0)
    read_key = book.add("wall", [Right.READ], requests_s=1000.0)
    keys, catalogue = Keys(None, book), Catalogue(documents)
    with ThreadPoolExecutor(2) as closing, listen("127.0.0.1", 0) as listener:
        streams: Any
        endpoints: Endpoints[Any]
        if isinstance(place, Path):
            streams = StreamStore(place, audit=audit)
            endpoints = LocalEndpoints(streams, catalogue, keys, closing, audit, figures, UploadTickets())
        else:
            streams = SiteStreams(place, audit=audit, figures=figures)
            endpoints = SiteEndpoints(streams, catalogue, keys, closing, audit, figures)
        pages = Overview(place, streams, audit, keys).rules()
        with HttpServer(listener, create_app(endpoints, pages)):
            endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Serving(endpoint, streams, audit, stream_key, read_key)
