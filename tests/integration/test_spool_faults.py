"""A spool that fails in one place, or for a while, costs what lay there alone."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

CHUNK_SIZE = 20


def test_a_quarantine_that_cannot_be_made_costs_its_chunk_alone(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = connect(service, upload_workers=2)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    folder = tmp_path / "spool" / data_id
    (folder / "quarantine").write_text("a file where the folder should be")
    service.fail("presign", 503, times=100_000)
    for number in range(6):
        streamer.push(data_id, number, make_frames(CHUNK_SIZE, seed=number))
        if number < 3:
            wait_for(folder / "shards" / f"{number}.json")
            (folder / "shards" / f"{number}.shard").write_bytes(b"damaged")
    service.recover()
    report = streamer.finalize(data_id, drain_timeout_s=60.0)
    lost = dict(report["lost"])
    assert set(lost) <= {0, 1, 2}
    assert lost
    assert all("cannot be set aside" in reason for reason in lost.values())
    assert report["chunks_uploaded"] == 6 - len(lost)
    assert report["chunks_pending"] == 0


def test_a_spool_that_is_away_for_a_while_costs_nothing(
    service: FaultServer, connect: Connect, make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = connect(service, upload_workers=2)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    folder = tmp_path / "spool" / data_id
    away = tmp_path / "away"
    service.fail("presign", 503, times=100_000)
    for number in range(3):
        streamer.push(data_id, number, make_frames(CHUNK_SIZE, seed=number))
        wait_for(folder / "shards" / f"{number}.json")
    folder.rename(away)
    service.recover()
    while "not there at present" not in (streamer.status(data_id).last_error or ""):
        threading.Event().wait(0.005)
    # Written nowhere else meanwhile, and uploaded from memory.
    streamer.push(data_id, 3, make_frames(CHUNK_SIZE, seed=3))
    while (data_id, 3) not in service.shards:
        threading.Event().wait(0.005)
    away.rename(folder)
    report = streamer.finalize(data_id, drain_timeout_s=60.0)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (4, [], True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120.0
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.002)
