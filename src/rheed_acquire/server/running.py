"""Running the server: its socket, its threads, its end."""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rheed_acquire.system.addresses import base_url, is_unspecified
from rheed_acquire.system.listening import listen

_LONGEST_CHECK_INTERVAL_S = 60.0
_SIGNAL_CHECK_S = 0.5
_FILES = 4096
"""Open at once: connections that wait, are queued or answered, the files of uploads, locks of streams."""


def endpoint_of(host: str, port: int) -> str:
    """Write the base URL by which this machine reaches a server that listens on ``host``."""
    if is_unspecified(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return base_url(host, port)


def run(
    directory: Path,
    host: str,
    port: int,
    api_key: str,
    on_ready: Callable[[int], None],
    close_after_s: float | None = None,
    wait_for_end: Callable[[], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM, or until ``wait_for_end`` returns.

    Call from the main thread.

    Parameters
    ----------
    on_ready
        Called with the port once requests are answered.
    close_after_s
        Silence after which a stream is closed; None for the protocol's two hours.
    wait_for_end
        Blocks, in a thread of its own, until the server should end.
    tls
        The certificate to show, for HTTPS; None for plain HTTP.

    Raises
    ------
    RheedAcquireError
        It cannot listen there, or cannot write to the directory.
    """
    _allow_files()
    listener = listen(host, port)
    with listener:
        # Only now: a port in use is told at once, and listing the command's help needs none of this.
        from rheed_acquire.server.app import ApiKey, Endpoints, create_app
        from rheed_acquire.server.catalogue import Catalogue
        from rheed_acquire.server.http_server import HttpServer
        from rheed_acquire.server.store import CLOSE_AFTER_S, StreamStore
        from rheed_acquire.server.uploads import UploadTickets

        close_after_s = CLOSE_AFTER_S if close_after_s is None else close_after_s
        store = StreamStore(directory, close_after_s)
        end = threading.Event()

        def close_silent_streams() -> None:
            interval = min(_LONGEST_CHECK_INTERVAL_S, close_after_s / 4)
            store.close_silent()
            while not end.wait(interval):
                store.close_silent()

        def end_when_told(wait: Callable[[], None]) -> None:
            wait()
            end.set()

        with ThreadPoolExecutor(2, "closing") as closing, _signals_set(end):
            endpoints = Endpoints(store, Catalogue(directory), ApiKey(api_key), closing, UploadTickets())
            silence = threading.Thread(target=close_silent_streams, name="silent-streams")
            silence.start()
            if wait_for_end is not None:
                threading.Thread(target=end_when_told, args=(wait_for_end,), daemon=True).start()
            try:
                with HttpServer(listener, create_app(endpoints), tls):
                    on_ready(listener.getsockname()[1])
                    # With a limit: on Windows a wait without one would not hear of Ctrl-C.
                    while not end.wait(_SIGNAL_CHECK_S):
                        pass
            finally:
                end.set()
                silence.join()
        store.release()


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
