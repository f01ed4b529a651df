"""The frames of an array that has holes, as if they lay side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GatheredFrames:
    """Looks like the zarr array that it reads, without the places where no frame is.

    Parameters
    ----------
    array
        (T, ...), of zarr.
    places
        (N,) int64, rising: where in it the frames are.
    """

    def __init__(self, array: Any, places: NDArray[np.int64]) -> None:
        self._array = array
        self.places = places
        self.shape = (len(places), *array.shape[1:])
        self.dtype, self.shards, self.chunks = array.dtype, array.shards, array.chunks

    def __getitem__(self, chosen: slice) -> NDArray[Any]:
        """Read a slice, of step 1; frames that lie side by side in one go."""
        places = self.places[chosen]
        pieces = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
        read = [np.asarray(self._array[int(piece[0]) : int(piece[-1]) + 1]) for piece in pieces if len(piece)]
        return np.concatenate(read) if read else np.empty((0, *self.shape[1:]), self.dtype)
