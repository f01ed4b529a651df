"""What was measured of each region in the frames of one chunk, for whoever keeps that with the frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.regions.traces import Points, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.frame_form import Levels
    from rheed_acquire.regions.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTrace:
    """One region in the N frames of a chunk.

    Attributes
    ----------
    mean
        (N,) float32: mean gray level; NaN in a frame before the region was drawn, or after it was moved.
    maximum
        (N,) float32: its brightest pixel; NaN as well.
    """

    region: Region
    mean: NDArray[np.float32]
    maximum: NDArray[np.float32]


class ChunkTraces:
    """Gathers what is measured of a chunk, piece by piece, while its regions may change."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, Points, Sequence[Region]]] = []

    def add(self, first: int, points: Points, regions: Sequence[Region]) -> None:
        """Note the values of regions in consecutive frames, the first at this place in the chunk."""
        if regions:
            self._pieces.append((first, points, regions))

    def take(self, frames: int) -> tuple[ChunkTrace, ...]:
        """Put together what there is of a chunk of so many frames, and begin with the next."""
        pieces, self._pieces = self._pieces, []
        traces: dict[str, ChunkTrace] = {}
        for first, points, regions in pieces:
            part = slice(first, first + len(points.utc_ms))
            for region, mean, maximum in zip(regions, points.mean, points.maximum, strict=True):
                if (key := region.placed_name) not in traces:
                    nothing = np.full((2, frames), np.nan, np.float32)
                    traces[key] = ChunkTrace(region, *nothing)
                traces[key].mean[part], traces[key].maximum[part] = mean, maximum
        return tuple(traces.values())


def measure_chunk(levels: Levels, regions: Sequence[Region]) -> tuple[ChunkTrace, ...]:
    """Measure regions in the frames of a chunk, (N, H, W), at once."""
    measured = ChunkTraces()
    measured.add(0, measure(levels, np.zeros(len(levels)), regions), regions)
    return measured.take(len(levels))
