"""What becomes of an archive whose process has died before its first frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming.stream_folder import StreamFolder

if TYPE_CHECKING:
    from tests.integration.conftest import Connect

CHUNK_SIZE, SHAPE = 20, (6, 8)


def leave(connect: Connect, server: LocalServer, spool: Path, archive: Path, frames: int = 0) -> None:
    """Leave a stream as a process does that is killed once its ring is made."""
    streamer = connect(server)
    streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    streamer.close()
    (path,) = spool.iterdir()
    folder = StreamFolder.take(path)
    assert folder is not None
    buffer = folder.ring.make(4, CHUNK_SIZE, *SHAPE, 0, form=ChunkForm(archive=archive)).acquire()
    assert buffer is not None
    if frames:
        buffer.begin(0)
        buffer.append(np.zeros((frames, *SHAPE), np.uint8))
    folder.close(delete=False)


@pytest.mark.parametrize("is_half_made", [False, True])
def test_an_archive_that_was_never_made_is_not_missed_and_leaves_nothing(
    connect: Connect, local_server: LocalServer, tmp_path: Path, *, is_half_made: bool
) -> None:
    spool, archive = tmp_path / "spool", tmp_path / "archives" / "growth-archive"
    leave(connect, local_server, spool, archive)
    if is_half_made:
        (archive / "frames.zarr").mkdir(parents=True)
    (report,) = connect(local_server).recover()
    assert (report["closed"], report["archive_trouble"]) == (True, None)
    assert list(spool.iterdir()) == []
    assert not archive.exists()


def test_an_archive_that_is_away_is_waited_for_where_a_frame_was_taken(
    connect: Connect, local_server: LocalServer, tmp_path: Path
) -> None:
    spool, archive = tmp_path / "spool", tmp_path / "archives" / "growth-archive"
    leave(connect, local_server, spool, archive, frames=3)
    for _ in range(2):
        (report,) = connect(local_server).recover()
        assert "is not there" in report["archive_trouble"]
    assert len(list(spool.iterdir())) == 1


def test_a_run_that_ends_before_its_archive_is_made_leaves_nothing_to_recover(
    connect: Connect, local_server: LocalServer, tmp_path: Path
) -> None:
    streamer = connect(local_server)
    data_id = streamer.initialize(10.0, 0.0, CHUNK_SIZE)
    ring = streamer.open_ring(data_id, 4, *SHAPE, ChunkForm(archive=tmp_path / "archives" / "growth-archive"))
    assert ring.for_archive == 2
    streamer.finalize(data_id)
    assert list((tmp_path / "spool").iterdir()) == []
