"""Each frame that comes into a chunk is measured once, in order, whoever looks when."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.frame_form import FrameForm, Levels
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.regions.chunk_traces import ChunkTrace
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.regions.traces import Points

HEIGHT, WIDTH, FPS = 4, 8, 10.0
SPOT = Region(name="spot", x=1, y=1, width=3, height=2)
WHOLE = Region(name="whole", x=0, y=0, width=WIDTH, height=HEIGHT)
ELSEWHERE = Region(name="elsewhere", x=5, y=0, width=1, height=4)

Step: TypeAlias = "tuple[str, int]"
steps = st.lists(
    st.one_of(
        st.tuples(st.just("frames"), st.integers(1, 7)),
        st.tuples(st.just("gap"), st.integers(1, 20)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("push"), st.integers(1, 2)),
        st.tuples(st.just("reconnect"), st.just(0)),
    ),
    max_size=60,
)


@dataclass
class Rig:
    """A camera, an accumulator, a pusher and a tap, stepped by hand."""

    capacity: int
    buffers: int
    tap: FrameTap = field(init=False)
    recorded: list[NDArray[np.uint8]] = field(default_factory=list)
    pushed: int = 0
    queue: deque[Chunk] = field(default_factory=deque)
    mean: list[NDArray[np.float32]] = field(default_factory=list)
    maximum: list[NDArray[np.uint16]] = field(default_factory=list)
    utc_ms: list[NDArray[np.float64]] = field(default_factory=list)
    of_chunks: list[tuple[ChunkTrace, ...]] = field(default_factory=list)
    shown: list[tuple[Levels, int]] = field(default_factory=list)
    number: int = 0
    accumulators: list[ChunkAccumulator] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.tap = FrameTap([SPOT, WHOLE], self.show, self.points, looks_per_s=1e-6)
        self.ring = ChunkRing(self.buffers, self.capacity, HEIGHT, WIDTH)
        self.connect()

    def show(self, levels: Levels, number: int, utc_ms: float | None, form: FrameForm) -> None:
        assert form == FrameForm(HEIGHT, WIDTH)
        self.shown.append((levels.copy(), number))

    def points(self, points: Points, regions: object, arrived_ns: NDArray[np.int64]) -> None:
        assert len(arrived_ns) == len(points.utc_ms)
        self.mean.append(points.mean)
        self.maximum.append(points.maximum)
        self.utc_ms.append(points.utc_ms)

    def connect(self) -> None:
        before = self.accumulators
        if before:
            before[-1].close()
        accumulated = sum(one.accumulated for one in before)
        self.accumulators.append(
            ChunkAccumulator(
                self.ring,
                make_copier("Mono8", HEIGHT, WIDTH),
                (HEIGHT, WIDTH),
                FPS,
                self.queue.append,
                self.fail,
                first_chunk_index=sum(one.chunks for one in before),
                first_frame=sum(one.received for one in before),
            )
        )
        self.tap.watch(self.accumulators[-1], accumulated)

    def fail(self, error: CameraError) -> None:
        raise error

    def frame(self) -> None:
        pixels = self.random.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
        accumulator = self.accumulators[-1]
        before = accumulator.accumulated
        accumulator.on_frame(Frame(pixels, self.number, round(self.number * 1e9 / FPS)))
        self.number += 1
        if accumulator.accumulated > before:
            self.recorded.append(pixels)

    def push(self) -> None:
        if self.queue:
            chunk = self.queue.popleft()
            self.of_chunks.append(self.tap.complete(chunk, chunk.host_ns / 1e6))
            chunk.release()
            self.ring_is_poisoned(chunk)

    def ring_is_poisoned(self, chunk: Chunk) -> None:
        """Whoever reads a chunk after its push reads nonsense."""
        chunk.frames[...] = 255 - chunk.frames

    def do(self, step: Step) -> None:
        what, count = step
        if what == "frames":
            for _ in range(count):
                self.frame()
        elif what == "gap":
            self.number += count
        elif what == "look":
            self.tap.look()
        elif what == "reconnect":
            self.connect()
        else:
            for _ in range(count):
                self.push()

    def end(self) -> None:
        self.accumulators[-1].close()
        while self.queue:
            self.push()


def arrivals(stamps_ns: NDArray[np.int64], host_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    utc_ms: NDArray[np.float64] = host_ns / 1e6
    return utc_ms


def numpys(frames: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    rows, columns = region.box
    pixels = frames[:, rows, columns]
    return pixels.astype(np.float64).mean(axis=(1, 2)).astype(np.float32), pixels.max(axis=(1, 2))


@settings(max_examples=200)
@given(steps, st.integers(1, 9), st.integers(2, 4))
def test_every_recorded_frame_is_measured_once_and_in_order(
    script: list[Step], capacity: int, buffers: int
) -> None:
    rig = Rig(capacity, buffers)
    assert rig.tap.begin(WIDTH, HEIGHT, arrivals) == ()
    try:
        for step in script:
            rig.do(step)
        rig.end()
    finally:
        rig.tap.stop()
    frames = np.array(rig.recorded, np.uint8).reshape(-1, HEIGHT, WIDTH)
    mean = np.concatenate([np.empty((2, 0), np.float32), *rig.mean], axis=1)
    maximum = np.concatenate([np.empty((2, 0), np.uint8), *rig.maximum], axis=1)
    for number, region in enumerate((SPOT, WHOLE)):
        expected = numpys(frames, region)
        np.testing.assert_array_equal(mean[number], expected[0])
        np.testing.assert_array_equal(maximum[number], expected[1])
        of_chunks = [traces[number] for traces in rig.of_chunks]
        assert all(trace.region == region for trace in of_chunks)
        empty = np.empty(0, np.float32)
        np.testing.assert_array_equal(np.concatenate([empty, *(one.mean for one in of_chunks)]), expected[0])
        np.testing.assert_array_equal(
            np.concatenate([empty, *(one.maximum for one in of_chunks)]), expected[1]
        )
    assert (np.diff(np.concatenate([np.empty(0), *rig.utc_ms])) >= 0).all()
    # What is shown is a recorded frame under its own number, and never an older one than before.
    numbers = [number for _, number in rig.shown]
    assert numbers == sorted(set(numbers))
    for pixels, number in rig.shown:
        np.testing.assert_array_equal(pixels, frames[number])
    if len(frames):
        assert numbers[-1] == len(frames) - 1


def test_a_look_measures_what_a_chunk_being_filled_has_and_shows_its_newest_frame() -> None:
    rig = Rig(8, 2)
    rig.tap.begin(WIDTH, HEIGHT, arrivals)
    rig.do(("frames", 3))
    rig.tap.look()
    rig.tap.look()
    rig.do(("frames", 2))
    rig.tap.look()
    rig.tap.stop()
    assert [part.shape[1] for part in rig.mean] == [3, 2]
    assert [number for _, number in rig.shown] == [2, 4]


def test_regions_drawn_in_the_middle_of_a_chunk_are_followed_from_the_next_frame_on() -> None:
    rig = Rig(8, 2)
    rig.tap.begin(WIDTH, HEIGHT, arrivals)
    rig.do(("frames", 3))
    rig.tap.look()
    assert rig.tap.follow([ELSEWHERE, SPOT]) == ()
    rig.do(("frames", 5))
    rig.end()
    rig.tap.stop()
    (region, overview), (kept, whole) = rig.tap.overviews()
    assert (region.name, int(overview.frames.sum())) == ("elsewhere", 5)
    assert (kept.name, int(whole.frames.sum())) == ("spot", 8)
    (_, _, mean), _ = rig.tap.recent(5)
    np.testing.assert_array_equal(mean, numpys(np.array(rig.recorded[3:]), ELSEWHERE)[0])
    (traces,) = rig.of_chunks
    told = {trace.region.name: np.isfinite(trace.mean).tolist() for trace in traces}
    before, after = [True] * 3 + [False] * 5, [False] * 3 + [True] * 5
    assert told == {"spot": [True] * 8, "whole": before, "elsewhere": after}


def test_a_region_out_of_the_frame_is_said_and_costs_the_others_nothing() -> None:
    asked = [SPOT, Region(name="gone", x=100, y=0, width=2, height=2)]
    tap = FrameTap(asked)
    assert tap.regions == tuple(asked)
    (note,) = tap.begin(WIDTH, HEIGHT, arrivals)
    tap.stop()
    assert "gone lies outside" in note
    assert list(tap.regions) == [SPOT]


def test_a_failure_of_the_view_is_not_one_of_the_run() -> None:
    rig = Rig(4, 2)

    def fail(*_: object) -> None:
        raise RuntimeError("the page is broken")

    rig.tap = FrameTap([SPOT], fail, fail, looks_per_s=1e-6)
    rig.tap.watch(rig.accumulators[0])
    rig.tap.begin(WIDTH, HEIGHT, arrivals)
    rig.do(("frames", 10))
    rig.tap.look()
    rig.end()
    rig.tap.stop()
    assert len(rig.recorded) > 0
    assert not rig.queue


def test_a_buffer_that_was_taken_and_not_yet_begun_anew_is_not_looked_at() -> None:
    rig = Rig(4, 2)
    rig.tap.begin(WIDTH, HEIGHT, arrivals)
    rig.do(("frames", 4))
    rig.push()
    rig.do(("frames", 4))
    rig.push()
    before = len(rig.shown), len(rig.mean)
    rig.accumulators[-1]._buffer = rig.ring.acquire()  # as on_frame has it between two of its lines
    rig.tap.look()
    rig.tap.stop()
    assert (len(rig.shown), len(rig.mean)) == before
