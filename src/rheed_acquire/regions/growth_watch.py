"""How fast each region of a run says that it grows, found now and then beside the frames' way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from rheed_acquire.regions.growth import FEWEST_OSCILLATIONS, latest_oscillations
from rheed_acquire.regions.traces import RECENT_FRAMES
from rheed_acquire.system.worker import Worker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rheed_acquire.regions.oscillation import Oscillation
    from rheed_acquire.regions.regions import Region

    Recent: TypeAlias = Callable[[int], Iterable[tuple[Region, NDArray[np.float64], NDArray[np.float32]]]]

EVERY_S = 10.0
_FRAMES = 2**15
"""Of each region that are looked at first."""
_WIDER = 4
"""Times as many are looked at next, where those show nothing: at 1,000 frames/s they are 33 seconds, in which
a slow growth has no two oscillations. A fast one would be averaged away in the whole of what is kept."""
_OSCILLATIONS = 2 * FEWEST_OSCILLATIONS
"""The latest of them: a rate may change."""


class RegionGrowth(BaseModel):
    """The latest oscillations of a region (see `rheed_acquire.regions.oscillation.Oscillation`).

    Attributes
    ----------
    region
        Its name.
    period_s, uncertainty_s
        Of one oscillation, and one standard deviation of it, in seconds.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    region: str = Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")
    period_s: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    uncertainty_s: float = Field(ge=0, le=1e6, allow_inf_nan=False)


class GrowthWatch:
    """Looks for oscillations in a thread of its own, each time that somebody has taken the last result.

    Parameters
    ----------
    recent
        Gives each region with its latest values, as `rheed_acquire.regions.frame_tap.FrameTap.recent` does.
    every_s
        At most so often.
    """

    def __init__(self, recent: Recent, every_s: float = EVERY_S) -> None:
        self._recent, self._every_s = recent, every_s
        self._lock = threading.Lock()
        self._latest: tuple[RegionGrowth, ...] | None = None
        self._ended = threading.Event()
        self._worker = Worker("growth", self._look, self._ended)

    def start(self) -> None:
        """Begin to look."""
        self._worker.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._worker.join()

    def take(self) -> tuple[RegionGrowth, ...] | None:
        """What has been found since this was last called: regions that oscillate; None for no new result."""
        with self._lock:
            latest, self._latest = self._latest, None
        return latest

    def _look(self) -> float | None:
        if self._ended.is_set():
            return None
        if self._latest is None:
            found = tuple(growths(self._recent(RECENT_FRAMES)))
            with self._lock:
                self._latest = found
        return self._every_s


def growths(
    recent: Iterable[tuple[Region, NDArray[np.float64], NDArray[np.float32]]],
) -> list[RegionGrowth]:
    """Of regions with their values, captures in ms UTC and gray levels, (N,) each, those that oscillate."""
    grown = []
    for region, utc_ms, mean in recent:
        oscillation = _latest_growth(utc_ms, mean)
        if oscillation is not None:
            grown.append(
                RegionGrowth(
                    region=region.name,
                    period_s=oscillation.period_s,
                    uncertainty_s=oscillation.uncertainty_s,
                )
            )
    return grown


def _latest_growth(utc_ms: NDArray[np.float64], mean: NDArray[np.float32]) -> Oscillation | None:
    together = 1
    while len(utc_ms):
        # As many points each time, which take as long: the search averages far more down to fewer anyway.
        blocks = min(len(utc_ms) // together, _FRAMES)
        latest = slice(len(utc_ms) - blocks * together, None)
        times_s = (utc_ms[latest] - utc_ms[latest][0]).reshape(blocks, together).mean(axis=1) / 1e3
        found = latest_oscillations(
            times_s, mean[latest].reshape(blocks, together).mean(axis=1), _OSCILLATIONS
        )
        if found is not None:
            return found[0]
        if len(utc_ms) <= _FRAMES * together:
            break
        together *= _WIDER
    return None
