"""The growth rates of runs in a bucket, by the workers of a Dask cluster: a table in CSV.

``python growth_rates.py SCHEDULER s3://BUCKET/PREFIX [WORD]``, for the runs that have a word in their name.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields

import numpy as np
from dask.distributed import Client

from rheed_acquire import BucketPath, dominant_period, open_run

REGIONS = {"specular": (235, 60, 30, 50)}
"""Of each region x, y, width and height, in pixels."""


@dataclass(frozen=True)
class GrowthRate:
    """What a region of a run tells of its growth, where one period is one monolayer.

    Attributes
    ----------
    period_s, growth_rate, uncertainty
        In seconds and monolayers per second, the last one standard deviation; None where nothing oscillates.
    """

    run: str
    region: str
    period_s: float | None = None
    growth_rate: float | None = None
    uncertainty: float | None = None


def growth_rates(
    run: BucketPath, regions: Mapping[str, tuple[int, int, int, int]] = REGIONS
) -> list[GrowthRate]:
    """Find the growth rate in each region of a run; it reads the shards one after another."""
    dataset = open_run(run)
    captured = dataset.time.to_numpy()
    seconds = (captured - captured[:1]) / np.timedelta64(1, "s")
    rates = []
    for region, (x, y, width, height) in regions.items():
        mean = dataset.frames[:, y : y + height, x : x + width].mean(("y", "x"))
        # Here and now: the cluster's other threads have runs of their own.
        found = dominant_period(seconds, mean.compute(scheduler="synchronous"))
        if found is None:
            rates.append(GrowthRate(run.name, region))
            continue
        rates.append(
            GrowthRate(run.name, region, found.period_s, found.growth_rate, found.growth_uncertainty)
        )
    return rates


def write_table(client: Client, runs: Iterable[BucketPath]) -> int:
    """Write a row for each region of each run, in the order of the runs; how many runs failed."""
    table = csv.writer(sys.stdout)
    table.writerow(field.name for field in fields(GrowthRate))
    runs = list(runs)
    failed = 0
    # Not pure: a run that is still recorded has another growth rate the next time.
    for run, task in zip(runs, client.map(growth_rates, runs, pure=False), strict=True):
        error = task.exception()
        if error is None:
            table.writerows(map(astuple, task.result()))
        else:
            print(f"{run}: {error}", file=sys.stderr)
            failed += 1
    return failed


def main(scheduler: str, place: str, word: str = "") -> int:
    """Write the table of the runs at a place; 1 where not all could be read."""
    prefix = BucketPath(place)
    names = [name for name in sorted(prefix.folders()) if word in name and not name.startswith(".")]
    with Client(scheduler) as client:
        return min(1, write_table(client, [prefix / name for name in names]))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
