"""Runs that are written into a bucket: what is read again, by whoever, and after whatever happened."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import dask
import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from tests.unit.recording.conftest import DATA_ID, FPS, START_MS, record

from rheed_acquire import BucketPath, RecordedRun, open_run
from rheed_acquire.recording import bucket_listing, chunk_records
from rheed_acquire.recording.bucket_run import BucketRun
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.refusals import RunClosedError, UnfitError
from rheed_acquire.recording.shard_encoding import encode_shard

SIZE = 8
FRAMES = np.random.default_rng(9).integers(1, 256, (4 * SIZE, 5, 7), np.uint8)
WHOLE = [(0, FRAMES[:8]), (1, FRAMES[8:16]), (2, FRAMES[16:19])]
GAPPED = [(0, FRAMES[:8]), (1, FRAMES[8:11]), (3, FRAMES[16:24]), (4, FRAMES[24:29])]
Chunks = Sequence[tuple[int, NDArray[np.uint8]]]


@pytest.fixture(autouse=True)
def one_thread() -> object:
    with dask.config.set(scheduler="synchronous"):
        yield


def declared() -> StreamDeclaration:
    return StreamDeclaration("growth", FPS, 6.0, 300.0, None, "[110]")


def declare(index: int, frames: NDArray[np.uint8]) -> ChunkDeclaration:
    count, height, width = frames.shape
    return ChunkDeclaration(index, count, height, width, SIZE, START_MS + round(index * SIZE * 1000 / FPS))


def upload(run: BucketRun, index: int, frames: NDArray[np.uint8]) -> None:
    chunk = declare(index, frames)
    run.check(chunk)
    answer = put(run.announce(chunk).url, bytes(encode_shard(np.ascontiguousarray(frames))))
    assert answer.status_code == 200, answer.text


def put(url: str, body: bytes) -> requests.Response:
    return requests.put(url, data=body, headers={"Content-Type": ""}, timeout=60)


def write(place: BucketPath, chunks: Chunks) -> BucketRun:
    run = BucketRun.create(place, DATA_ID, declared())
    for index, frames in chunks:
        upload(run, index, frames)
    return run


def read(place: BucketPath | Path) -> dict[str, Any]:
    dataset = open_run(place)
    known = ("name", "data_id", "fps", "azimuth_label", "state")
    return {
        "frames": dataset.frames.to_numpy().tobytes(),
        **{name: dataset[name].to_numpy().tolist() for name in ("time", "frame_id", "chunk")},
        **{name: dataset.attrs[name] for name in known},
    }


@pytest.mark.parametrize("chunks", [WHOLE, GAPPED, GAPPED[::-1], GAPPED[1:2], []])
def test_a_run_in_a_bucket_reads_as_one_in_a_folder(
    tmp_path: Path, bucket: BucketPath, chunks: Chunks
) -> None:
    run = write(bucket, chunks)
    run.close("test")
    folder = record(tmp_path / "run", chunks, SIZE)
    assert read(bucket) == read(folder)
    recorded, expected = RecordedRun(bucket), RecordedRun(folder)
    assert len(recorded) == len(expected)
    assert recorded.chunks().index.tolist() == expected.chunks().index.tolist()
    assert [part.frames.tobytes() for part in recorded.slices(1)] == [
        part.frames.tobytes() for part in expected.slices(1)
    ]
    left = {path.path_from(bucket).split("/")[0] for path, _, _ in bucket.below()}
    assert left <= {"frames.zarr", "stream.json", "chunks.jsonl"}, "what was needed while it was open is gone"


def test_an_open_run_lists_what_was_stored_and_nothing_else(bucket: BucketPath) -> None:
    run = write(bucket, GAPPED[:2])
    run.announce(declare(2, FRAMES[:8]))  # and never uploaded
    assert not (bucket / "frames.zarr").is_dir(), "nothing has been looked at"
    run.settle()
    dataset = open_run(bucket)
    assert dataset.frame_id.to_numpy().tolist() == [*range(11)]
    np.testing.assert_array_equal(dataset.frames, FRAMES[:11])
    assert dataset.attrs["state"] == "open"


def test_what_comes_soon_afterwards_is_stored_at_once_and_listed_with_what_follows(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    for index in range(2):
        upload(run, index, FRAMES[8 * index : 8 * index + 8])
        run.settle()
        assert (bucket / f"frames.zarr/frames/c/{index}/0/0").exists()
    assert len(open_run(bucket).frame_id) == 8
    monkeypatch.setattr(bucket_listing, "LISTED_EVERY_S", 0.0)
    late = BucketRun(bucket)  # another server has its own pace, and lists when it has stored something
    upload(late, 2, FRAMES[16:19])
    late.settle()
    assert len(open_run(bucket).frame_id) == 19
    run.close("test")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:19])


def test_each_frame_has_the_time_that_its_client_said(bucket: BucketPath) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    put(run.announce(declare(0, FRAMES[:3]), "-500,40000,1").url, bytes(encode_shard(FRAMES[:3])))
    run.close("test")
    times = RecordedRun(bucket).time_unix_ms()
    np.testing.assert_allclose(times - START_MS, [-0.5, 39.5, 39.501], atol=1e-3)


def test_a_short_chunk_with_the_index_of_a_full_one_is_copied_as_it_is(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    upload(run, 0, FRAMES[:8])
    padded = bytes(encode_shard(FRAMES[8:11], entries=SIZE))
    put(run.announce(declare(1, FRAMES[8:11])).url, padded)
    monkeypatch.setattr(BucketPath, "write_bytes", None)  # that is what one is rewritten with
    run.settle()
    assert (bucket / "frames.zarr/frames/c/1/0/0").read_bytes() == padded
    run.close("test")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:11])


def test_a_padded_index_that_holds_more_frames_than_were_declared_is_refused(bucket: BucketPath) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    put(run.announce(declare(0, FRAMES[:3])).url, bytes(encode_shard(FRAMES[:4], entries=SIZE)))
    (told,) = run.refusals(after_a_look=True)
    assert "more than the 3 frames" in told["reason"]


def test_what_was_announced_to_another_process_is_left_to_it_for_a_while(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(bucket, WHOLE[:1])
    shard = bucket / "frames.zarr/frames/c/0/0/0"
    other = BucketRun(bucket)
    other.settle(all_of_it=False)
    assert not shard.exists()
    monkeypatch.setattr(chunk_records, "TAKEN_OVER_AFTER_S", 0.0)  # and then the process may have died
    other.settle(all_of_it=False)
    assert shard.exists()
    run.close("test")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:8])


def test_a_process_looks_at_once_at_what_was_announced_to_itself(bucket: BucketPath) -> None:
    run = write(bucket, WHOLE)
    run.settle(all_of_it=False)
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:19])


def test_a_chunk_that_is_announced_after_the_end_elsewhere_is_refused_and_leaves_nothing(
    bucket: BucketPath,
) -> None:
    run = write(bucket, WHOLE)
    BucketRun(bucket).close("by another server")
    before = sorted(str(path) for path, _, _ in bucket.below())
    late = declare(3, FRAMES[:8])
    run.check(late)  # which is not asked of the store for each chunk
    with pytest.raises(RunClosedError):
        run.announce(late)
    with pytest.raises(RunClosedError):
        run.check(late)
    assert sorted(str(path) for path, _, _ in bucket.below()) == before


def test_a_shard_that_does_not_hold_is_named_and_taken_when_it_comes_again(
    bucket: BucketPath, caplog: pytest.LogCaptureFixture
) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    good = bytes(encode_shard(FRAMES[:8]))
    for bad in (good[:-1], bytes(encode_shard(FRAMES[:7])), b"", good[:-4] + b"....", b"x" * 10_000_000):
        put(run.announce(declare(0, FRAMES[:8])).url, bad)
        caplog.clear()
        run.settle()
        assert "chunk 0" in caplog.text
        assert not (bucket / "frames.zarr/frames/c/0/0/0").exists()
    put(run.announce(declare(0, FRAMES[:8])).url, good)
    run.close("test")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:8])


def damaged(frames: NDArray[np.uint8]) -> bytes:
    return bytes(encode_shard(frames))[:-1]


def test_whoever_announces_a_chunk_is_told_what_does_not_hold_until_it_comes_again(
    bucket: BucketPath,
) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    first = run.announce(declare(0, FRAMES[:8]))
    put(first.url, damaged(FRAMES[:8]))
    upload(run, 1, FRAMES[8:16])
    assert run.announce(declare(2, FRAMES[16:19])).refusals == [], "nothing has been looked at"
    BucketRun(bucket).settle()  # another server
    (told,) = run.announce(declare(2, FRAMES[16:19])).refusals
    assert (told["chunk"], told["upload_id"]) == (0, first.upload_id)
    assert told["reason"]
    assert list(run.refusals(after_a_look=True)) == [told]
    again = run.announce(declare(0, FRAMES[:8]))
    assert again.upload_id != first.upload_id
    put(first.url, damaged(FRAMES[:8]))  # late, and nobody's any more
    put(again.url, bytes(encode_shard(FRAMES[:8])))
    assert list(run.refusals(after_a_look=True)) == []
    run.close("test")
    assert [one["chunk"] for one in run.refusals()] == [2], "it was announced, and never came"
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:16])


def test_an_upload_that_holds_counts_also_where_its_client_has_not_learnt_so_and_tries_again(
    bucket: BucketPath,
) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    upload(run, 0, FRAMES[:8])
    run.announce(declare(0, FRAMES[:8]))  # and then its computer died
    put(run.announce(declare(1, FRAMES[8:16])).url, damaged(FRAMES[8:16]))
    later = run.announce(declare(1, FRAMES[8:16]))
    run.settle()
    assert list(run.refusals()) == [], "what is on its way may hold"
    put(later.url, bytes(encode_shard(FRAMES[8:16])))
    run.close("test")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:16])
    assert list(run.refusals()) == []


def test_servers_that_look_at_once_refuse_what_does_not_hold_and_nothing_else(bucket: BucketPath) -> None:
    BucketRun.create(bucket, DATA_ID, declared())
    run = BucketRun(bucket)
    put(run.announce(declare(0, FRAMES[:8])).url, damaged(FRAMES[:8]))
    upload(run, 1, FRAMES[8:16])
    with ThreadPoolExecutor(4) as servers:
        list(servers.map(lambda _: BucketRun(bucket).settle(), range(4)))
        assert [one["chunk"] for one in run.refusals()] == [0]
        upload(run, 0, FRAMES[:8])
        list(servers.map(lambda _: BucketRun(bucket).close("test"), range(4)))
    assert list(run.refusals()) == []
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:16])


def test_what_is_stored_is_not_changed_by_an_upload_that_comes_again(bucket: BucketPath) -> None:
    run = write(bucket, WHOLE)
    late = run.announce(declare(2, FRAMES[16:19])).url
    run.settle()
    put(late, b"anything")
    put(run.announce(declare(0, FRAMES[:8])).url, b"anything")
    run.settle()
    run.close("test")
    put(late, b"anything")
    np.testing.assert_array_equal(open_run(bucket).frames, FRAMES[:19])


def test_a_chunk_of_another_shape_is_refused_and_so_is_one_of_a_closed_stream(bucket: BucketPath) -> None:
    run = write(bucket, WHOLE[:1])
    with pytest.raises(UnfitError, match="frames of 6 x 7"):
        run.check(declare(1, np.zeros((8, 6, 7), np.uint8)))
    run.close("test")
    for refused in (run.check, run.announce):
        with pytest.raises(RunClosedError):
            refused(declare(1, FRAMES[:8]))
    run.close("again")
    assert run.record()["end_reason"] == "test"


def test_a_url_is_for_one_object_and_for_putting_it(bucket: BucketPath) -> None:
    run = BucketRun.create(bucket, DATA_ID, declared())
    url = run.announce(declare(0, FRAMES[:8])).url
    assert requests.get(url, timeout=60).status_code == 403
    assert requests.delete(url, timeout=60).status_code == 403
    assert put(url.replace("/uploads/0", "/uploads/1"), b"x").status_code == 403
    assert put(url.replace("/uploads/0", "/stream.json"), b"x").status_code == 403
    assert "X-Amz-Expires=900" in url


class Died(BaseException):
    """The process is gone."""


class DyingPath(BucketPath):
    """A place whose process dies when it writes for the n-th time, before or after the store has it."""

    left: ClassVar[int] = 0

    def __truediv__(self, below: str) -> DyingPath:
        made = super().__truediv__(below)
        assert isinstance(made, DyingPath)
        return made

    @classmethod
    def _die(cls) -> None:
        cls.left -= 1
        if cls.left <= 0:
            raise Died

    def create(self, data: bytes) -> str:
        self._die()
        tag = super().create(data)
        self._die()
        return tag

    def replace(self, data: bytes, tag: str) -> str:
        self._die()
        tag = super().replace(data, tag)
        self._die()
        return tag

    def write_bytes(self, data: bytes) -> None:
        self._die()
        super().write_bytes(data)
        self._die()

    def copy_to(self, target: BucketPath) -> None:
        self._die()
        super().copy_to(target)
        self._die()

    def unlink(self) -> None:
        self._die()
        super().unlink()
        self._die()


def test_whatever_instant_a_server_dies_at_another_one_ends_the_stream_with_all_frames(
    tmp_path: Path, bucket: BucketPath
) -> None:
    expected = read(record(tmp_path / "run", GAPPED, SIZE))
    dies_at, deaths = 1, 0
    while True:
        place = bucket / str(dies_at)
        put(write(place, GAPPED).announce(declare(5, FRAMES[:8])).url, damaged(FRAMES[:8]))
        DyingPath.left = dies_at
        try:
            BucketRun(DyingPath(str(place))).close("test")
        except Died:
            deaths += 1
        else:
            break
        BucketRun(place).close("test")
        assert read(place) == expected
        assert [one["chunk"] for one in BucketRun(place).refusals()] == [5]
        dies_at += 5
    assert deaths > 5


def test_servers_that_do_everything_at_once_do_nothing_twice(tmp_path: Path, bucket: BucketPath) -> None:
    chunks = [(index, FRAMES[: 5 + index % 4]) for index in range(8)]
    expected = read(record(tmp_path / "run", chunks, SIZE))
    BucketRun.create(bucket, DATA_ID, declared())

    def serve(number: int) -> None:
        run = BucketRun(bucket)
        for index, frames in chunks[number::4]:
            upload(run, index, frames)
            run.settle()

    with ThreadPoolExecutor(4) as servers:
        list(servers.map(serve, range(4)))
        list(servers.map(lambda _: BucketRun(bucket).close("test"), range(4)))
    assert read(bucket) == expected
