"""The stream's frames are those that numpy makes of the camera's, whatever is missing among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.frames.frame_groups import groups
from rheed_acquire.frames.reduction import WHOLE, Reduction
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk
from rheed_acquire.frames.stream_chunks import StreamChunks

FPS = 100.0
PERIOD_NS = 10_000_000


@dataclass
class Camera:
    """What a chunk is made of: how many ids each frame is after the one before, and a seed of pixels."""

    steps: list[int]
    seed: int
    has_ids: bool = True
    has_clock: bool = True

    def places(self) -> NDArray[np.int64]:
        return np.cumsum([0, *self.steps])

    def frames(self) -> NDArray[np.uint8]:
        return np.random.default_rng(self.seed).integers(0, 256, (len(self.steps) + 1, 3, 4), np.uint8)

    def chunk(self, released: list[str] | None = None) -> Chunk:
        places = self.places()
        none = np.full(len(places), -1)
        since_ns = (places * PERIOD_NS).astype(np.int64)
        told: list[str] = [] if released is None else released
        return Chunk(
            index=3,
            frames=self.frames(),
            frame_ids=places + 40 if self.has_ids else none,
            timestamps_ns=since_ns + 1_000 if self.has_clock else none,
            host_ns=since_ns + 5_000_000,
            capture_start_ms_utc=1e12,
            since_ns=since_ns,
            on_release=lambda: told.append("released"),
            on_set_aside=lambda: told.append("set aside"),
        )


cameras = st.builds(
    Camera,
    st.lists(st.sampled_from([1] * 12 + [2, 3, 7]), max_size=60),
    st.integers(0, 2**32 - 1),
)
reductions = st.builds(Reduction, st.integers(2, 9), is_mean=st.booleans())


def expected(camera: Camera, reduction: Reduction) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Frames, and the place in the chunk at which each begins, by the plainest of loops."""
    frames, size = camera.frames(), reduction.frames
    if not reduction.is_mean:
        firsts = [place for place in range(len(frames)) if place % size == 0]
        return [frames[first] for first in firsts], firsts
    runs: list[list[int]] = [[0]]
    for place, step in enumerate(camera.steps, 1):
        if step == 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    made = [run[at : at + size] for run in runs for at in range(0, len(run), size)]
    whole = [group for group in made if len(group) == size]
    if not whole:
        longest = max(len(run) for run in runs)
        whole = [next(run for run in runs if len(run) == longest)]
    # Half up, which numpy's own rounding is not.
    means = [np.floor(frames[group].mean(axis=0, dtype=np.float64) + 0.5) for group in whole]
    return [mean.astype(np.uint8) for mean in means], [group[0] for group in whole]


@given(cameras, reductions)
def test_the_reduced_frames_are_those_of_the_reference(camera: Camera, reduction: Reduction) -> None:
    capacity = -(-(len(camera.steps) + 1) // reduction.frames)
    reduced = StreamChunks(reduction, FPS / reduction.frames, capacity).of(camera.chunk())
    frames, firsts = expected(camera, reduction)
    np.testing.assert_array_equal(reduced.frames, np.array(frames))
    places = camera.places()[firsts]
    assert reduced.frame_ids.tolist() == (places + 40).tolist()
    assert reduced.timestamps_ns.tolist() == (places * PERIOD_NS + 1_000).tolist()
    assert reduced.host_ns.tolist() == (places * PERIOD_NS + 5_000_000).tolist()
    assert reduced.index == 3


@given(cameras, reductions)
def test_every_frame_is_dated_within_two_of_the_streams_periods_and_never_after_its_chunk(
    camera: Camera, reduction: Reduction
) -> None:
    fps = FPS / reduction.frames
    reduced = StreamChunks(reduction, fps, 60).of(camera.chunk())
    assert reduced.since_ns is not None
    assert reduced.capture_start_ms_utc is not None
    start_ms = reduced.capture_start_ms_utc - 1e12
    true_ms = start_ms + reduced.since_ns / 1e6
    assert true_ms.tolist() == pytest.approx((reduced.host_ns / 1e6 - 5.0).tolist())
    dated_ms = start_ms + np.arange(len(reduced)) * 1e3 / (reduced.fps or fps)
    assert dated_ms[-1] <= true_ms[-1] + 1e-6  # else it would be dated into the chunk that follows
    assert true_ms[-1] - dated_ms[-1] <= 1e3 / fps + 1e-6


@given(cameras, st.integers(2, 9))
def test_without_ids_the_stamps_tell_what_is_missing(camera: Camera, size: int) -> None:
    reduction = Reduction(size, is_mean=True)
    by_ids = groups(camera.chunk().frame_ids, camera.chunk().timestamps_ns, reduction)
    camera.has_ids = False
    chunk = camera.chunk()
    by_stamps = groups(chunk.frame_ids, chunk.timestamps_ns, reduction)
    usual = np.median(camera.steps) if camera.steps else 1
    if usual == 1:
        assert by_stamps[0].tolist() == by_ids[0].tolist()
        assert by_stamps[1] == by_ids[1]


@pytest.mark.parametrize(
    ("ids", "stamps"),
    [
        ([NO_ID] * 10, [NO_TIMESTAMP] * 10),
        ([7] * 10, [NO_TIMESTAMP] * 10),
        ([NO_ID] * 10, [5] * 10),
        ([0, 1, 2, 2, 3, 4, 5, 6, 7, 8], [NO_TIMESTAMP] * 10),
    ],
)
def test_where_nothing_says_that_a_frame_is_missing_none_is(ids: list[int], stamps: list[int]) -> None:
    firsts, size = groups(np.array(ids), np.array(stamps), Reduction(5, is_mean=True))
    assert (firsts.tolist(), size) == ([0, 5], 5)


@pytest.mark.parametrize("count", [255, 256, 257, 1000])
def test_the_mean_of_many_bright_frames_does_not_overflow(count: int) -> None:
    camera = Camera([1] * (count - 1), 0)
    chunk = camera.chunk()
    chunk.frames[...] = 255
    reduced = StreamChunks(Reduction(count, is_mean=True), 1.0, 1).of(chunk)
    assert (reduced.frames == 255).all()


def test_a_half_is_rounded_up() -> None:
    chunk = Camera([1], 0).chunk()
    chunk.frames[0], chunk.frames[1] = 2, 3
    assert (StreamChunks(Reduction(2, is_mean=True), 1.0, 1).of(chunk).frames == 3).all()


def test_a_stream_with_every_frame_has_the_cameras_own_chunk() -> None:
    chunk = Camera([1], 0).chunk()
    assert StreamChunks(WHOLE, FPS, 2).of(chunk) is chunk


@pytest.mark.parametrize("ending", ["released", "set aside"])
def test_the_cameras_chunk_keeps_its_buffer_until_the_streams_is_given_back(ending: str) -> None:
    told: list[str] = []
    chunks = StreamChunks(Reduction(2), 50.0, 2)
    camera_chunk = Camera([1, 1, 1], 0).chunk(told)
    reduced = chunks.of(camera_chunk)
    camera_chunk.release()  # it is no longer its owner
    assert told == []
    if ending == "released":
        reduced.release()
    else:
        reduced.set_aside()
    reduced.release()
    assert told == [ending]


def test_memory_for_the_streams_frames_goes_round() -> None:
    chunks = StreamChunks(Reduction(2), 50.0, 2)
    rooms = set()
    for steps in ([1, 1, 1], [1], [1, 1, 1]):
        reduced = chunks.of(Camera(steps, 0).chunk())
        rooms.add(reduced.frames.__array_interface__["data"][0])
        reduced.release()
    assert len(rooms) == 1


def test_a_frame_cannot_stand_for_none() -> None:
    with pytest.raises(ValueError, match="cannot stand for 0"):
        Reduction(0)
