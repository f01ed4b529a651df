"""Where a server keeps runs, as the commands ``serve ...`` are told: in a folder, or in a bucket."""

from __future__ import annotations

import argparse
from pathlib import Path

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.bucket_path import BucketPath, is_bucket_url
from rheed_acquire.system.long_paths import with_room_below


def add_place(parser: argparse.ArgumentParser) -> None:
    """Have a command take ``--dir`` and ``--store``."""
    parser.add_argument(
        "--dir", type=_folder, metavar="DIR", help="folder where runs are kept (default: runs)"
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="keep runs in a bucket of an S3-compatible object store, s3://BUCKET/PREFIX, to which clients "
        "upload by themselves; its credentials are the variables AWS_...",
    )


def place_of(given: argparse.Namespace) -> Path | BucketPath:
    """Where runs are kept.

    Raises
    ------
    SettingsError
        Both are given, or the URL is no bucket's.
    """
    if given.store is not None and given.dir is not None:
        raise SettingsError("runs are kept in a folder, --dir, or in a bucket, --store; give one of them")
    return BucketPath(given.store) if given.store is not None else with_room_below(given.dir or Path("runs"))


def _folder(text: str) -> Path:
    if is_bucket_url(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no folder on a disk: a bucket is given by --store")
    return Path(text)
