"""What the server keeps beside the runs and is not any one stream's.

``.server/`` in the runs directory: ``samples.json``, ``tags.json``, ``projects.json``, and
``open/<data_id>.json`` for every stream that is not closed, so that a start does not read every run.
"""

from __future__ import annotations

from pathlib import Path


def server_folder(directory: Path) -> Path:
    """Where the server keeps what is not any one stream's."""
    return directory / ".server"


def open_streams_folder(directory: Path) -> Path:
    """Where a small file for each open stream lies."""
    return server_folder(directory) / "open"
