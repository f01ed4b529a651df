"""Series that keep to a fixed size however long a run is, by becoming coarser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from rheed_acquire.run_report.record import RateRecord

RATE_POINTS = 2048
THUMBNAILS = 48
THUMBNAIL_EVERY_MS = 2000.0

T = TypeVar("T")


class RateSeries:
    """Frames and the time they took, in at most ``RATE_POINTS`` steps; neighbours are added up when full.

    Since frames and seconds are added, not rates averaged, each step's rate stays exact.
    """

    def __init__(self, capacity: int = RATE_POINTS) -> None:
        self._capacity = capacity
        self._stride = 1
        self._held = 0
        self._steps: list[tuple[float, int, float]] = []

    def add(self, utc_ms: float, frames: int, seconds: float) -> None:
        """Note that in the ``seconds`` from ``utc_ms`` on came ``frames``."""
        if self._held and self._held < self._stride:
            begun, before, lasted = self._steps[-1]
            self._steps[-1] = (begun, before + frames, lasted + seconds)
            self._held += 1
            return
        if len(self._steps) >= self._capacity:
            pairs = zip(self._steps[::2], [*self._steps[1::2], (0.0, 0, 0.0)], strict=False)
            self._steps = [(a[0], a[1] + b[1], a[2] + b[2]) for a, b in pairs]
            self._stride *= 2
        self._steps.append((utc_ms, frames, seconds))
        self._held = 1

    def record(self) -> RateRecord:
        """All of it."""
        return RateRecord(
            utc_ms=[round(step[0], 1) for step in self._steps],
            frames=[step[1] for step in self._steps],
            seconds=[round(step[2], 9) for step in self._steps],
        )


class EveryNowAndThen(Generic[T]):
    """Items evenly spread over a time of unknown length, at most ``capacity`` of them.

    When it is full every other item goes, and the next ones come half as often.
    """

    def __init__(self, capacity: int = THUMBNAILS, every_ms: float = THUMBNAIL_EVERY_MS) -> None:
        self._capacity, self._every_ms = capacity, every_ms
        self._kept: list[tuple[float, T]] = []

    @property
    def items(self) -> list[T]:
        """What is kept, oldest first."""
        return [item for _, item in self._kept]

    def due_ms(self) -> float | None:
        """From which time on an item is wanted; None for at once."""
        return self._kept[-1][0] + self._every_ms if self._kept else None

    def offer(self, utc_ms: float, make: Callable[[], T]) -> None:
        """Make and keep an item of this time, if one is wanted."""
        if self._is_early(utc_ms):
            return
        if len(self._kept) >= self._capacity:
            self._kept = self._kept[::2]
            self._every_ms *= 2
            if self._is_early(utc_ms):
                return
        self._kept.append((utc_ms, make()))

    def _is_early(self, utc_ms: float) -> bool:
        # A clock that was set back must not end the series.
        return bool(self._kept) and self._kept[-1][0] <= utc_ms < self._kept[-1][0] + self._every_ms
