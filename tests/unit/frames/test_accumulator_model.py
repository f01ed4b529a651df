"""What becomes of every frame that a camera hands over, against a slow model that shares no code with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.unit.frames.accumulator_model import ORIGIN, SECOND, Run, events_of, model, runs

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import FREE, ChunkBuffer
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk, ChunkRing, Gap

HEIGHT, WIDTH = 2, 4


def pixels_of(position: int) -> NDArray[np.uint8]:
    """Eight pixels that no other frame of the run has."""
    return np.frombuffer((position * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little"), np.uint8).reshape(
        2, 4
    )


class Consumer:
    """Takes chunks as a session does, keeps each until told, and remembers what it saw."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.seen: list[tuple[NDArray[np.uint8], list[int], list[int]]] = []
        self.errors: list[CameraError] = []
        self._released = 0

    @property
    def frames_released(self) -> int:
        return sum(len(chunk) for chunk in self.chunks[: self._released])

    def take(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        assert (np.diff(chunk.host_ns) >= 0).all()
        self.seen.append((chunk.frames.copy(), chunk.frame_ids.tolist(), chunk.timestamps_ns.tolist()))

    def release(self, count: int) -> None:
        for number, chunk in enumerate(self.chunks[self._released : self._released + count], self._released):
            self.check_unchanged(number)
            chunk.release()
            chunk.release()
        self._released = min(len(self.chunks), self._released + count)

    def check_unchanged(self, number: int) -> None:
        """A chunk is its holder's until released: later frames leave it alone."""
        frames, ids, timestamps = self.seen[number]
        assert np.array_equal(self.chunks[number].frames, frames)
        assert self.chunks[number].frame_ids.tolist() == ids
        assert self.chunks[number].timestamps_ns.tolist() == timestamps

    def release_all(self) -> None:
        self.release(len(self.chunks))


class Scenario:
    """A run played through an accumulator, as an SDK plays it: one `Frame` and one buffer used for all."""

    def __init__(self, run: Run) -> None:
        self.run, self.events, self.consumer = run, events_of(run), Consumer()
        self.ring = ChunkRing(run.buffers, run.capacity, HEIGHT, WIDTH)
        self.buffers = take_all(self.ring)
        for buffer in self.buffers:
            self.ring.release(buffer)
        good = make_copier("Mono8", HEIGHT, WIDTH)
        self._failing = False
        self._now = 0

        def convert(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
            good(source, destination)
            if self._failing:
                raise run.failure

        self.accumulator = ChunkAccumulator(
            self.ring,
            convert,
            (HEIGHT, WIDTH),
            run.fps,
            self.consumer.take,
            self.consumer.errors.append,
            gap_tolerance_s=run.tolerance_s,
            frame_id_cycle=run.cycle,
            frame_limit=run.limit,
            now_ns=lambda: self._now,
        )

    def play(self, check: Callable[[], None] = lambda: None) -> None:
        lent = np.empty((HEIGHT, WIDTH), np.uint8)
        larger = np.zeros((HEIGHT, WIDTH + 1), np.uint8)
        frame = Frame(lent, None, None)
        for position, now in enumerate(self.events):
            lent[...] = pixels_of(position)
            frame.pixels = larger if now.step.other_shape else lent
            kind = self.run.number
            frame.id = None if now.camera_id is None else kind(now.camera_id)
            frame.timestamp_ns = None if now.timestamp_ns is None else kind(now.timestamp_ns)
            if now.step.odd_stamp is not None:
                frame.timestamp_ns = now.step.odd_stamp
            self._now = now.arrival_ns
            self._failing = now.step.fails
            self.accumulator.on_frame(frame)
            lent[...] = 0xEE
            check()
            self.consumer.release(now.step.released_after)
        self.accumulator.close()


def take_all(ring: ChunkRing) -> list[ChunkBuffer]:
    return list(iter(ring.acquire, None))


@settings(max_examples=400)
@given(runs())
def test_every_frame_ends_where_the_model_says(run: Run) -> None:
    scenario = Scenario(run)
    scenario.play()
    accumulator, consumer = scenario.accumulator, scenario.consumer
    expected = model(run, scenario.events)
    assert [len(chunk) for chunk in consumer.chunks] == [len(chunk) for chunk in expected.chunks]
    for index, (chunk, positions) in enumerate(zip(consumer.chunks, expected.chunks, strict=True)):
        frames, ids, timestamps = consumer.seen[index]
        truth = [scenario.events[position] for position in positions]
        assert chunk.index == index
        last = expected.chunks[index - 1][-1] if index else -1
        assert chunk.after_overrun == any(last < lost < positions[0] for lost in expected.overrun)
        assert np.array_equal(frames, np.stack([pixels_of(position) for position in positions]))
        assert ids == [NO_ID if now.true_id is None else now.true_id for now in truth]
        assert timestamps == [NO_TIMESTAMP if t.timestamp_ns is None else t.timestamp_ns for t in truth]
    assert accumulator.received == expected.received
    assert accumulator.overrun == len(expected.overrun)
    assert accumulator.rejected == len(expected.rejected)
    assert (accumulator.ids.restarts, accumulator.ids.repeated) == (expected.restarts, expected.repeated)
    assert accumulator.ids.gaps == len(expected.gaps)
    assert accumulator.ids.missing == sum(gap.missing for gap in expected.gaps)
    assert len(consumer.errors) == len(expected.rejected)
    assert accumulator.closed


@settings(max_examples=200)
@given(runs())
def test_every_frame_is_counted_exactly_once_at_every_moment(run: Run) -> None:
    scenario = Scenario(run)
    accumulator, consumer = scenario.accumulator, scenario.consumer

    def adds_up() -> None:
        assert accumulator.received == accumulator.accumulated + accumulator.overrun + accumulator.rejected
        # What another process would find in the buffers, were this one to die now.
        held = sum(buffer.committed for buffer in scenario.buffers if buffer.chunk_index != FREE)
        assert held == accumulator.accumulated - consumer.frames_released

    scenario.play(adds_up)
    adds_up()
    assert accumulator.accumulated == sum(map(len, consumer.chunks))


@settings(max_examples=200)
@given(runs())
def test_a_gap_goes_with_the_chunk_of_the_first_frame_taken_after_it(run: Run) -> None:
    scenario = Scenario(run)
    scenario.play()
    expected = model(run, scenario.events)
    last = expected.chunks[-1][-1] if expected.chunks else -1
    due: list[list[Gap]] = [[] for _ in expected.chunks]
    trailing = []
    for gap in expected.gaps:
        if gap.before_frame > last:
            trailing.append(gap)  # no frame of a chunk came after it
            continue
        due[next(n for n, chunk in enumerate(expected.chunks) if chunk[-1] >= gap.before_frame)].append(gap)
    got = [list(chunk.gaps) for chunk in scenario.consumer.chunks]
    assert got[:-1] == due[:-1]
    assert not got or got[-1] in (due[-1], due[-1] + trailing)


@settings(max_examples=200)
@given(runs())
def test_no_chunk_holds_a_frame_off_its_evenly_spaced_place(run: Run) -> None:
    scenario = Scenario(run)
    scenario.play()
    tolerance_ns, period_ns = run.tolerance_s * 1e9, 1e9 / run.fps
    for chunk, (_, ids, timestamps) in zip(scenario.consumer.chunks, scenario.consumer.seen, strict=True):
        if NO_TIMESTAMP not in timestamps:
            off = np.array(timestamps) - timestamps[0] - np.arange(len(chunk)) * period_ns
            assert off.max() <= tolerance_ns + 1
            # Of a camera that is too fast, once the chunk has lasted for as long as the tolerance.
            late = chunk.host_ns - chunk.host_ns[0] >= tolerance_ns
            assert np.abs(off[late]).max(initial=0.0) <= tolerance_ns + 1
        elif set(timestamps) == {NO_TIMESTAMP} and NO_ID not in ids:
            missing = sum(max(0, step - 1) for step in np.diff(ids).tolist())
            assert missing * period_ns <= tolerance_ns + 1


Wild = st.one_of(
    st.none(),
    st.sampled_from([0, -1, -5, 2**32 - 1, 2**63 - 1, 2**64 - 1, np.uint32(7), np.uint64(2**64 - 1)]),
    st.integers(-(2**63), 2**64),
    st.integers(ORIGIN - SECOND, ORIGIN + 60 * SECOND),
)


@settings(max_examples=200)
@given(runs(), st.data())
def test_a_clock_gone_wild_makes_no_chunk_shorter_where_frames_arrive_evenly(
    run: Run, data: st.DataObject
) -> None:
    steady = [
        replace(step, wait_ns=0, jitter_ns=0, delay_ns=0, fails=False, other_shape=False, lost=0, back=0)
        for step in run.steps
    ]
    wild = [replace(step, odd_stamp=data.draw(Wild)) for step in steady]
    clockless = [replace(step, has_timestamp=False) for step in steady]
    cut = []
    for steps in (wild, clockless):
        scenario = Scenario(replace(run, steps=steps, pace=1.0))
        scenario.play()
        cut.append([len(chunk) for chunk in scenario.consumer.chunks])
        assert not scenario.consumer.errors
        assert scenario.accumulator.overrun + sum(cut[-1]) == scenario.accumulator.received
    assert cut[0] == cut[1]


NoNumber = st.sampled_from([1.5, float("nan"), np.float64(3), "7", b"7", True, [], object(), Fraction(3, 2)])


@settings(max_examples=100)
@given(st.integers(0, 20), st.sampled_from(["id", "timestamp_ns"]), NoNumber)
def test_what_is_no_number_ends_the_run_with_its_name_and_type_and_never_raises(
    at: int, field_name: str, value: Any
) -> None:
    # What compares equal to the id that is due is taken for it: True is 1.
    assume(field_name != "id" or value != at)
    ring, consumer = ChunkRing(8, 8, HEIGHT, WIDTH), Consumer()
    accumulator = ChunkAccumulator(
        ring,
        make_copier("Mono8", HEIGHT, WIDTH),
        (HEIGHT, WIDTH),
        100.0,
        consumer.take,
        consumer.errors.append,
    )
    frame = Frame(pixels_of(0), None, None)
    for number in range(30):
        frame.id, frame.timestamp_ns = number, ORIGIN + number
        if number == at:
            setattr(frame, field_name, value)
        accumulator.on_frame(frame)
    accumulator.close()
    (error,) = consumer.errors
    assert f"frame {at} of the run" in str(error)
    assert f"Frame.{field_name}" in str(error)
    assert type(value).__name__ in str(error)
    assert (accumulator.received, accumulator.rejected, accumulator.accumulated) == (at + 1, 1, at)


@pytest.mark.parametrize("wrong", [None, object(), Frame(None, 0, 0), Frame("pixels", 0, 0)])  # type: ignore[arg-type]
def test_what_is_no_frame_ends_the_run_with_a_sentence(wrong: Any) -> None:
    for full in (False, True):
        consumer = Consumer()
        accumulator = ChunkAccumulator(
            ChunkRing(2, 1, HEIGHT, WIDTH),
            make_copier("Mono8", HEIGHT, WIDTH),
            (HEIGHT, WIDTH),
            100.0,
            consumer.take,
            consumer.errors.append,
        )
        for number in range(2 * full):
            accumulator.on_frame(Frame(pixels_of(0), number, None))
        accumulator.on_frame(wrong)
        accumulator.close()
        assert len(consumer.errors) == accumulator.rejected == 1
        assert accumulator.received == accumulator.accumulated + accumulator.overrun + accumulator.rejected


@settings(max_examples=200)
@given(runs())
def test_the_ring_gets_each_buffer_back_once_and_no_other_memory_is_used(run: Run) -> None:
    scenario = Scenario(run)
    scenario.play()
    for chunk in scenario.consumer.chunks:
        assert sum(np.shares_memory(chunk.frames, buffer.frames) for buffer in scenario.buffers) == 1
    scenario.consumer.release_all()
    assert {id(buffer) for buffer in take_all(scenario.ring)} == {id(buffer) for buffer in scenario.buffers}


@settings(max_examples=50)
@given(runs(), st.integers(0, 5))
def test_nothing_is_taken_counted_or_handed_over_after_close(run: Run, late: int) -> None:
    scenario = Scenario(run)
    scenario.play()
    accumulator = scenario.accumulator
    before = (accumulator.received, accumulator.accumulated, len(scenario.consumer.chunks))
    for _ in range(late):
        accumulator.on_frame(Frame(pixels_of(1), 1, 1))
    accumulator.close()
    assert (accumulator.received, accumulator.accumulated, len(scenario.consumer.chunks)) == before
