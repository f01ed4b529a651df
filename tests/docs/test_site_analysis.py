"""The programs that compute with the runs of a site, on a cluster of processes, over runs that are known."""

from __future__ import annotations

import csv
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.object_store import RunningStore, end_with_parent, use_store
from tests.recorded_growths import CHUNK, FPS, copy_into_bucket, record_frames, record_growth

from rheed_acquire import BucketPath

pytest.importorskip("distributed", reason="Dask's workers are not installed: the extra analysis")

PROGRAMS = Path(__file__).parents[2] / "docs" / "examples" / "site_analysis"
LIMIT_S = 300.0
RATES = np.linspace(0.4, 2.0, 6)
SECTORS, PER_TURN = 36, 49.3
"""No frame lies between two sectors."""


def rotating() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """More than two turns, whose frames differ by azimuth and from turn to turn."""
    return np.random.default_rng(3).integers(0, 256, (6 * CHUNK, 112, 266), np.uint8)


@pytest.fixture(scope="module")
def place(object_store: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketPath]:
    """A prefix with runs that oscillate, one that rotates, and one of which a shard is lost."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        use_store(object_store, patch, folder)
        there = BucketPath("s3://runs") / secrets.token_hex(8)
        for number, rate in enumerate(RATES):
            record_growth(folder / f"growth-{number}", number, rate)
        record_growth(folder / "damaged", 7, 1.0)
        record_frames(folder / "turning", 8, rotating(), rotations_per_min=60 * FPS / PER_TURN)
        copy_into_bucket(folder, there)
        (there / "damaged/frames.zarr/frames/c/1/0/0").unlink()
        yield there


@contextmanager
def running(folder: Path, name: str, *arguments: str, **variables: str) -> Iterator[None]:
    """Run a process of Dask's, which ends with the test."""
    with (folder / f"{name}.log").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=folder,
            env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(folder), **variables},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=end_with_parent(),
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, workers: int, **variables: str) -> Iterator[str]:
    """A scheduler, which knows no store, and workers that have credentials of their own; its address."""
    file = folder / "scheduler.json"
    none = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    at = ("--scheduler-file", str(file), "--host", "127.0.0.1")
    with ExitStack() as stack:
        no_pages = ("--port", "0", "--no-dashboard")
        stack.enter_context(running(folder, "scheduler", "scheduler", *at, *no_pages, **none))
        for number in range(workers):
            name = f"worker-{number}"
            alone = (
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
                "--local-directory",
                str(folder / name),
            )
            stack.enter_context(running(folder, name, "worker", *at, *alone, **variables))
        ends_s = time.monotonic() + LIMIT_S
        while not file.exists() or not file.stat().st_size:
            assert time.monotonic() < ends_s, (folder / "scheduler.log").read_text(encoding="utf-8")
            time.sleep(0.05)
        yield str(json.loads(file.read_text(encoding="utf-8"))["address"])


@pytest.fixture(scope="module")
def scheduler(place: BucketPath, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two workers that can read the store."""
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as address:
        yield address


def run_program(
    name: str, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAMS / name), *arguments],
        env={**os.environ, "PYTHONUTF8": "1", **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )


def test_each_run_has_a_row_with_its_growth_rate_and_one_that_is_damaged_is_named(
    place: BucketPath, scheduler: str
) -> None:
    done = run_program("growth_rates.py", scheduler, str(place))
    assert done.returncode == 1, done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"{place / 'damaged'}: ")
    assert "frames/c/1/0/0" in said
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["run"], row["region"]) for row in rows] == [
        *((f"growth-{number}", "specular") for number in range(len(RATES))),
        ("turning", "specular"),
    ]
    *growths, turning = rows
    assert [float(row["growth_rate"]) for row in growths] == pytest.approx(RATES, abs=0.02)
    assert [1 / float(row["period_s"]) for row in growths] == pytest.approx(RATES, abs=0.02)
    assert all(0 < float(row["uncertainty"]) < 0.02 for row in growths)
    assert (turning["period_s"], turning["growth_rate"], turning["uncertainty"]) == ("", "", "")


def test_the_mean_of_each_azimuth_is_that_of_its_frames(
    place: BucketPath, scheduler: str, tmp_path: Path
) -> None:
    file = tmp_path / "azimuths.npy"
    done = run_program("mean_by_azimuth.py", scheduler, str(place / "turning"), str(file))
    assert done.returncode == 0, done.stderr
    means = np.load(file)
    frames = rotating()
    turned = np.rint(np.arange(len(frames)) * SECTORS / PER_TURN) % SECTORS
    assert means.shape == (SECTORS, *frames.shape[1:])
    for sector, mean in enumerate(means):
        np.testing.assert_allclose(mean, frames[turned == sector].mean(axis=0), rtol=1e-5)


def test_a_run_that_does_not_rotate_has_no_mean_by_azimuth(place: BucketPath, scheduler: str) -> None:
    done = run_program("mean_by_azimuth.py", scheduler, str(place / "growth-0"), "none.npy")
    assert done.returncode == 1
    assert "declares no rotation" in done.stderr


def test_workers_read_with_credentials_of_their_own_and_never_the_clients(
    place: BucketPath, tmp_path: Path
) -> None:
    with cluster(tmp_path, 1, AWS_SECRET_ACCESS_KEY="another") as address:
        done = run_program("growth_rates.py", address, str(place), "growth-")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1  # the head of the table
    said = done.stderr.splitlines()
    assert len(said) == len(RATES)
    assert all("the store refuses" in line for line in said), said
