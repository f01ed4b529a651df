"""The archiver says what holds an archive up, by what it has measured."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheed_acquire.findings import FindingCode
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.recording.archive import Archive, free_folder
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.run.archiver import Archiver
from rheed_acquire.run.report import Journal

FPS, SIZE = 1000.0, 4
DATA_ID = "00000001-0000-4000-8000-000000000000"


class SlowCodec:
    """Compresses slowly."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def encode(self, frame: Any) -> bytes:
        time.sleep(0.1)
        return bytes(self._codec.encode(frame))


def chunk_of(index: int) -> Chunk:
    numbers = index * SIZE + np.arange(SIZE)
    return Chunk(
        index,
        pixels=np.full((SIZE, 6, 8), index, np.uint16),
        form=FrameForm(6, 8, "Mono12"),
        frame_ids=numbers,
        timestamps_ns=numbers * 1_000_000,
        host_ns=numbers * 1_000_000,
        capture_start_ms_utc=1_700_000_000_000.0 + index,
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    declared = StreamDeclaration("growth", FPS, 0.0, None, None, None)
    folder = free_folder(tmp_path, declared.name, DATA_ID, datetime(2026, 11, 28, tzinfo=UTC))
    return Archive.create(folder, DATA_ID, declared, FrameForm(6, 8, "Mono12"))


def missed_by(archive: Archive) -> tuple[str, str]:
    """Give an archiver with room for one chunk three at once; what its run is told, and what to do."""
    journal = Journal()
    archiver = Archiver(archive, SIZE, lambda at: at, journal, 1, Patience(), stops_run=False, waits=False)
    for index in range(3):
        archiver.put(chunk_of(index))
    archiver.start()
    archiver.end()
    archiver.finish(60.0)
    (problem,) = journal.problems
    assert problem.code == FindingCode.NOT_ARCHIVED
    assert (archiver.frames, archiver.frames_missed) == (SIZE, 2 * SIZE)
    return problem.text, problem.advice


def test_where_the_processor_is_slow_that_is_said_and_not_the_disk(archive: Archive) -> None:
    archive._codec = SlowCodec(archive._codec)
    archive._writer.commit = lambda *_, **__: None  # type: ignore[method-assign]
    text, advice = missed_by(archive)
    assert "8: this computer's processor is slower than the camera: compressing takes" in text
    assert "and one comes every 1 ms" in text
    assert "smaller region" in advice


def test_where_the_disk_is_slow_that_is_said(archive: Archive) -> None:
    commit = archive._writer.commit

    def slowly(*arguments: Any, **named: Any) -> None:
        time.sleep(0.4)
        commit(*arguments, **named)

    archive._writer.commit = slowly  # type: ignore[method-assign]
    text, advice = missed_by(archive)
    assert "8: its disk is slower than the camera: compressing takes" in text
    assert advice == FindingCode.NOT_ARCHIVED.advice
