"""The local server's streams on disk, read back through zarr-python."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs
import zarr.storage
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.server.conftest import (
    CHUNK_SIZE,
    DECLARATION,
    FPS,
    HEIGHT,
    START,
    WIDTH,
    declare,
    encode_shard,
    make_frames,
)

from rheed_acquire.recording import repacking
from rheed_acquire.recording.declarations import ChunkDeclaration
from rheed_acquire.recording.received_chunks import ReceivedChunks
from rheed_acquire.recording.refusals import UnfitError
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard as encode_shard_of
from rheed_acquire.server.store import StreamStore
from rheed_acquire.system.durable_files import put_durably


def zarr_shard(frames: NDArray[np.uint8]) -> bytes:
    """The bytes that zarr-python itself stores for these frames."""
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store,
        shape=frames.shape,
        shards=frames.shape,
        chunks=(1, *frames.shape[1:]),
        dtype="uint8",
        fill_value=0,
        compressors=[zarr.codecs.ZstdCodec(level=3, checksum=False)],
    )
    array[:] = frames
    buffer = asyncio.run(store.get("c/0/0/0", zarr.core.buffer.default_buffer_prototype()))
    assert buffer is not None
    return buffer.to_bytes()


def upload(stream: RunWriter, index: int, frames: NDArray[np.uint8], shard: bytes | None = None) -> None:
    received = stream.incoming_path()
    received.write_bytes(encode_shard(frames) if shard is None else shard)
    try:
        stream.commit(received, declare(index, frames))
    finally:
        received.unlink(missing_ok=True)


def open_group(stream: RunWriter) -> Any:
    return zarr.open_group(stream.folder / "frames.zarr", mode="r")


def test_full_shards_are_stored_byte_for_byte(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    shards = [zarr_shard(make_frames(CHUNK_SIZE, number)) for number in range(3)]
    for number, shard in enumerate(shards):
        upload(stream, number, make_frames(CHUNK_SIZE, number), shard)
    store.close(stream.data_id, "test")
    for number, shard in enumerate(shards):
        assert (stream.folder / f"frames.zarr/frames/c/{number}/0/0").read_bytes() == shard


def test_a_short_chunk_may_have_the_index_of_a_full_one_as_in_a_spool_that_is_exported(
    store: StreamStore,
) -> None:
    frames = make_frames(2 * CHUNK_SIZE)
    first, second = frames[: CHUNK_SIZE - 1], frames[CHUNK_SIZE:-2]
    padded = (bytes(encode_shard_of(part, entries=CHUNK_SIZE)) for part in (first, second))
    stream = store.create(DECLARATION)
    for index, (part, shard) in enumerate(zip((first, second), padded, strict=True)):
        upload(stream, index, part, shard)
    with pytest.raises(UnfitError, match="more than the 1 frames"):
        upload(stream, 2, first[:1], bytes(encode_shard_of(first[:2], entries=CHUNK_SIZE)))
    store.close(stream.data_id, "test")
    np.testing.assert_array_equal(open_group(stream)["frames"], np.concatenate([first, second]))


def test_chunks_that_are_committed_at_once_are_listed_when_the_last_of_them_is(store: StreamStore) -> None:
    def commit(job: tuple[RunWriter, int, bytes | None]) -> None:
        stream, index, shard = job
        with contextlib.suppress(UnfitError):
            upload(stream, index, make_frames(CHUNK_SIZE, index), shard)

    for _ in range(10):
        stream = store.create(DECLARATION)
        jobs = [
            (stream, index, b"no shard" if index % 3 == 2 else None) for index in (4, 0, 2, 1, 3, 5, 6, 8)
        ]
        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(commit, jobs))
        group = open_group(stream)
        np.testing.assert_array_equal(group["chunk_index"][:], [0, 1, 3, 4, 6])
        stamps = group["time_unix_ms"][:].reshape(-1, CHUNK_SIZE)
        np.testing.assert_array_equal(np.isnan(stamps[:, 0]), [False, False, True, False, False, True, False])
        assert group.attrs["chunks_received"] == 5


def test_chunk_upon_chunk_is_listed_before_the_last(
    store: StreamStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire.recording.run_writer.LISTED_AFTER_S", -1.0)
    stream = store.create(DECLARATION)
    stream._committing += 1  # as by another upload, which goes on and on
    upload(stream, 0, make_frames(CHUNK_SIZE, 0))
    np.testing.assert_array_equal(open_group(stream)["chunk_index"][:], [0])


chunk_lists = st.dictionaries(st.integers(0, 9), st.integers(1, CHUNK_SIZE), min_size=1, max_size=8)


@settings(max_examples=60)
@given(counts=chunk_lists, data=st.data())
def test_whatever_chunks_arrive_in_whatever_order_every_frame_reads_back_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[int, int], data: st.DataObject
) -> None:
    store = StreamStore(tmp_path_factory.mktemp("runs"))
    stream = store.create(DECLARATION)
    chunks = {index: make_frames(count, index) for index, count in counts.items()}
    for frames in chunks.values():
        frames[0] *= data.draw(st.sampled_from([0, 1]))
    for index in data.draw(st.permutations(list(chunks))):
        upload(stream, index, chunks[index])
    order = sorted(chunks)
    live = open_group(stream)
    stamps = np.full(live["frames"].shape[0], np.nan)
    for index, frames in chunks.items():
        place = slice(index * CHUNK_SIZE, index * CHUNK_SIZE + len(frames))
        np.testing.assert_array_equal(live["frames"][place], frames)
        stamps[place] = START + index * 1000 + np.arange(len(frames)) * 1000 / FPS
    np.testing.assert_array_equal(live["time_unix_ms"][:], stamps)
    np.testing.assert_array_equal(live["chunk_index"][:], order)

    store.close(stream.data_id, "test")
    group = open_group(stream)
    np.testing.assert_array_equal(group["frames"][:], np.concatenate([chunks[index] for index in order]))
    stamps = np.concatenate([START + i * 1000 + np.arange(counts[i]) * 1000 / FPS for i in order])
    np.testing.assert_array_equal(group["time_unix_ms"][:], stamps)
    np.testing.assert_array_equal(group["chunk_index"][:], order)
    np.testing.assert_array_equal(group["chunk_frames"][:], [counts[index] for index in order])
    np.testing.assert_array_equal(group["chunk_start_unix_ms"][:], [START + i * 1000 for i in order])
    missing = [i for first, last in group.attrs["missing_chunks"] for i in range(first, last + 1)]
    assert missing == [index for index in range(order[-1]) if index not in counts]
    assert {path.name for path in stream.folder.iterdir()} == {"frames.zarr", "stream.json", "chunks.jsonl"}
    places = sorted(int(path.name) for path in (stream.folder / "frames.zarr/frames/c").iterdir())
    assert places == list(range(-(-sum(counts.values()) // CHUNK_SIZE)))


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("survived_steps", range(30))
def test_a_crash_at_any_step_of_moving_the_frames_together_loses_nothing(
    store: StreamStore, monkeypatch: pytest.MonkeyPatch, survived_steps: int
) -> None:
    counts = {1: 4, 2: 4, 4: 2, 5: 4, 6: 4, 9: 1, 10: 3}
    stream = store.create(DECLARATION)
    for index, count in counts.items():
        upload(stream, index, make_frames(count, index))
    remaining = survived_steps

    def count_down() -> None:
        nonlocal remaining
        if remaining == 0:
            raise PowerCutError
        remaining -= 1

    real_replace = Path.replace

    def replace(self: Path, target: Path) -> Path:
        count_down()
        return real_replace(self, target)

    def put(source: Path, target: Path, root: Path) -> None:
        count_down()
        put_durably(source, target, root)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        patched.setattr(repacking, "put_durably", put)
        with contextlib.suppress(PowerCutError):
            store.close(stream.data_id, "test")
    store.release()
    after_restart = StreamStore(store.directory)
    after_restart.close(stream.data_id, "test")
    expected = np.concatenate([make_frames(counts[index], index) for index in sorted(counts)])
    np.testing.assert_array_equal(open_group(stream)["frames"][:], expected)
    assert after_restart.get(stream.data_id).is_closed


def test_a_chunk_uploaded_again_replaces_the_first(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    upload(stream, 0, make_frames(4, 0))
    upload(stream, 1, make_frames(2, 1))
    upload(stream, 1, make_frames(3, 2))
    store.close(stream.data_id, "test")
    expected = np.concatenate([make_frames(4, 0), make_frames(3, 2)])
    np.testing.assert_array_equal(open_group(stream)["frames"][:], expected)


def test_a_bad_shard_is_refused_and_what_was_there_stays(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    upload(stream, 0, make_frames(4))
    with pytest.raises(UnfitError, match="chunk 0 is not a valid shard"):
        upload(stream, 0, make_frames(4, 1), b"x" * 100)
    np.testing.assert_array_equal(open_group(stream)["frames"][:], make_frames(4))


@pytest.mark.parametrize(
    ("frames", "chunk_size", "words"),
    [
        (make_frames(4, height=6), CHUNK_SIZE, "6 x 7.*5 x 7"),
        (make_frames(4), CHUNK_SIZE + 1, "chunk_size"),
    ],
)
def test_a_chunk_of_another_shape_than_the_first_is_refused(
    store: StreamStore, frames: NDArray[np.uint8], chunk_size: int, words: str
) -> None:
    stream = store.create(DECLARATION)
    upload(stream, 0, make_frames(4))
    with pytest.raises(UnfitError, match=words):
        stream.check(declare(1, frames, chunk_size))


def test_a_stream_without_frames_is_a_group_that_opens(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    store.close(stream.data_id, "test")
    group = open_group(stream)
    assert list(group) == []
    assert group.attrs["frames_received"] == 0
    assert group.attrs["state"] == "closed"


def test_the_runs_metadata_is_in_the_groups_attributes(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    stream.link(physical_sample={"id": "1", "name": "GaN-001"})
    stream.link(tags=[{"id": "2", "name": "a"}])
    stream.link(tags=[{"id": "2", "name": "a"}, {"id": "3", "name": "b"}])
    upload(stream, 1, make_frames(4))
    store.close(stream.data_id, "ended by the client")
    attributes = dict(open_group(stream).attrs)
    created = datetime.fromisoformat(attributes.pop("created_utc"))
    ended = datetime.fromisoformat(attributes.pop("ended_utc"))
    assert created <= ended <= datetime.now(UTC)
    assert attributes.pop("software").startswith("rheed-acquire ")
    assert attributes == {
        "data_id": stream.data_id,
        "name": "Growth run 42",
        "fps": FPS,
        "rotations_per_min": 15.0,
        "rotational_period": 400.0,
        "project_id": "project",
        "azimuth_label": "[110]",
        "physical_sample": {"id": "1", "name": "GaN-001"},
        "tags": [{"id": "2", "name": "a"}, {"id": "3", "name": "b"}],
        "state": "closed",
        "end_reason": "ended by the client",
        "chunk_size": CHUNK_SIZE,
        "chunks_received": 1,
        "frames_received": 4,
        "missing_chunks": [[0, 0]],
        "clock_offset_ms": 12.0,
        "clock_uncertainty_ms": 0.5,
    }


def test_a_half_written_line_and_an_unconfirmed_shard_of_a_crash_are_dropped(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    upload(stream, 0, make_frames(4))
    upload(stream, 2, make_frames(4, 2))
    store.release()
    log = stream.folder / "chunks.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    resumed = StreamStore(store.directory)
    again = resumed.get(stream.data_id)
    assert open_group(again)["frames"].shape == (4, HEIGHT, WIDTH)
    assert not (stream.folder / "frames.zarr/frames/c/2").exists()
    upload(again, 1, make_frames(4, 1))
    resumed.release()
    third = StreamStore(store.directory)
    third.close(stream.data_id, "test")
    expected = np.concatenate([make_frames(4), make_frames(4, 1)])
    np.testing.assert_array_equal(open_group(stream)["frames"][:], expected)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9))))
def test_chunks_are_in_order_and_those_missing_are_written_as_ranges(arrivals: list[tuple[int, int]]) -> None:
    chunks = ReceivedChunks()
    for index, frames in arrivals:
        chunks.add(ChunkDeclaration(index, frames, 3, 4, 9, START, None, None))
    known = dict(arrivals)
    assert [(chunk.index, chunk.frames) for chunk in chunks.in_order] == sorted(known.items())
    assert chunks.frames == sum(known.values())
    named = [i for first, last in chunks.missing for i in range(first, last + 1)]
    assert named == sorted(set(range(max(known, default=0))) - set(known))
    latest = chunks.latest
    assert (latest and (latest.index, latest.frames)) == (arrivals[-1] if arrivals else None)
