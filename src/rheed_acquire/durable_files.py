"""Files that are whole at every instant, on every platform, and still there after the power went."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

_WINDOWS_REPLACE_ATTEMPTS = 40
_WINDOWS_REPLACE_PAUSE_S = 0.05


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target``, in one step for every reader.

    On Windows a target that a reader has open cannot be replaced: for two seconds that is tried again.
    """
    if sys.platform == "win32":
        for _ in range(_WINDOWS_REPLACE_ATTEMPTS):
            try:
                source.replace(target)
            except PermissionError:
                time.sleep(_WINDOWS_REPLACE_PAUSE_S)
            else:
                return
    source.replace(target)


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable; Windows knows no such call, and its NTFS journals names."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durable_directory(directory: Path, root: Path) -> None:
    """Make ``directory`` and what is missing between it and the existing ``root``, durably."""
    made = []
    step = directory
    while step != root and not step.exists():
        made.append(step)
        step = step.parent
    directory.mkdir(parents=True, exist_ok=True)
    for step in made:
        sync_directory(step.parent)


def put_durably(source: Path, target: Path, root: Path) -> None:
    """Rename the synced file ``source`` to ``target`` somewhere under ``root``; on return it will survive."""
    make_durable_directory(target.parent, root)
    replace(source, target)
    sync_directory(target.parent)


def write_atomically(target: Path, data: bytes, staging: Path, *, durable: bool) -> None:
    """Write a file that no reader ever sees half written.

    Parameters
    ----------
    staging
        Folder on the same file system where the file is written before it is renamed. Not the folder of
        ``target``: a left-over there would be an unknown object in a Zarr hierarchy.
    durable
        Whether it must survive loss of power from the return on.
    """
    staging.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = staging / f"{target.name}.{secrets.token_hex(8)}.part"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(target.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Append one line and sync it; a half line that a crash left before it is closed off first."""
    with path.open("ab") as file:
        if file.tell() > 0:
            with path.open("rb") as reader:
                reader.seek(-1, os.SEEK_END)
                if reader.read(1) != b"\n":
                    file.write(b"\n")
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> Any:
    """Read a JSON file, or None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
