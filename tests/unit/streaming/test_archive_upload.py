"""An archive that waits for a bucket comes there once, whatever instant a process dies at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.object_store import Gate
from tests.unit.recording.test_archive import DATA_ID, HEIGHT, SIZE, WIDTH, chunk_of, frames_of
from tests.unit.recording.test_bucket_run import Died, DyingPath

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.recording.archive import Archive, is_closed
from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.recording.dataset import open_run
from rheed_acquire.recording.declarations import StreamDeclaration
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.regions.chunk_traces import measure_chunk
from rheed_acquire.regions.regions import Region
from rheed_acquire.streaming.archive_upload import ArchiveUpload, catch_up
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.waiting_archives import (
    WaitingArchive,
    archives_left,
    check_bucket,
    free_target,
    waiting_folder,
)

DECLARED = StreamDeclaration("growth", 120.0, 6.0, 1200.0, None, "[110]")
SPOT = Region(name="spot", x=1, y=1, width=3, height=3)


def begin(folder: Path, *, is_for_bucket: bool) -> Archive:
    return Archive.create(
        folder, DATA_ID, DECLARED, FrameForm(HEIGHT, WIDTH, "Mono12"), is_for_bucket=is_for_bucket
    )


def fill(archive: Archive, indices: Sequence[int], last: int = SIZE) -> None:
    """Add chunks with these indices, the last of which has so many frames."""
    for index in indices:
        pixels = frames_of("Mono12", last if index == indices[-1] else SIZE, seed=index)
        chunk = chunk_of(index, pixels)
        archive.add(chunk, SIZE, 1000, traces=measure_chunk(chunk.pixels, (SPOT,)))


@contextmanager
def waiting(spool: Path, target: BucketPath) -> Iterator[tuple[WaitingArchive, Archive]]:
    """An archive that this process writes and holds."""
    held = WaitingArchive.create(spool, target)
    try:
        yield held, begin(held.folder, is_for_bucket=True)
    finally:
        held.release()


def expect_alike(there: BucketPath, folder: Path) -> None:
    """Check that an archive in the bucket gives what one on a disk gives."""
    ours, theirs = open_run(folder).load(), open_run(str(there)).load()
    for changing in ("created_utc", "ended_utc", "end_reason"):
        ours.attrs.pop(changing)
        theirs.attrs.pop(changing)
    assert ours.identical(theirs)
    np.testing.assert_array_equal(RecordedRun(there).read(0, len(theirs.time)), ours.frames)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.integers(0, 6), min_size=1, max_size=4).map(sorted),
    st.integers(1, SIZE),
    st.sets(st.integers(0, 4)),
)
def test_it_reads_as_one_on_a_disk_with_whatever_gaps_and_however_often_it_was_looked_at(
    tmp_path_factory: pytest.TempPathFactory,
    bucket: BucketPath,
    indices: list[int],
    last: int,
    looks: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("archives")
    on_disk = begin(folder / "on-disk", is_for_bucket=False)
    fill(on_disk, indices, last)
    on_disk.close("test")
    target = bucket / folder.name
    with waiting(folder / "spool", target) as (held, archive):
        upload = ArchiveUpload(held)
        for number, index in enumerate(indices):
            fill(archive, [index], last if index == indices[-1] else SIZE)
            if number in looks:
                upload.go_on()
                assert upload.waiting() == (0, 0)
        archive.close("test")
        upload.go_on()
        assert upload.is_complete
        assert is_closed(held.folder)  # by which its stream knows
        assert [path.name for path in held.folder.iterdir()] == ["stream.json"]
    expect_alike(target, on_disk.folder)
    assert list(catch_up(folder / "spool")) == []
    assert list((folder / "spool" / ".archives").iterdir()) == []


def test_whatever_instant_a_process_dies_at_the_next_one_brings_all_of_it(
    tmp_path: Path, bucket: BucketPath
) -> None:
    indices = [0, 1, 3]
    on_disk = begin(tmp_path / "on-disk", is_for_bucket=False)
    fill(on_disk, indices, 2)
    on_disk.close("recovered after the run")
    dies_at, deaths = 1, 0
    while True:
        spool, target = tmp_path / f"spool-{dies_at}", bucket / str(dies_at)
        held = WaitingArchive.create(spool, target)
        held.target = DyingPath(str(target))
        archive = begin(held.folder, is_for_bucket=True)
        DyingPath.left = dies_at
        try:
            upload = ArchiveUpload(held)
            for index in indices:
                fill(archive, [index], 2 if index == 3 else SIZE)
                upload.go_on()
            archive.close("recovered after the run")
            upload.go_on()
        except Died:
            deaths += 1
        else:
            break
        finally:
            held.release()
        resumed = Archive.resume(held.folder)
        for index in indices:  # as the recovery of its stream does
            if not resumed.has(index) and not resumed.is_closed:
                fill(resumed, [index], 2 if index == 3 else SIZE)
        [outcome] = catch_up(spool)
        assert (outcome.is_complete, outcome.trouble) == (True, None)
        expect_alike(target, on_disk.folder)
        assert archives_left(spool) == []
        dies_at += 17
    assert deaths > 3


def test_a_shard_that_the_store_keeps_otherwise_is_put_again(tmp_path: Path, bucket: BucketPath) -> None:
    target = bucket / "run"
    with waiting(tmp_path, target) as (held, archive):
        fill(archive, [0])
        shard = target / "frames.zarr/frames/c/0/0/0"
        shard.write_bytes(b"cut o")
        archive.close("test")
        ArchiveUpload(held).go_on()
    np.testing.assert_array_equal(RecordedRun(target).read(0, SIZE), frames_of("Mono12", SIZE, seed=0))


def test_a_shard_that_has_got_lost_is_named_and_the_run_is_not_called_closed(
    tmp_path: Path, bucket: BucketPath
) -> None:
    target = bucket / "run"
    with waiting(tmp_path, target) as (held, archive):
        fill(archive, [0, 1])
        upload = ArchiveUpload(held)
        upload.go_on()
        (target / "frames.zarr/frames/c/1/0/0").unlink()
        archive.close("test")
        for _ in range(2):
            with pytest.raises(RheedAcquireError, match="lost: 1 lie neither"):
                upload.go_on()
    assert b'"open"' in (target / "stream.json").read_bytes()
    [outcome] = catch_up(tmp_path)
    assert not outcome.is_complete


def test_where_another_run_lies_nothing_is_put(tmp_path: Path, bucket: BucketPath) -> None:
    target = bucket / "run"
    (target / "stream.json").write_bytes(b'{"data_id": "another"}')
    with waiting(tmp_path, target) as (held, archive):
        fill(archive, [0])
        with pytest.raises(RheedAcquireError, match="another run's"):
            ArchiveUpload(held).go_on()
    assert [path.path_from(target) for path, _, _ in target.below()] == ["stream.json"]


def test_one_that_a_process_is_at_work_on_is_left_to_it(tmp_path: Path, bucket: BucketPath) -> None:
    with waiting(tmp_path, bucket / "run") as (_, archive):
        fill(archive, [0])
        assert list(catch_up(tmp_path)) == []
        [left] = archives_left(tmp_path)
        assert (left.in_use, left.chunks) == (True, 1)


def test_of_many_for_a_store_that_is_away_only_one_is_tried(
    tmp_path: Path, bucket: BucketPath, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        with waiting(tmp_path, bucket / str(number)) as (_, archive):
            fill(archive, [0])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    outcomes = list(catch_up(tmp_path))
    assert len({outcome.trouble for outcome in outcomes}) == 1
    assert [outcome.chunks_waiting for outcome in outcomes] == [1, 1, 1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", gate.endpoint)
    assert all(outcome.is_complete for outcome in catch_up(tmp_path))


def test_what_lies_there_and_is_none_is_named_and_left(tmp_path: Path) -> None:
    strange = tmp_path / ".archives" / "growth"
    strange.mkdir(parents=True)
    (strange / "bucket.json").write_text('{"url": "file:///etc"}')
    [outcome] = catch_up(tmp_path)
    assert "no place in a bucket" in str(outcome.trouble)
    assert strange.exists()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-and-not-to-be-shown", "refuses"),
        ("AWS_ACCESS_KEY_ID", "wrong-and-not-to-be-shown", "refuses"),
        ("AWS_ENDPOINT_URL", "store.lab", "must be a URL"),
    ],
)
def test_a_store_that_refuses_is_told_before_the_run(
    tmp_path: Path,
    bucket: BucketPath,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    assert check_bucket(bucket, tmp_path) is None
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=said) as told:
        check_bucket(bucket, tmp_path)
    assert "wrong-and-not-to-be-shown" not in str(told.value)


def test_a_bucket_that_is_not_there_is_told_before_the_run(tmp_path: Path, bucket: BucketPath) -> None:
    with pytest.raises(SettingsError, match=r"--archive s3://nobody-made-this/x: .*does not exist"):
        check_bucket(BucketPath("s3://nobody-made-this/x"), tmp_path)
    assert bucket.bucket == "runs"


def test_a_store_that_is_away_is_a_reason_to_wait_and_none_to_stop(
    tmp_path: Path, bucket: BucketPath, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", gate.endpoint)
    gate.shut()
    assert "does not answer" in str(check_bucket(bucket, tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("mask", [0o022, 0o002, 0])
def test_the_spool_that_archives_wait_in_is_private_also_where_they_are_its_first(
    tmp_path: Path, bucket: BucketPath, mask: int
) -> None:
    spool = tmp_path / "state" / "spool"
    before = os.umask(mask)
    try:
        assert check_bucket(bucket, spool) is None
        Spool(spool, SpoolLimits()).close()
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in (spool, *spool.iterdir())} == {"0o700"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_spool_that_others_may_write_to_keeps_no_archive(tmp_path: Path, bucket: BucketPath) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SettingsError, match=r"the spool .* cannot be used, .*chmod go-w.*--spool-dir"):
        check_bucket(bucket, tmp_path)


def test_two_that_begin_alike_lie_apart(tmp_path: Path, bucket: BucketPath) -> None:
    created = datetime(2026, 11, 29, tzinfo=UTC)
    targets = {free_target(bucket, "growth", DATA_ID, created) for _ in range(20)}
    assert len({waiting_folder(tmp_path, target) for target in targets}) == 20
