"""What a process left in its ring reaches the server through the next one, dated and bit by bit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.integration.recovery.conftest import CHUNK_SIZE, SHAPE

from rheed_acquire.frames.chunk_buffer import BOOT, CAPTURE_START_NS, COMMITTED, UTC_OFFSET_NS, this_boot
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.pixels import make_converter
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.frames.ring_files import SUFFIX
from rheed_acquire.frames.rings_left import look_into
from rheed_acquire.server.process import LocalServer
from rheed_acquire.streaming.stream_places import ring_folders

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames

RING_OF_VERSION_1 = Path(__file__).parents[2] / "unit" / "frames" / "version_1.ring"


def test_whole_and_partial_chunks_left_in_the_ring_are_built_and_delivered(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    root: Path,
) -> None:
    frames = make_frames(CHUNK_SIZE + 7, *SHAPE)
    dead = leave()
    dead.in_ring(1, frames[CHUNK_SIZE:])
    dead.in_ring(0, frames[:CHUNK_SIZE])
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["data_id"], report["stream_name"]) == (dead.data_id, "Growth")
    assert (report["chunks_uploaded"], report["closed"]) == (2, True)
    assert (report["refused"], report["lost"], report["chunks_not_uploaded"]) == (None, [], 0)
    run = open_run(dead.data_id)
    np.testing.assert_array_equal(run["frames"][:], frames)
    assert run["chunk_frames"][:].tolist() == [CHUNK_SIZE, 7]
    assert run.attrs["state"] == "closed"
    assert list(root.iterdir()) == []
    assert connect(local_server).recover() == []


@pytest.mark.parametrize("reduction", [Reduction(5), Reduction(5, is_mean=True)])
def test_what_the_ring_had_of_a_reduced_stream_is_reduced_and_delivered(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    reduction: Reduction,
) -> None:
    frames = make_frames(5 * CHUNK_SIZE + 12, *SHAPE)
    dead = leave()
    ring = dead.folder.ring.make(2, 5 * CHUNK_SIZE, *SHAPE, 0, form=ChunkForm(reduction=reduction))
    for index, part in enumerate((frames[: 5 * CHUNK_SIZE], frames[5 * CHUNK_SIZE :])):
        buffer = ring.acquire()
        buffer.begin(index)
        buffer.append(part)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"], report["lost"]) == (2, True, [])
    recovered = open_run(dead.data_id)["frames"][:]
    if reduction.is_mean:
        whole = frames[: 5 * CHUNK_SIZE + 10].reshape(-1, 5, *SHAPE)
        np.testing.assert_array_equal(recovered, np.floor(whole.mean(axis=1) + 0.5).astype(np.uint8))
    else:
        np.testing.assert_array_equal(recovered, frames[::5])


@pytest.mark.parametrize("pixel_format", ["Mono12", "Mono12p", "Mono16", "RGB8", "BayerRG8"])
@pytest.mark.parametrize("bit_shift", [None, 2])
def test_what_the_ring_had_at_full_depth_is_delivered_as_the_streams_8_bits(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    pixel_format: str,
    bit_shift: int | None,
) -> None:
    form = ChunkForm(pixel_format, bit_shift if pixel_format.startswith("Mono") else None)
    frame = form.frame(*SHAPE)
    frames = (
        np.random.default_rng(0).integers(0, 1 << min(frame.bits, 12), (9, *frame.shape)).astype(frame.dtype)
    )
    dead = leave()
    buffer = dead.folder.ring.make(2, CHUNK_SIZE, *SHAPE, 0, form=form).acquire()
    buffer.begin(0)
    buffer.append(frames)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"], report["lost"]) == (1, True, [])
    expected = np.zeros((9, *SHAPE), np.uint8)
    for one, gray in zip(frames, expected, strict=True):
        make_converter(pixel_format, *SHAPE, form.bit_shift)(one, gray)
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:9], expected)


def test_a_ring_of_the_first_version_is_delivered(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any
) -> None:
    dead = leave()
    (folder, *_) = reversed(ring_folders(dead.path))
    folder.mkdir(parents=True)
    content = bytearray(RING_OF_VERSION_1.read_bytes())
    utc_offset_ns = time.time_ns() - time.perf_counter_ns()
    for cell, number in ((BOOT, this_boot()), (UTC_OFFSET_NS, utc_offset_ns)):
        content[8 * cell : 8 * cell + 8] = number.to_bytes(8, "little")
    (folder / f"000{SUFFIX}").write_bytes(content)
    dead.die()
    (report,) = connect(local_server).recover()
    assert (report["chunks_uploaded"], report["closed"]) == (1, True)
    run = open_run(dead.data_id)
    frames = run["frames"][-2:]
    np.testing.assert_array_equal(frames, np.arange(40, dtype=np.uint8).reshape(2, 4, 5))


def test_a_frame_written_and_not_committed_is_not_delivered(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(5, *SHAPE)
    dead = leave()
    buffer = dead.in_ring(0, frames)
    buffer.cells[COMMITTED] = 4
    dead.in_ring(1, frames[:0])
    dead.die()
    connect(local_server).recover()
    np.testing.assert_array_equal(open_run(dead.data_id)["frames"][:], frames[:4])


@pytest.mark.parametrize("dated_by", ["header", "camera", "arrival"])
def test_a_chunk_from_the_ring_is_dated_as_well_as_it_can_be(
    connect: Connect,
    local_server: LocalServer,
    leave: Any,
    open_run: Any,
    make_frames: MakeFrames,
    dated_by: str,
) -> None:
    offset_ns = time.time_ns() - time.perf_counter_ns()
    start_ns = offset_ns + 1_000_000_000
    dead = leave()
    buffer = dead.in_ring(0, make_frames(3, *SHAPE), offset_ns)
    buffer.host_ns[:3] = 1_000_000_000, 1_100_000_000, 1_200_000_000
    expected_ms = start_ns / 1e6
    if dated_by == "header":
        buffer.cells[CAPTURE_START_NS] = start_ns + 5_000_000
        expected_ms += 5
    elif dated_by == "camera":
        # The first frame came 30 ms late, the second at once: so the first was captured 30 ms before it came.
        buffer.timestamps_ns[:3] = 0, 130_000_000, 200_000_000
        expected_ms -= 30
    dead.die()
    connect(local_server).recover()
    (start_ms,) = open_run(dead.data_id)["chunk_start_unix_ms"][:].tolist()
    assert abs(start_ms - expected_ms) <= 1  # what a float of that size can hold, in whole milliseconds


def test_a_ring_that_was_cut_short_is_delivered_as_far_as_it_goes_and_named(
    connect: Connect, local_server: LocalServer, leave: Any, open_run: Any, make_frames: MakeFrames
) -> None:
    frames = make_frames(3 * CHUNK_SIZE, *SHAPE).reshape(3, CHUNK_SIZE, *SHAPE)
    dead = leave()
    for chunk_idx in range(3):
        dead.in_ring(chunk_idx, frames[chunk_idx])
    dead.die()
    places = {}
    for folder in ring_folders(dead.path):
        for file in look_into(folder):
            if file.holds_chunk:
                assert file.buffer is not None
                places[file.buffer.chunk_index] = file.path
    pixels = SHAPE[0] * SHAPE[1]
    os.truncate(places[1], places[1].stat().st_size - 13 * pixels - 1)
    os.truncate(places[2], 600)
    (report,) = connect(local_server).recover()
    kept = CHUNK_SIZE - 14
    np.testing.assert_array_equal(
        open_run(dead.data_id)["frames"][: CHUNK_SIZE + kept],
        np.concatenate([frames[0], frames[1][:kept]]),
    )
    torn, cut = report["damaged"]
    assert "cut short before the first" in torn
    assert f"only {kept} of its {CHUNK_SIZE} frames" in cut
    # What nothing can be made of is kept, and the stream not forgotten.
    assert report["quarantined"] == 1
    (set_aside,) = (dead.path / "quarantine").iterdir()
    assert set_aside.name == places[2].name


def test_what_a_ring_held_before_a_restart_is_named_and_not_deleted_as_finished(
    connect: Connect, local_server: LocalServer, leave: Any, make_frames: MakeFrames
) -> None:
    dead = leave()
    buffer = dead.in_ring(0, make_frames(CHUNK_SIZE, *SHAPE))
    buffer.cells[BOOT] = 12345
    dead.die()
    (report,) = connect(local_server).recover()
    (named,) = report["damaged"]
    assert "restarted" in named
    assert report["quarantined"] == 1
