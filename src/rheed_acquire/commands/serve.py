"""``rheed-acquire serve``: the local server, in the foreground."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from rheed_acquire.commands.parser import Parser
from rheed_acquire.commands.serve_place import add_place, place_of
from rheed_acquire.server.serve import serve
from rheed_acquire.server.tls import load_certificate

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.server.audit import Audit
    from rheed_acquire.server.keys import Keys
    from rheed_acquire.server.streams import Streams


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port number, which is 0 (any that is free) to 65535"
        )
    return port


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C, or do what is asked with the keys or with old runs."""
    if arguments[:1] == ["keys"]:
        from rheed_acquire.commands import serve_keys

        return serve_keys.main(arguments[1:])
    if arguments[:1] == ["prune"]:
        from rheed_acquire.commands import serve_prune

        return serve_prune.main(arguments[1:])
    parser = Parser(
        prog="rheed-acquire serve",
        description="Run the local Atomscale-compatible server. What a client needs to find it is printed in "
        'the form of a .env file. Keys that are taken: those of "rheed-acquire serve keys", and that of '
        "AS_API_KEY, which may do everything; without any a random one is made. "
        '"rheed-acquire serve prune" deletes old runs. Each of the two has --help.',
        allow_abbrev=False,
    )
    add_place(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; any but a loopback one lets other computers in, 0.0.0.0 and :: by all "
        "interfaces (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="PORT", help="port to listen on (default: any that is free)"
    )
    parser.add_argument(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="certificate to serve HTTPS with, PEM, the chain behind it (default: plain HTTP)",
    )
    parser.add_argument(
        "--tls-key",
        type=Path,
        metavar="FILE",
        help="private key of the certificate, PEM, without a passphrase",
    )
    given = parser.parse_args(arguments)
    tls = load_certificate(given.tls_cert, given.tls_key)
    key = os.environ.get("AS_API_KEY") or os.environ.get("ATOMSCALE_API_KEY")
    secret = SecretStr(key) if key else None
    return serve(place_of(given), given.host, given.port, secret, tls=tls, make_pages=_overview)


def _overview(place: Path | BucketPath, streams: Streams[Any], audit: Audit, keys: Keys) -> Iterable[Rule]:
    from rheed_acquire.overview.pages import Overview

    return Overview(place, streams, audit, keys).rules()
