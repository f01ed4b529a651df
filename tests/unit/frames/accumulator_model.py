"""A camera's life drawn at random, and a slow model of what must become of every frame that it hands over.

The model works on what really happened (which frames the camera took, without any wrap of its counter) and
never on the camera's own spelling of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rheed_acquire.frames.ring import Gap

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
