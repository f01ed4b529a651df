"""What becomes of every frame that a camera hands over, against a slow model that shares no code with it.

The model works on what really happened (which frames the camera took, without any wrap of its counter) and
never on the camera's own spelling of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import FREE, ChunkBuffer
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk, ChunkRing, Gap

HEIGHT, WIDTH = 2, 4
SECOND = 1_000_000_000
ORIGIN = 10**15


@dataclass(frozen=True)
class Step:
    """One frame, relative to the one before."""

    lost: int = 0
    back: int = 0
    has_id: bool = True
    has_timestamp: bool = True
    jitter_ns: int = 0
    wait_ns: int = 0
    delay_ns: int = 0
    odd_stamp: Any = None
    fails: bool = False
    other_shape: bool = False
    released_after: int = 0


@dataclass(frozen=True)
class Run:
    """A camera's life, and who takes its frames."""

    steps: list[Step]
    fps: float
    tolerance_s: float
    capacity: int
    buffers: int
    cycle: int | None
    first_id: int
    limit: int | None
    failure: Exception
    pace: float
    number: type


@dataclass(frozen=True)
class Event:
    """A frame as it really was: `true_id` counts on where the camera's own counter wraps."""

    true_id: int | None
    camera_id: int | None
    timestamp_ns: int | None
    arrival_ns: int
    step: Step


def mostly(usual: Any, seldom: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), seldom)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    cycle = draw(st.sampled_from([None, None, 5, 16, 65535]))
    ids = draw(st.sampled_from(["all", "all", "none", "some"])) if cycle is None else "all"
    clock = draw(st.sampled_from(["all", "all", "none", "some"]))
    present = {"all": st.just(True), "none": st.just(False), "some": mostly(True, st.just(False))}
    never, seldom = st.just(False), mostly(False, st.sampled_from([False, False, True]))
    steps = st.builds(
        Step,
        lost=mostly(0, st.integers(0, 300 if cycle is None else min(300, cycle // 2))),
        back=mostly(0, st.integers(0, 3)),
        has_id=present[ids],
        has_timestamp=present[clock],
        jitter_ns=st.integers(0, 200_000),
        wait_ns=mostly(0, st.integers(0, 10 * SECOND) | st.integers(0, 200_000_000)),
        delay_ns=st.integers(0, 5_000_000),
        fails=seldom if draw(st.booleans()) else never,
        other_shape=seldom if draw(st.booleans()) else never,
        released_after=st.integers(0, 2),
    )
    return Run(
        steps=draw(st.lists(steps, max_size=50)),
        fps=draw(st.sampled_from([1.0, 30.0, 96.97, 120.0, 1000.0])),
        tolerance_s=draw(st.sampled_from([0.1, 0.1, 0.03, 2.0])),
        capacity=draw(st.integers(1, 8)),
        buffers=draw(st.integers(2, 4)),
        cycle=cycle,
        first_id=draw(st.integers(0, 2**40) if cycle is None else st.integers(max(1, cycle - 40), cycle)),
        limit=draw(st.none() | st.integers(1, 50)),
        failure=draw(st.sampled_from([ValueError("no"), MemoryError(), KeyError(3), OverflowError("much")])),
        pace=draw(st.sampled_from([1.0, 1.0, 1.4, 12.0, 0.5])),
        number=draw(st.sampled_from([int, int, np.int64, np.uint64])),
    )


def events_of(run: Run) -> list[Event]:
    """Play the camera."""
    events: list[Event] = []
    true_id, time_ns = run.first_id, Fraction(ORIGIN)
    for position, step in enumerate(run.steps):
        moved = 1 + step.lost
        if position:
            if step.back and stays_in_its_cycle(true_id, step.back, run.cycle):
                moved = 1 - step.back
            true_id += moved
        time_ns += Fraction(SECOND) / Fraction(run.fps * run.pace) * max(moved, 1) + step.wait_ns
        stamp_ns = round(time_ns) + step.jitter_ns
        arrival_ns = max(stamp_ns + step.delay_ns, events[-1].arrival_ns if events else 0)
        camera_id = true_id if run.cycle is None else (true_id - 1) % run.cycle + 1
        events.append(
            Event(
                true_id if step.has_id else None,
                camera_id if step.has_id else None,
                stamp_ns if step.has_timestamp else None,
                arrival_ns,
                step,
            )
        )
    return events


def stays_in_its_cycle(true_id: int, back: int, cycle: int | None) -> bool:
    """Whether a step back is told from a wrap: it is the shorter way, and crosses none."""
    if true_id - back < 0:
        return False
    if cycle is None:
        return True
    return back <= (cycle - 1) // 2 and (true_id - back) // cycle == (true_id - 1) // cycle


@dataclass
class Expected:
    """Positions in the run are counted from 0 over the frames that were received."""

    chunks: list[list[int]] = field(default_factory=list)
    overrun: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    received: int = 0
    gaps: list[Gap] = field(default_factory=list)
    restarts: int = 0
    repeated: int = 0


def model(run: Run, events: list[Event]) -> Expected:
    """Say what must become of the frames, looking at the whole run again for each."""
    expected = Expected()
    current: list[int] = []
    free, owned = run.buffers, 0

    def end() -> None:
        nonlocal current, owned
        expected.chunks.append(current)
        current, owned = [], owned + 1

    for position, frame in enumerate(events):
        expected.received += 1
        before = events[position - 1].true_id if position else None
        if frame.true_id is not None and before is not None:
            if frame.true_id > before + 1:
                expected.gaps.append(Gap(position, before + 1, frame.true_id - before - 1))
            expected.restarts += frame.true_id < before
            expected.repeated += frame.true_id == before
        if frame.step.other_shape:
            expected.rejected.append(position)
            break
        if current and is_off(run, events, expected.gaps, current, position):
            end()
        if not current and not free:
            expected.overrun.append(position)
        else:
            if not current:
                free -= 1
            if frame.step.fails:
                expected.rejected.append(position)
                break
            current.append(position)
            if len(current) == run.capacity or (
                run.limit is not None and sum(map(len, expected.chunks)) + len(current) == run.limit
            ):
                end()
        if run.limit is not None and sum(map(len, expected.chunks)) == run.limit:
            break
        back = min(owned, frame.step.released_after)
        owned, free = owned - back, free + back
    if current:
        end()
    return expected


def is_off(run: Run, events: list[Event], gaps: list[Gap], chunk: list[int], position: int) -> bool:
    """Whether a frame would stand too far off its evenly spaced place, were it the chunk's next."""
    period, tolerance = Fraction(SECOND) / Fraction(run.fps), run.tolerance_s * 1e9
    here, first = events[position], events[chunk[0]]
    by_ids = missing_within(gaps, chunk[0], position) * period > tolerance
    if here.timestamp_ns is None or first.timestamp_ns is None:
        return by_ids
    error_ns = here.timestamp_ns - first.timestamp_ns - round(len(chunk) * period)
    if error_ns < -tolerance:
        # A camera that is faster than declared: after a while.
        return here.arrival_ns - first.arrival_ns >= tolerance or by_ids
    return error_ns > tolerance


def missing_within(gaps: list[Gap], first: int, last: int) -> int:
    return sum(gap.missing for gap in gaps if first < gap.before_frame <= last)


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
