"""The adapter of the documentation in a server of Tiled's: runs are found, and read where they lie."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from tests.object_store import RunningStore, end_with_parent, free_ports, use_store
from tests.recorded_growths import CHUNK, copy_into_bucket, record_frames

from rheed_acquire import BucketPath, open_run

pytest.importorskip("tiled.server", reason="Tiled has an environment of its own: see .ci/run")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries under test here

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "tiled_runs"
LIMIT_S = 300.0
FRAMES = np.random.default_rng(8).integers(0, 256, (3 * CHUNK, 30, 40), np.uint8)
KEY = secrets.token_hex(32)
SAMPLE = {"id": "s-1", "name": "GaN-001"}
TAGS = [{"id": "t-1", "name": "buffer"}, {"id": "t-2", "name": "silicon"}]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that have ended, one that has not, and what is no run."""
    folder = tmp_path_factory.mktemp("runs")
    record_frames(folder / "growth-1", 1, FRAMES, physical_sample=SAMPLE, tags=TAGS)
    record_frames(folder / "growth-2", 2, FRAMES[::-1], lost_chunk=1)
    record_frames(folder / "growth-3", 3, FRAMES, ends=False)
    (folder / "notes").mkdir()
    (folder / ".server").mkdir()
    return folder


@pytest.fixture(scope="module")
def bucket_place(
    runs: Path, object_store: RunningStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BucketPath]:
    """The same in a bucket."""
    with pytest.MonkeyPatch.context() as patch:
        use_store(object_store, patch, tmp_path_factory.mktemp("home"))
        yield copy_into_bucket(runs, BucketPath("s3://runs") / secrets.token_hex(8))


@pytest.fixture(scope="module")
def url(runs: Path, bucket_place: BucketPath, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of Tiled's with the configuration of the documentation, which may read that folder alone."""
    folder = tmp_path_factory.mktemp("tiled")
    config = (EXAMPLE / "config.yml").read_text(encoding="utf-8")
    assert "/data/runs" in config
    (folder / "config.yml").write_text(config.replace("/data/runs", str(runs)), encoding="utf-8")
    (port,) = free_ports(1)
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tiled", "serve", "config", "config.yml", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(EXAMPLE), "TILED_SINGLE_USER_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            preexec_fn=end_with_parent(),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, folder / "said")
        yield url
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], said: Path) -> None:
    direct = requests.Session()
    direct.trust_env = False
    ends_s = time.monotonic() + LIMIT_S
    while True:
        assert process.poll() is None, said.read_text(encoding="utf-8")
        assert time.monotonic() < ends_s, said.read_text(encoding="utf-8")
        try:
            direct.get(f"{url}/healthz", timeout=LIMIT_S).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def catalog(url: str) -> Iterator[Any]:
    from tiled.client import from_uri

    catalog = from_uri(url, "dask", api_key=KEY)
    yield catalog
    catalog.context.close()


@pytest.fixture(scope="module", autouse=True)
def example() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        # Read when the client is imported; the second is for connections that the server closes after a 500.
        patch.setenv("TILED_RETRY_ATTEMPTS", "2")
        patch.syspath_prepend(EXAMPLE)
        yield importlib.import_module("rheed_tiled")


def test_runs_of_a_folder_are_registered_once_found_and_read(
    example: Any,
    runs: Path,
    url: str,
    catalog: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tiled.queries import Contains, FullText, Key

    monkeypatch.setenv("TILED_API_KEY", KEY)
    monkeypatch.setattr(sys, "argv", ["rheed-tiled", url, str(runs)])
    example.main()
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["growth-1", "growth-2"]
    assert printed.err.startswith(f"left out: {runs / 'notes'} holds no recording")
    assert list(example.register(catalog, runs)) == []
    assert list(catalog) == ["growth-1", "growth-2"]

    def found(query: Any) -> list[str]:
        return list(catalog.search(query))

    assert found(Key("attrs.physical_sample") == "GaN-001") == ["growth-1"]
    assert found(FullText("silicon")) == ["growth-1"]
    assert found(Contains("attrs.tags", "buffer")) == ["growth-1"]
    assert found(Key("attrs.name") == "Growth 2") == ["growth-2"]
    assert found(Key("frames") < len(FRAMES)) == ["growth-2"]
    assert found(Key("first_utc") > "2023-11-14") == ["growth-1", "growth-2"]
    assert found(Key("first_utc") > "2023-11-15") == []

    run = catalog["growth-1"]
    assert run["frames"].shape == FRAMES.shape
    np.testing.assert_array_equal(
        run["frames"][CHUNK - 5 : CHUNK + 5, 3:9].compute(), FRAMES[CHUNK - 5 : CHUNK + 5, 3:9]
    )
    dataset, ours = run.read(), open_run(runs / "growth-1")
    np.testing.assert_array_equal(dataset.frames, FRAMES)
    np.testing.assert_array_equal(dataset.time, ours.time)
    assert dataset.attrs == ours.attrs
    expected = np.concatenate([FRAMES[::-1][:CHUNK], FRAMES[::-1][2 * CHUNK :]])
    np.testing.assert_array_equal(catalog["growth-2"].read().frames, expected)


def test_runs_of_a_bucket_are_read_there_and_only_what_is_asked_for(
    example: Any, bucket_place: BucketPath, catalog: Any
) -> None:
    site = catalog.create_container("site")
    assert list(example.register(site, bucket_place)) == ["growth-1", "growth-2"]
    (bucket_place / "growth-1/frames.zarr/frames/c/2/0/0").unlink()
    frames = catalog["site", "growth-1", "frames"]
    np.testing.assert_array_equal(frames[: 2 * CHUNK].compute(), FRAMES[: 2 * CHUNK])
    with pytest.raises(Exception, match="500"):
        frames[2 * CHUNK].compute()


def test_a_folder_outside_the_readable_ones_is_not_served(
    example: Any, runs: Path, catalog: Any, tmp_path: Path
) -> None:
    shutil.copytree(runs / "growth-1", tmp_path / "secret-1")
    assert list(example.register(catalog, tmp_path)) == ["secret-1"]
    with pytest.raises(Exception, match="500"):
        catalog["secret-1"]["frames"]
    source = catalog["secret-1"].data_sources()[0]
    source.assets[0].parameter = None  # then the server does not look where it lies
    catalog.new("container", [source], key="secret-2", metadata={}, specs=example.SPECS)
    with pytest.raises(Exception, match="500"):
        catalog["secret-2"]["frames"]
