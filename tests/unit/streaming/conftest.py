"""Streams and shards to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.sidecar import SpooledShard
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.stream_record import StreamRecord


@pytest.fixture(scope="session")
def make_record() -> Callable[..., StreamRecord]:
    def make(data_id: str = "growth-1", created: float = 1_700_000_000.0, **changes: Any) -> StreamRecord:
        arguments: dict[str, Any] = {
            "server": "https://api.example",
            "name": "Growth",
            "fps": 10.0,
            "rotations_per_min": 0.0,
            "chunk_size": 20,
        }
        return StreamRecord(data_id=data_id, created_unix_s=created, **arguments | changes)

    return make


@pytest.fixture(scope="session")
def make_shard() -> Callable[..., SpooledShard]:
    def make(content: bytes, chunk_idx: int = 0, data_id: str = "growth-1") -> SpooledShard:
        body = {"data_id": data_id, "dims": "1,2,3", "start_unix_ms_utc": "1700000000000"}
        stamps = {"frame_ids": [7], "timestamps_ns": [-1], "host_ns": [9]}
        return SpooledShard(data_id, chunk_idx, len(content), 1, body, stamps)

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def open_spool(root: Path) -> Iterator[Callable[..., Spool]]:
    """Open the spool as one more process would; all are closed with the test."""
    opened: list[Spool] = []

    def open_spool(**limits: Any) -> Spool:
        opened.append(Spool(root, SpoolLimits(**{"keep_free_bytes": 0} | limits)))
        return opened[-1]

    yield open_spool
    for spool in opened:
        spool.close()
