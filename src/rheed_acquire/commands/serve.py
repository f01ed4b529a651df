"""``rheed-acquire serve``: the local server, in the foreground."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from rheed_acquire.commands.parser import Parser
from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.bucket_path import BucketPath, is_bucket_url
from rheed_acquire.server.serve import serve
from rheed_acquire.server.tls import load_certificate
from rheed_acquire.system.long_paths import with_room_below


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


def _folder(text: str) -> Path:
    if is_bucket_url(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no folder on a disk: a bucket is given by --store")
    return Path(text)


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    parser = Parser(
        prog="rheed-acquire serve",
        description="Run the local Atomscale-compatible server. What a client needs to find it is printed in "
        "the form of a .env file. The key is AS_API_KEY's where that is set, else a random one.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dir", type=_folder, metavar="DIR", help="folder where runs are kept (default: runs)"
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="keep runs in a bucket of an S3-compatible object store, s3://BUCKET/PREFIX, to which clients "
        "upload by themselves; its credentials are the variables AWS_...",
    )
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
    if given.store is not None and given.dir is not None:
        raise SettingsError("runs are kept in a folder, --dir, or in a bucket, --store; give one of them")
    place = BucketPath(given.store) if given.store is not None else with_room_below(given.dir or Path("runs"))
    return serve(place, given.host, given.port, SecretStr(key) if key else None, tls=tls)
