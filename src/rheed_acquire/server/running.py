"""Running the server: its socket, its threads, its end."""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rheed_acquire.system.addresses import base_url, is_unspecified
from rheed_acquire.system.listening import listen

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from werkzeug.routing import Rule

    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.server.app import Endpoints
    from rheed_acquire.server.audit import Audit
    from rheed_acquire.server.catalogue import Catalogue
    from rheed_acquire.server.figures import Figures
    from rheed_acquire.server.keys import Keys
    from rheed_acquire.server.streams import Streams

    MakePages: TypeAlias = Callable[[Path | BucketPath, Streams[Any], Audit, Keys], Iterable[Rule]]

_LONGEST_CHECK_INTERVAL_S = 60.0
_LOOK_INTERVAL_S = 2.0
"""Between two looks at what has been uploaded into a bucket."""
_SIGNAL_CHECK_S = 0.5
_FILES = 4096
"""Open at once: connections that wait, are queued or answered, the files of uploads, locks of streams."""


@dataclass(frozen=True)
class _Serving:
    """What answers, what looks at its streams from time to time, and what lets go of them at the end."""

    endpoints: Endpoints[Any]
    streams: Streams[Any]
    look: Callable[[], None]
    look_every_s: float
    release: Callable[[], None]


class _Shared(NamedTuple):
    """What is the same wherever runs are kept."""

    catalogue: Catalogue
    keys: Keys
    closing: Executor
    audit: Audit
    figures: Figures


def endpoint_of(host: str, port: int) -> str:
    """Write the base URL by which this machine reaches a server that listens on ``host``."""
    if is_unspecified(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return base_url(host, port)


def run(
    place: Path | BucketPath,
    host: str,
    port: int,
    api_key: str | None,
    on_ready: Callable[[int], None],
    close_after_s: float | None = None,
    wait_for_end: Callable[[], None] | None = None,
    tls: ssl.SSLContext | None = None,
    *,
    takes_kept_keys: bool = False,
    make_pages: MakePages | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM, or until ``wait_for_end`` returns.

    Call from the main thread.

    Parameters
    ----------
    place
        Where runs are kept: a folder, or a place in a bucket.
    api_key
        A key that may do everything; None for none.
    on_ready
        Called with the port once requests are answered.
    close_after_s
        Silence after which a stream is closed; None for the protocol's two hours.
    wait_for_end
        Blocks, in a thread of its own, until the server should end.
    tls
        The certificate to show, for HTTPS; None for plain HTTP.
    takes_kept_keys
        Whether the keys that are kept with the runs are taken too.
    make_pages
        Says what the server answers beside the protocol: called with the place, its streams, audit and keys.

    Raises
    ------
    RheedAcquireError
        It cannot listen there, or cannot write to the place.
    """
    _allow_files()
    listener = listen(host, port)
    with listener:
        # Only now: a port in use is told at once, and listing the command's help needs none of this.
        from rheed_acquire.server.app import create_app
        from rheed_acquire.server.audit import Audit
        from rheed_acquire.server.catalogue import Catalogue
        from rheed_acquire.server.documents import documents_of
        from rheed_acquire.server.figures import Figures
        from rheed_acquire.server.http_server import HttpServer
        from rheed_acquire.server.keys import KeyBook, Keys

        end = threading.Event()

        def end_when_told(wait: Callable[[], None]) -> None:
            wait()
            end.set()

        with ThreadPoolExecutor(2, "closing") as closing, _signals_set(end):
            documents = documents_of(place)
            keys = Keys(api_key, KeyBook(documents) if takes_kept_keys else None)
            shared = _Shared(Catalogue(documents), keys, closing, Audit(documents), Figures())
            if isinstance(place, Path):
                serving = _local(place, shared, close_after_s)
            else:
                serving = _of_site(place, shared, close_after_s)

            def look_at_streams() -> None:
                serving.look()
                while not end.wait(serving.look_every_s):
                    serving.look()

            silence = threading.Thread(target=look_at_streams, name="streams")
            silence.start()
            if wait_for_end is not None:
                threading.Thread(target=end_when_told, args=(wait_for_end,), daemon=True).start()
            try:
                pages = make_pages(place, serving.streams, shared.audit, keys) if make_pages else ()
                with HttpServer(listener, create_app(serving.endpoints, pages), tls):
                    on_ready(listener.getsockname()[1])
                    # With a limit: on Windows a wait without one would not hear of Ctrl-C.
                    while not end.wait(_SIGNAL_CHECK_S):
                        pass
            finally:
                end.set()
                silence.join()
        serving.release()


def _local(directory: Path, shared: _Shared, close_after_s: float | None) -> _Serving:
    from rheed_acquire.server.app import LocalEndpoints
    from rheed_acquire.server.store import CLOSE_AFTER_S, StreamStore
    from rheed_acquire.server.uploads import UploadTickets

    close_after_s = CLOSE_AFTER_S if close_after_s is None else close_after_s
    store = StreamStore(directory, close_after_s, shared.audit)
    endpoints = LocalEndpoints(store, *shared, UploadTickets())
    every_s = min(_LONGEST_CHECK_INTERVAL_S, close_after_s / 4)
    return _Serving(endpoints, store, store.close_silent, every_s, store.release)


def _of_site(place: BucketPath, shared: _Shared, close_after_s: float | None) -> _Serving:
    from rheed_acquire.server.site import CLOSE_AFTER_S, SiteEndpoints, SiteStreams

    close_after_s = CLOSE_AFTER_S if close_after_s is None else close_after_s
    streams = SiteStreams(place, close_after_s, shared.audit, shared.figures)
    endpoints = SiteEndpoints(streams, *shared)
    return _Serving(endpoints, streams, streams.look, min(_LOOK_INTERVAL_S, close_after_s / 4), lambda: None)


def _allow_files() -> None:
    """Let the process have as many files open as it may need, where the system's default is low."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # fewer will do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _signals_set(end: threading.Event) -> Iterator[None]:
    """Have Ctrl-C and whatever else ends a server set an event."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        end.set()

    previous = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
