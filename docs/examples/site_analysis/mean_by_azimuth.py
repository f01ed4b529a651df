"""The mean frame of each azimuth of a rotating run in a bucket, by the workers of a Dask cluster.

``python mean_by_azimuth.py SCHEDULER s3://BUCKET/PREFIX/RUN FILE.npy``
"""

from __future__ import annotations

import sys

import numpy as np
import xarray
from dask.distributed import Client
from numpy.typing import NDArray

from rheed_acquire import open_run

SECTORS = 36


def declared_turns(run: xarray.Dataset) -> NDArray[np.float64]:
    """How far the stage had turned since the first frame, (T,), in turns, if it kept its declared speed."""
    captured = run.time.to_numpy()
    minutes = (captured - captured[:1]) / np.timedelta64(1, "m")
    turns: NDArray[np.float64] = minutes * run.attrs["rotations_per_min"]
    return turns


def mean_by_azimuth(
    run: xarray.Dataset, turns: NDArray[np.float64], sectors: int = SECTORS
) -> xarray.DataArray:
    """Average the frames of each sector of a turn.

    Parameters
    ----------
    run
        As `open_run` gives it.
    turns
        (T,), how far the stage had turned at each frame, from any origin.
    sectors
        Into how many a turn is cut; the first has its middle where ``turns`` is a whole number.

    Returns
    -------
    xarray.DataArray
        (azimuth, y, x) float32, not computed yet; NaN for a sector without frames. ``azimuth`` is the
        middle of each, in degrees.
    """
    numbers = np.rint(turns * sectors).astype(np.int64) % sectors
    counts = np.bincount(numbers, minlength=sectors).astype(np.float32)
    middles = np.arange(sectors) * 360 / sectors
    # Of each shard, which is decoded once, a sum for each sector: a product of matrices.
    sector = xarray.DataArray(numbers, dims="time").chunk(time=run.frames.chunksizes["time"])
    is_in = sector == xarray.DataArray(np.arange(sectors), {"azimuth": middles}, "azimuth")
    sums = xarray.dot(is_in.astype(np.float32), run.frames.astype(np.float32), dim="time", optimize=True)
    per_sector = xarray.DataArray(np.where(counts, counts, np.float32(np.nan)), dims="azimuth")
    means: xarray.DataArray = sums / per_sector
    return means


def main(scheduler: str, place: str, file: str) -> None:
    """Write the mean frames as an array of numpy's."""
    run = open_run(place)
    if not run.attrs.get("rotations_per_min"):
        sys.exit(f"{place} declares no rotation: there is one azimuth")
    with Client(scheduler):
        means = mean_by_azimuth(run, declared_turns(run)).compute()
    np.save(file, means)
    print(f"{file}: {means.sizes['azimuth']} azimuths of {run.sizes['time']} frames")


if __name__ == "__main__":
    main(*sys.argv[1:])
