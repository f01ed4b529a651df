"""What goes into `RHEEDStreamer` is what zarr-python reads back from the local server's folder."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
import zarr
from numpy.typing import NDArray
from tests.integration.mapped_rings import rings_in_use

from rheed_acquire.frames.mapped_memory import RingGivenUpError
from rheed_acquire.frames.ring import chunk_of
from rheed_acquire.frames.ring_files import shared_memory_folder
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming import RHEEDStreamer

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames

    Frames = NDArray[np.uint8]

FPS, CHUNK_SIZE = 10.0, 20
DELIVERED = {
    "chunks_dropped": 0,
    "chunks_failed": 0,
    "chunks_purged": 0,
    "chunks_not_uploaded": 0,
    "chunks_pending": 0,
    "drained": True,
    "closed": True,
    "lost": [],
}


@pytest.fixture
def streamer(connect: Connect, local_server: LocalServer) -> RHEEDStreamer:
    return connect(local_server)


@pytest.fixture
def open_run(local_server: LocalServer) -> Callable[[str], Any]:
    """Open a stream's Zarr group, by its data_id."""
    return lambda data_id: zarr.open_group(local_server.run_directory(data_id) / "frames.zarr", mode="r")


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": FPS, "rotations_per_min": 0.0, "chunk_size": CHUNK_SIZE}
    return streamer.initialize(**arguments | changes)


def assert_delivered(report: dict[str, Any], chunks: int) -> None:
    assert report["chunks_spooled"] + report["chunks_from_memory"] == report["chunks_uploaded"] == chunks
    assert {name: report[name] for name in DELIVERED} == DELIVERED


def test_chunks_pushed_from_a_loop_arrive_bit_by_bit(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    chunks = [make_frames(CHUNK_SIZE, 30, 50, seed) for seed in range(4)]
    chunks[1][7] = 0
    data_id = initialize(
        streamer, rotations_per_min=15.0, stream_name="Growth 1", physical_sample="Wafer of the loop"
    )
    for chunk_idx, frames in enumerate(chunks):
        streamer.push(data_id, chunk_idx, frames)
    report = streamer.finalize(data_id)
    assert_delivered(report, 4)
    run = open_run(data_id)
    np.testing.assert_array_equal(run["frames"][:], np.concatenate(chunks))
    assert run.attrs["name"] == "Growth 1"
    assert run.attrs["rotations_per_min"] == 15.0
    assert run.attrs["rotational_period"] == FPS * 60 / 15.0
    assert run.attrs["physical_sample"]["name"] == "Wafer of the loop"
    assert run.attrs["state"] == "closed"


def test_an_array_may_be_used_again_as_soon_as_push_returns(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    data_id = initialize(streamer)
    frames = np.empty((CHUNK_SIZE, 40, 60), np.uint8)
    for chunk_idx in range(6):
        frames[:] = make_frames(CHUNK_SIZE, 40, 60, chunk_idx)
        streamer.push(data_id, chunk_idx, frames)
        frames[:] = 255
    assert_delivered(streamer.finalize(data_id), 6)
    expected = np.concatenate([make_frames(CHUNK_SIZE, 40, 60, seed) for seed in range(6)])
    np.testing.assert_array_equal(open_run(data_id)["frames"][:], expected)


def test_no_ring_stays_mapped_when_its_stream_has_ended(
    streamer: RHEEDStreamer, make_frames: MakeFrames, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    data_id = initialize(streamer)
    frames = make_frames(CHUNK_SIZE, 30, 50)
    ring = streamer.open_ring(data_id, 3, 30, 50)  # held beyond the stream's end, as a run does
    buffer = ring.acquire()
    assert buffer is not None
    buffer.begin(0)
    buffer.append(frames)
    chunk = chunk_of(buffer, ring)
    chunk.date(1_700_000_000_000.0)
    streamer.push_chunk(data_id, chunk)
    del buffer, chunk
    assert rings_in_use(spool)
    assert_delivered(streamer.finalize(data_id), 1)
    assert rings_in_use(spool) == []
    assert spool.exists()
    assert not (spool / data_id).exists()


def test_a_generator_of_chunks_is_streamed_to_its_end(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    frames = make_frames(90, 30, 50)

    def chunks() -> Iterator[Frames]:
        for start in range(0, len(frames), CHUNK_SIZE):
            yield frames[start : start + CHUNK_SIZE]
            time.sleep(0.01)

    data_id = initialize(streamer, azimuth="[110]")
    streamer.run(data_id, chunks())
    assert_delivered(streamer.finalize(data_id), 5)
    run = open_run(data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [20, 20, 20, 20, 10]
    assert run.attrs["azimuth_label"] == "[110]"


def test_single_frames_are_gathered_into_chunks(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    frames = make_frames(50)
    data_id = initialize(streamer)
    streamer.run(data_id, iter(frames))
    assert_delivered(streamer.finalize(data_id), 3)
    run = open_run(data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [20, 20, 10]


def test_a_given_capture_start_that_leaps_begins_a_new_chunk(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    frames = make_frames(12)
    starts = [1_700_000_000_000.0 + 100 * number for number in range(12)]
    starts[5:] = [start + 700 for start in starts[5:]]  # a pause of 0.7 s before frame 5
    starts[8] += 60  # within the tolerance
    data_id = initialize(streamer)
    streamer.run(data_id, zip(frames, starts, strict=True))
    assert_delivered(streamer.finalize(data_id), 2)
    run = open_run(data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [5, 7]
    assert run["chunk_start_unix_ms"][:].tolist() == [starts[0], starts[5]]


def test_chunks_and_single_frames_can_follow_each_other(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    frames = make_frames(30)
    data_id = initialize(streamer)
    streamer.run(data_id, [frames[0], frames[1], frames[2:22], frames[22], frames[23:30]])
    assert_delivered(streamer.finalize(data_id), 4)
    run = open_run(data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [2, 20, 1, 7]


def test_what_a_generator_yielded_before_it_broke_is_delivered(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    frames = make_frames(25)

    def broken() -> Iterator[Frames]:
        yield from frames
        raise OSError("the camera is gone")

    data_id = initialize(streamer)
    with pytest.raises(OSError, match="the camera is gone"):
        streamer.run(data_id, broken())
    assert_delivered(streamer.finalize(data_id), 2)
    np.testing.assert_array_equal(open_run(data_id)["frames"][:], frames)


def test_short_chunks_a_single_frame_and_foreign_memory_layouts_arrive(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    large = make_frames(40, 20, 30)
    chunks = [
        large[:7],
        large[7],
        large[8:40:2, ::1, :],
        np.asfortranarray(large[:CHUNK_SIZE]),
        large[:3, ::-1],
        large[:1],
    ]
    chunks[4].flags.writeable = False
    data_id = initialize(streamer)
    for chunk_idx, frames in enumerate(chunks):
        streamer.push(data_id, chunk_idx, frames)
    assert_delivered(streamer.finalize(data_id), len(chunks))
    expected = np.concatenate([frames.reshape(-1, 20, 30) for frames in chunks])
    np.testing.assert_array_equal(open_run(data_id)["frames"][:], expected)


def test_chunks_are_put_in_the_order_of_their_indices_and_not_of_their_pushes(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    chunks = [make_frames(CHUNK_SIZE, seed=seed) for seed in range(5)]
    data_id = initialize(streamer)
    for chunk_idx in (3, 0, 4, 1, 2):
        numpys_own: Any = np.int64(chunk_idx)
        streamer.push(data_id, numpys_own, chunks[chunk_idx])
    assert_delivered(streamer.finalize(data_id), 5)
    np.testing.assert_array_equal(open_run(data_id)["frames"][:], np.concatenate(chunks))


def test_a_capture_start_that_was_given_is_the_one_that_is_kept(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    data_id = initialize(streamer)
    streamer.push(data_id, 0, make_frames(3), 1_700_000_000_000.4)
    streamer.push(data_id, 1, make_frames(2), capture_start_ms_utc=1_700_000_009_000)
    streamer.finalize(data_id)
    run = open_run(data_id)
    assert run["chunk_start_unix_ms"][:].tolist() == [1_700_000_000_000, 1_700_000_009_000]
    offsets = run["time_unix_ms"][:] - 1_700_000_000_000
    np.testing.assert_allclose(offsets, [0, 100, 200, 9000, 9100])


def test_a_chunk_without_a_capture_start_has_just_ended(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    data_id = initialize(streamer)
    before = time.time() * 1000
    streamer.push(data_id, 0, make_frames(CHUNK_SIZE))
    after = time.time() * 1000
    streamer.finalize(data_id)
    (start,) = open_run(data_id)["chunk_start_unix_ms"][:].tolist()
    assert before - 1 <= start + CHUNK_SIZE / FPS * 1000 <= after + 1


def test_single_frames_faster_than_the_camera_get_even_stamps_that_never_overlap(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    data_id = initialize(streamer)
    streamer.run(data_id, iter(make_frames(60)))
    streamer.finalize(data_id)
    steps = np.diff(open_run(data_id)["time_unix_ms"][:])
    np.testing.assert_allclose(steps, 1000 / FPS, atol=1.0)


def test_streams_of_different_sizes_run_at_once_on_one_streamer(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    started = threading.Barrier(4)

    def stream(number: int) -> tuple[str, Frames]:
        chunks = [make_frames(CHUNK_SIZE, 10 + number, 20, seed=10 * number + idx) for idx in range(5)]
        started.wait(20)
        data_id = initialize(streamer, stream_name=f"camera {number}", tags=["at once"])
        for chunk_idx, frames in enumerate(chunks):
            streamer.push(data_id, chunk_idx, frames)
        assert_delivered(streamer.finalize(data_id), len(chunks))
        return data_id, np.concatenate(chunks)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(stream, range(4)))
    assert len({data_id for data_id, _ in results}) == 4
    for number, (data_id, frames) in enumerate(results):
        run = open_run(data_id)
        np.testing.assert_array_equal(run["frames"][:], frames)
        assert run.attrs["name"] == f"camera {number}"
    tag_ids = {open_run(data_id).attrs["tags"][0]["id"] for data_id, _ in results}
    assert len(tag_ids) == 1


def test_one_stream_takes_chunks_from_several_threads(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    chunks = [make_frames(CHUNK_SIZE, seed=seed) for seed in range(12)]
    data_id = initialize(streamer)
    with ThreadPoolExecutor(4) as pool:
        for pushed in [pool.submit(streamer.push, data_id, *chunk) for chunk in enumerate(chunks)]:
            pushed.result()
    assert_delivered(streamer.finalize(data_id), 12)
    np.testing.assert_array_equal(open_run(data_id)["frames"][:], np.concatenate(chunks))


def test_samples_and_tags_are_found_by_name_or_id_and_made_where_there_are_none(
    streamer: RHEEDStreamer, local_server: LocalServer, open_run: Callable[[str], Any]
) -> None:
    name = f"GaN-{uuid.uuid4()}"
    first = initialize(streamer, physical_sample=f"  {name} ", tags=["Buffer ", "cold", "BUFFER", " "])
    sample = open_run(first).attrs["physical_sample"]
    assert sample["name"] == name
    second = initialize(streamer, physical_sample=name.upper(), tags=["COLD"])
    third = initialize(streamer, physical_sample=sample["id"].upper(), project_id="project of mine")
    for data_id in (first, second, third):
        streamer.finalize(data_id)
    assert open_run(second).attrs["physical_sample"] == sample
    assert open_run(third).attrs["physical_sample"] == sample
    assert open_run(third).attrs["project_id"] == "project of mine"
    assert [tag["name"] for tag in open_run(first).attrs["tags"]] == ["Buffer", "cold"]
    assert open_run(second).attrs["tags"] == [open_run(first).attrs["tags"][1]]
    answer = requests.get(
        f"{local_server.endpoint}/physical_samples/",
        headers={"X-API-KEY": local_server.api_key.get_secret_value()},
        timeout=20,
    )
    assert [entry["name"] for entry in answer.json()].count(name) == 1


def test_a_stream_without_names_is_called_by_the_time_and_has_no_links(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any]
) -> None:
    data_id = initialize(
        streamer, stream_name=" ", physical_sample="", project_id="\t", tags=["", " "], azimuth=" "
    )
    assert_delivered(streamer.finalize(data_id), 0)
    attributes = open_run(data_id).attrs
    assert re.fullmatch(r"RHEED Stream @ (1[0-2]|[1-9]):[0-5][0-9][AP]M", attributes["name"])
    assert attributes["rotational_period"] is None
    links = ("physical_sample", "project_id", "azimuth_label")
    assert [attributes[link] for link in links] == [None] * 3
    assert attributes["tags"] == []


def test_an_unknown_sample_id_leaves_no_stream_behind(
    streamer: RHEEDStreamer, local_server: LocalServer
) -> None:
    before = set(local_server.directory.iterdir())
    unknown = str(uuid.uuid4())
    with pytest.raises(Exception, match=f"no physical sample has the id {unknown}"):
        initialize(streamer, physical_sample=unknown, tags=["never"])
    assert set(local_server.directory.iterdir()) == before


def test_a_stream_whose_ring_was_given_up_is_ended_and_leaves_nothing(
    connect: Connect, local_server: LocalServer, tmp_path: Path
) -> None:
    answers = iter([False, False])
    streamer = connect(local_server, spool_folder=tmp_path / "spool", given_up=lambda: next(answers, True))
    data_id = initialize(streamer)
    with pytest.raises(RingGivenUpError, match="the run was ended while its ring was made"):
        streamer.open_ring(data_id, 4, 30, 50)
    assert_delivered(streamer.finalize(data_id), 0)
    streamer.close()
    (folder,) = {shared_memory_folder(tmp_path / "spool" / data_id)}
    assert folder is None or not folder.exists()
    assert list((tmp_path / "spool").rglob("*.ring")) == []


def test_a_streamer_goes_on_after_its_last_stream_has_ended(
    streamer: RHEEDStreamer, open_run: Callable[[str], Any], make_frames: MakeFrames
) -> None:
    for seed in range(3):
        data_id = initialize(streamer)
        streamer.push(data_id, 0, make_frames(CHUNK_SIZE, seed=seed))
        assert_delivered(streamer.finalize(data_id), 1)
        np.testing.assert_array_equal(open_run(data_id)["frames"][:], make_frames(CHUNK_SIZE, seed=seed))
