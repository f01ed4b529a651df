"""``rheed-acquire serve``: the local server by hand, in the foreground."""

from __future__ import annotations

import logging
import secrets
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rheed_acquire.errors import SettingsError
from rheed_acquire.server.reachable import client_urls
from rheed_acquire.server.running import run
from rheed_acquire.system.addresses import is_loopback
from rheed_acquire.system.terminal import write_line, write_note
from rheed_acquire.text.printable_text import LineFormatter

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.server.running import MakePages

_SHORTEST_KEY = 16
_FEWEST_CHARACTERS = 6


def serve(
    place: Path | BucketPath,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: SecretStr | None = None,
    close_after_s: float | None = None,
    tls: ssl.SSLContext | None = None,
    make_pages: MakePages | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM.

    What a client needs goes to stdout in the form of a ``.env`` file: ``AS_API_ENDPOINT=...`` and, only where
    the key was made here, ``AS_API_KEY=...``. Everything else goes to stderr. The keys that are kept with the
    runs are taken too.

    Parameters
    ----------
    place
        Where the runs are kept: a folder, made where it is not there, or a place in a bucket.
    host
        What to listen on; anything but a loopback address lets other machines in.
    port
        0 takes any that is free.
    api_key
        A key that may do everything; None makes a random one, unless there are keys with the runs.
    close_after_s
        Silence after which a stream is closed, in seconds; None for the protocol's two hours.
    tls
        The certificate to show, for HTTPS; None for plain HTTP.
    make_pages
        As of `running.run`.

    Returns
    -------
    int
        The exit code, 0.

    Raises
    ------
    SettingsError
        The key could be guessed.
    RheedAcquireError
        It cannot listen there, cannot write to the place, or cannot read its keys.
    """
    from rheed_acquire.server.documents import documents_of
    from rheed_acquire.server.keys import KeyBook

    if api_key is not None:
        _refuse_weak(api_key)
        key: str | None = api_key.get_secret_value()
    elif KeyBook(documents_of(place)).kept():
        key = None
    else:
        key = secrets.token_urlsafe(32)

    def ready(bound_port: int) -> None:
        first, *others = client_urls(host, bound_port, has_tls=tls is not None)
        write_line(f"AS_API_ENDPOINT={first}")
        if api_key is None and key is not None:
            write_line(f"AS_API_KEY={key}")
        if others:
            write_note(f"Also at {', '.join(others)}.")
        if tls is None and not is_loopback(host):
            write_note(
                "warning: what clients send, their key included, crosses the network in cleartext: give "
                "--tls-cert and --tls-key, or trust everybody in that network"
            )
        write_note(f"Serving; runs are kept in {place.absolute()}. Ctrl-C ends.")

    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    run(place, host, port, key, ready, close_after_s, tls=tls, takes_kept_keys=True, make_pages=make_pages)
    return 0


def _refuse_weak(api_key: SecretStr) -> None:
    """Refuse a key that others could guess, or that no client could show.

    Raises
    ------
    SettingsError
        The key is too short, or almost all of it is one character, or it cannot be a header's value.
    """
    key = api_key.get_secret_value()
    if not key.isascii() or not key.isprintable() or " " in key:
        why = "has characters that clients cannot send: use letters, digits and signs of ASCII"
    elif len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_CHARACTERS:
        why = f"could be guessed: take at least {_SHORTEST_KEY} characters at random"
    else:
        return
    raise SettingsError(
        f'the key (AS_API_KEY) {why}, as python -c "import secrets; print(secrets.token_urlsafe(32))" prints '
        "them, or leave it out and one is made"
    )
