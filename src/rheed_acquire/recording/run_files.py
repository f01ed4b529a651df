"""The small files of a run, which tell what it is: read without zarr-python, and without any frame."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.layout import FRAMES, GROUP, STREAM_FILE
from rheed_acquire.recording.run_path import RunPath


def find_group(path: RunPath) -> RunPath:
    """Where the Zarr group of a run lies that is given by its folder or by the group itself.

    Raises
    ------
    RheedAcquireError
        The store does not tell.
    """
    try:
        return path if (path / "zarr.json").is_file() else path / GROUP
    except OSError as error:
        raise RheedAcquireError(f"{path} cannot be read: {error.strerror}") from None


def has_recording(folder: RunPath) -> bool:
    """Whether there is a Zarr group in a run's folder.

    Raises
    ------
    RheedAcquireError
        The store does not tell.
    """
    try:
        return (folder / GROUP).is_dir()
    except OSError as error:
        raise RheedAcquireError(f"{folder} cannot be read: {error.strerror}") from None


def read_attributes(path: RunPath) -> dict[str, Any]:
    """Read what a recording says of itself, without zarr-python.

    Parameters
    ----------
    path
        The run's folder, or the ``frames.zarr`` in it.

    Raises
    ------
    RheedAcquireError
        There is none, or it cannot be read.
    """
    file = find_group(path) / "zarr.json"
    try:
        attributes = json.loads(file.read_bytes())["attributes"]
    except FileNotFoundError:
        raise _no_recording(path) from None
    except OSError as error:
        raise RheedAcquireError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        attributes = None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("fps"), int | float):
        raise RheedAcquireError(f"{file} is not a run's: it does not say its frame rate")
    return attributes


def _no_recording(path: RunPath) -> RheedAcquireError:
    with contextlib.suppress(OSError):
        if not path.is_dir():
            return RheedAcquireError(f"there is no folder {path}")
    return RheedAcquireError(
        f"{path} holds no recording: there is no {GROUP} in it (a run to a server elsewhere keeps its frames "
        "there)"
    )


def read_stream(folder: RunPath) -> dict[str, Any] | None:
    """Read what the local server knows of the stream in a run's folder; None where that cannot be told."""
    try:
        stream = json.loads((folder / STREAM_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return stream if isinstance(stream, dict) else None


def stored_bytes(folder: RunPath) -> int:
    """How long the shards of a run's frames are together.

    Raises
    ------
    OSError
        Disk or store do not tell.
    """
    shards = folder / GROUP / FRAMES / "c"
    if isinstance(shards, Path):
        return sum(file.stat().st_size for file in shards.rglob("*") if file.is_file())
    return shards.bytes_below()
