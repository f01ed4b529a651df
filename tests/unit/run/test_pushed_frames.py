"""What a session remembers of its frames, against the whole run seen at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.clocks.camera_clock import CaptureClock, CaptureTimes, TimeSource
from rheed_acquire.clocks.timing import HostClock
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk, Gap
from rheed_acquire.run.pauses import LISTED
from rheed_acquire.run.pushed_frames import ChunkFacts, PushedFrames

SECOND = 1_000_000_000
PERIOD = SECOND // 100
PAUSE = PERIOD + SECOND // 10


def chunk_from(
    ids: list[int], timestamps: list[int], host: list[int], gaps: tuple[Gap, ...] = (), index: int = 0
) -> Chunk:
    return Chunk(
        index,
        np.zeros((len(ids), 1, 1), np.uint8),
        np.array(ids, np.int64),
        np.array(timestamps, np.int64),
        np.array(host, np.int64),
        gaps,
    )


def facts_of(chunk: Chunk) -> ChunkFacts:
    """As for a camera whose clock is believed wherever it says something."""
    known = chunk.timestamps_ns != NO_TIMESTAMP
    since = chunk.timestamps_ns if known.any() else chunk.host_ns
    nothing = np.zeros(len(chunk), np.bool_)
    source: TimeSource = "camera" if known.any() else "arrival"
    return ChunkFacts.of(
        chunk,
        CaptureTimes(0.0, since - since[0], chunk.timestamps_ns.copy(), known, nothing, source, 100.0),
    )


@dataclass(frozen=True)
class Frames:
    ids: list[int]
    stamps: list[int]
    cuts: list[int]
    has_ids: bool
    has_clock: bool

    @property
    def edges(self) -> list[int]:
        return sorted({0, *(cut for cut in self.cuts if cut < len(self.ids)), len(self.ids)})

    def pushed(self, missed: Collection[int] = ()) -> PushedFrames:
        """As if these chunks had not been taken."""
        pushed = PushedFrames(PAUSE, PERIOD)
        for index, (first, last) in enumerate(pairwise(self.edges)):
            ids = self.ids[first:last] if self.has_ids else [NO_ID] * (last - first)
            stamps = self.stamps[first:last]
            clock = stamps if self.has_clock else [NO_TIMESTAMP] * len(stamps)
            facts = facts_of(chunk_from(ids, clock, stamps, index=index))
            (pushed.miss if index in missed else pushed.add)(facts)
        return pushed


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    count = draw(st.integers(1, 60))
    lost = draw(st.lists(st.sampled_from([0, 0, 0, 1, 40]), min_size=count - 1, max_size=count - 1))
    waited = draw(
        st.lists(
            st.sampled_from([0, 0, 0, PAUSE - PERIOD, PAUSE - PERIOD + 1, 3 * SECOND]),
            min_size=count - 1,
            max_size=count - 1,
        )
    )
    ids, stamps = [draw(st.integers(0, 10**9))], [draw(st.integers(0, 10**15))]
    for missing, wait in zip(lost, waited, strict=True):
        ids.append(ids[-1] + 1 + missing)
        stamps.append(stamps[-1] + PERIOD * (1 + missing) + wait)
    cuts = draw(st.lists(st.integers(1, 60), max_size=6))
    return Frames(ids, stamps, cuts, draw(st.booleans()), draw(st.booleans()))


@given(frames())
def test_a_pause_is_a_long_step_of_the_cameras_clock_that_no_jump_of_its_ids_explains(run: Frames) -> None:
    expected = [
        (after - before) / 1e9
        for (before, after), (a, b) in zip(pairwise(run.stamps), pairwise(run.ids), strict=True)
        if after - before > PAUSE and (b == a + 1 or not run.has_ids)
    ]
    assert run.pushed().pauses == (pytest.approx(expected) if run.has_clock else [])


@given(frames(), st.sets(st.integers(0, 6)))
def test_a_chunk_that_was_not_taken_is_no_pause_of_the_camera_and_hides_none(
    run: Frames, missed: set[int]
) -> None:
    pushed, whole = run.pushed(missed), run.pushed()
    assert pushed.pauses == whole.pauses
    assert pushed.fps_measured == whole.fps_measured
    taken = {index: size for index, size in whole.sizes.items() if index not in missed}
    assert (pushed.sizes, pushed.chunks, pushed.frames) == (taken, len(taken), sum(taken.values()))


@given(frames())
def test_the_measured_rate_is_that_within_the_chunks_and_by_a_clock_between_them(run: Frames) -> None:
    pushed = run.pushed()
    assert pushed.frames == len(run.ids)
    edges = run.edges
    measured = []
    for number in range(1, len(run.ids)):
        step = run.stamps[number] - run.stamps[number - 1]
        has_all = run.ids[number] == run.ids[number - 1] + 1 or not run.has_ids
        if number not in edges or (run.has_clock and has_all and step <= PAUSE):
            measured.append(step)
    assert pushed.chunks == len(edges) - 1
    # A chunk of one frame says nothing by itself.
    if measured:
        assert pushed.fps_measured == pytest.approx(len(measured) * 1e9 / sum(measured))
    else:
        assert pushed.fps_measured is None


@given(
    st.floats(1.0, 4.0),
    st.floats(0.0, 1.5),
    st.lists(st.integers(1, 1200), max_size=8),
    st.booleans(),
)
def test_a_pause_that_was_caught_up_with_changes_no_rate(
    begun_s: float, lasted_s: float, cuts: list[int], has_ids: bool
) -> None:
    """A clock dates frames as they are handed over; the thread that does had to wait, which ends a chunk."""
    ended_ns = round((begun_s + lasted_s) * SECOND)
    stamps = [number * PERIOD for number in range(1200)]
    stamps = [max(stamp, ended_ns) if stamp >= begun_s * SECOND else stamp for stamp in stamps]
    stamps = [stamp + number for number, stamp in enumerate(stamps)]  # one after the other
    pause = [number for number, (one, other) in enumerate(pairwise(stamps), 1) if other - one > PAUSE]
    pushed = Frames(list(range(1200)), stamps, [*pause, *cuts], has_ids, has_clock=True).pushed()
    assert pushed.pauses == []
    assert pushed.fps_measured == pytest.approx(100.0, rel=1e-4)


@given(st.integers(100, 300), st.floats(0.2, 5.0), st.integers(3, 60))
def test_a_run_that_was_complete_before_it_had_caught_up_has_the_rate_of_its_other_frames(
    before: int, pause_s: float, came: int
) -> None:
    stamps = [number * PERIOD for number in range(before)]
    goes_on_ns = stamps[-1] + round((pause_s + came / 50) * SECOND)
    stamps += [goes_on_ns + number for number in range(came)]
    pushed = Frames(list(range(len(stamps))), stamps, [before], has_ids=True, has_clock=True).pushed()
    assert len(pushed.pauses) == 1
    pushed.complete()
    assert pushed.pauses == []
    assert pushed.fps_measured == pytest.approx(100.0, rel=0.02)


def test_a_rate_is_not_known_while_a_pause_may_still_be_caught_up_with() -> None:
    pushed = PushedFrames(PAUSE, PERIOD)

    def add(first: int, last: int, late_ns: int = 0) -> None:
        stamps = [number * PERIOD + late_ns for number in range(first, last)]
        pushed.add(facts_of(chunk_from([NO_ID] * len(stamps), stamps, stamps)))

    add(0, 300)
    assert pushed.fps_known == pytest.approx(100.0)
    add(300, 310, SECOND)
    assert pushed.fps_known is None
    add(310, 600, SECOND)
    assert pushed.fps_known == pytest.approx(100.0)
    assert pushed.pauses == [pytest.approx(1.01)]


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_the_rate_of_a_clock_that_dates_some_of_the_frames_is_that_between_those(dated: list[bool]) -> None:
    # Late, and ever later, are the arrivals by which the others are dated.
    numbers = np.arange(len(dated))
    arrivals = (numbers * 10 * PERIOD).tolist()
    stamps = np.where(dated, numbers * PERIOD, NO_TIMESTAMP)
    chunk = chunk_from(numbers.tolist(), stamps.tolist(), arrivals)
    times = CaptureClock(HostClock(), 100.0).times(chunk)
    pushed = PushedFrames(PAUSE, PERIOD)
    pushed.add(ChunkFacts.of(chunk, times))
    assert pushed.fps_measured == pytest.approx(100 if times.by_camera.sum() > 1 else 10)


@given(
    late_ms=st.lists(st.integers(0, 400), min_size=1, max_size=9),
    silent_s=st.floats(1.0, 5.0),
    since=st.integers(1, 60),
    cut=st.integers(1, 359),
)
def test_frames_that_were_held_back_come_faster_than_they_can_have_been_captured(
    late_ms: list[int], silent_s: float, since: int, cut: int
) -> None:
    before = [number * PERIOD + late_ms[number % len(late_ms)] * 1_000_000 for number in range(300)]
    before.sort()
    goes_on_ns = before[-1] + round(silent_s * SECOND)
    for step, is_held_back in ((PERIOD, False), (PERIOD // 3, True)):
        pushed = PushedFrames(PAUSE, PERIOD)
        arrivals = [*before, *(goes_on_ns + number * step for number in range(since))]
        for part in (arrivals[:cut], arrivals[cut:]):
            pushed.add(facts_of(chunk_from([NO_ID] * len(part), [NO_TIMESTAMP] * len(part), part)))
            if cut >= len(arrivals):
                break
        assert pushed.ends_catching_up(100.0) == (is_held_back and since > 2)


def test_nothing_pushed_has_no_rate() -> None:
    assert PushedFrames(PAUSE, PERIOD).fps_measured is None


@pytest.mark.parametrize("has_ids", [False, True])
def test_frames_that_we_dropped_between_two_chunks_are_no_pause_of_the_camera(has_ids: bool) -> None:
    pushed = PushedFrames(PAUSE, PERIOD)
    for first in (0, 500):
        ids = list(range(first, first + 50))
        chunk = chunk_from(ids if has_ids else [NO_ID] * 50, [n * PERIOD for n in ids], ids)
        chunk.after_overrun = first > 0
        pushed.add(facts_of(chunk))
    assert pushed.fps_measured == pytest.approx(100)
    assert pushed.pauses == []


@pytest.mark.parametrize("restarted_at", [0, 17, 5 * SECOND])
def test_a_camera_clock_that_begins_anew_spoils_neither_the_rate_nor_the_pauses(restarted_at: int) -> None:
    pushed = PushedFrames(PAUSE, PERIOD)
    for begin in (9 * SECOND, restarted_at):
        stamps = [begin + n * PERIOD for n in range(50)]
        pushed.add(facts_of(chunk_from([NO_ID] * 50, stamps, stamps)))
    assert pushed.fps_measured == pytest.approx(100)
    assert pushed.pauses == []


def test_facts_outlive_the_chunk_that_they_were_read_off() -> None:
    chunk = chunk_from([3, 4], [50, 60], [7, 8], (Gap(0, 2, 1),))
    facts = facts_of(chunk)
    for array in (chunk.frame_ids, chunk.timestamps_ns, chunk.host_ns):
        array[...] = 0
    chunk.release()
    assert (facts.ids.tolist(), facts.times.counter_ns.tolist(), facts.gaps) == (
        [3, 4],
        [50, 60],
        (Gap(0, 2, 1),),
    )


def test_what_is_listed_one_by_one_has_a_bound_and_what_came_first_stays() -> None:
    pushed = PushedFrames(PAUSE, PERIOD)
    for number in range(LISTED // 2):
        start = number * 10 * SECOND
        stamps = [start, start + SECOND, start + 2 * SECOND]
        gaps = tuple(Gap(3 * number + n, 0, 1) for n in range(3))
        pushed.add(facts_of(chunk_from([NO_ID] * 3, stamps, stamps, gaps, number)))
    assert len(pushed.gaps) == len(pushed.pauses) == LISTED
    assert [gap.before_frame for gap in pushed.gaps] == list(range(LISTED))
    assert pushed.chunks == LISTED // 2
