"""``rheed-acquire serve``: the local server by hand, in the foreground."""

from __future__ import annotations

import logging
import secrets
import sys
from pathlib import Path

from pydantic import SecretStr

from rheed_acquire.server.running import endpoint_of, run


def serve(
    directory: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: SecretStr | None = None,
    close_after_s: float | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM.

    What a client needs goes to stdout in the form of a ``.env`` file: ``AS_API_ENDPOINT=...`` and, only where
    the key was made here, ``AS_API_KEY=...``. Everything else goes to stderr.

    Parameters
    ----------
    directory
        Where the runs are kept; made where it is not there.
    host
        What to listen on; anything but a loopback address lets other machines in.
    port
        0 takes any that is free.
    api_key
        The key that clients must show; None makes a random one.
    close_after_s
        Silence after which a stream is closed, in seconds; None for the protocol's two hours.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    RheedAcquireError
        It cannot listen there, or cannot write to the directory.
    """
    key = secrets.token_urlsafe(32) if api_key is None else api_key.get_secret_value()

    def ready(bound_port: int) -> None:
        print(f"AS_API_ENDPOINT={endpoint_of(host, bound_port)}")
        if api_key is None:
            print(f"AS_API_KEY={key}")
        sys.stdout.flush()
        print(f"Serving; runs are kept in {directory.absolute()}. Ctrl-C ends.", file=sys.stderr, flush=True)

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    run(directory, host, port, key, ready, close_after_s)
    return 0
