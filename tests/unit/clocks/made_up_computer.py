"""A made-up computer and a camera beside it: when frames are captured, stamped and handed over."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import HostClock
from rheed_acquire.frames.ring import NO_ID, Chunk

SECOND = 1_000_000_000
UTC_NS = 1_800_000_000 * SECOND
Stamps = NDArray[np.int64]


class Computer:
    """The two clocks of a made-up computer."""

    def __init__(self) -> None:
        self.steady = 5_000 * SECOND
        self.wall = UTC_NS
        self.clock = HostClock(wall_ns=lambda: self.wall, steady_ns=lambda: self.steady)

    def pass_time(self, seconds: float, ppm: float = 0.0) -> None:
        """Let time pass; the wall clock is fast by `ppm`."""
        self.steady += round(seconds * 1e9)
        self.wall += round(seconds * (1e9 + ppm * 1e3))

    def utc_of(self, steady_ns: Stamps) -> NDArray[np.float64]:
        since: NDArray[np.float64] = (steady_ns - 5_000 * SECOND) / 1e6
        return since + UTC_NS / 1e6


def chunk_of(timestamps: Stamps, arrived: Stamps) -> Chunk:
    frames = np.zeros((len(arrived), 1, 1), np.uint8)
    return Chunk(0, frames, np.full(len(arrived), NO_ID, np.int64), timestamps, arrived)


def capture(fps: float, seconds: float) -> Stamps:
    since: Stamps = np.round(np.arange(round(fps * seconds)) * SECOND / fps).astype(np.int64)
    return 5_000 * SECOND + since


def camera_time(captured: Stamps, ppm: float = 0.0, origin: int = 10**12) -> Stamps:
    since: Stamps = captured - captured[0]
    drift: Stamps = np.round(since * ppm * 1e-6).astype(np.int64)
    stamps: Stamps = origin + since + drift
    return stamps


def deliver(captured: Stamps, delay_ms: NDArray[np.float64]) -> Stamps:
    """Arrivals, in order: a frame that is late holds up those behind it."""
    return np.maximum.accumulate(captured + np.round(delay_ms * 1e6).astype(np.int64))


def errors_ms(
    clock: CaptureClock, computer: Computer, captured: Stamps, timestamps: Stamps, arrived: Stamps, size: int
) -> NDArray[np.float64]:
    starts = range(0, len(captured), size)
    said = [
        clock.times(chunk_of(timestamps[n : n + size], arrived[n : n + size])).start_ms_utc for n in starts
    ]
    assert all(earlier <= later for earlier, later in pairwise(said))
    return np.array(said) - computer.utc_of(captured[::size])
