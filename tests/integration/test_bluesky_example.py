"""The detector of the documentation under bluesky's RunEngine, with a station of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
import zarr
from tests.ctrl_c import OWN_CONSOLE, press_ctrl_c

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries under test here

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "bluesky_rheed" / "rheed_bluesky.py"
LIMIT_S = 120.0
FPS, HEIGHT, WIDTH = 40, 48, 64


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rheed_bluesky", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A station that previews; the folder in which its runs lie."""
    folder = tmp_path_factory.mktemp("station")
    camera = ("--camera", "simulated", "--simulated.width", str(WIDTH), "--simulated.height", str(HEIGHT))
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "rheed_acquire", "view", *camera, "--fps", str(FPS)],
            cwd=folder,
            env={**os.environ, "RHEED_STATIONS": str(folder / "stations"), "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            creationflags=OWN_CONSOLE,
        )
    ends_s = time.monotonic() + LIMIT_S
    while not (listed := list((folder / "stations").glob("*.json"))):
        assert process.poll() is None, (folder / "said").read_text(encoding="utf-8")
        assert time.monotonic() < ends_s
        time.sleep(0.05)
    found = json.loads(listed[0].read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHEED_STATION", f"{found['url']}/?token={found['token']}")
        yield folder
    press_ctrl_c(process)
    process.wait(LIMIT_S)


def place_of(resource: dict[str, Any]) -> Path:
    """The Zarr group that a document names by its URI."""
    return Path(url2pathname(urlsplit(resource["uri"]).path))


class Documents:
    """What a RunEngine emits, by kind."""

    def __init__(self) -> None:
        self.of_kind: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, kind: str, document: dict[str, Any]) -> None:
        self.of_kind.setdefault(kind, []).append(document)

    def arrays(self, data_key: str) -> tuple[zarr.Array[Any], list[tuple[int, int]]]:
        """The array that the documents of a key name, and the ranges of it that belong to events."""
        (resource,) = (one for one in self.of_kind["stream_resource"] if one["data_key"] == data_key)
        assert resource["mimetype"] == "application/x-zarr"
        group = zarr.open_group(place_of(resource), mode="r")
        array = group[resource["parameters"]["array"]]
        assert isinstance(array, zarr.Array)
        ranges = [
            (one["indices"]["start"], one["indices"]["stop"])
            for one in self.of_kind["stream_datum"]
            if one["stream_resource"] == resource["uid"]
        ]
        return array, ranges


@pytest.fixture
def engine() -> Iterator[tuple[Any, Documents]]:
    from bluesky.run_engine import RunEngine

    documents = Documents()
    run_engine = RunEngine({}, call_returns_result=False)
    run_engine.subscribe(documents)
    yield run_engine, documents
    run_engine.loop.call_soon_threadsafe(run_engine.loop.stop)
    run_engine._th.join(LIMIT_S)
    run_engine.loop.close()


def test_a_flight_names_its_frames_in_the_stations_recording_and_marks_the_run(
    example: ModuleType, station: Path, engine: tuple[Any, Documents]
) -> None:
    run_engine, documents = engine
    rheed = example.RheedDetector("rheed", stream_name="flight", physical_sample="S-1")
    run_engine(example.fly(rheed, 60, partial(example.open_shutter, rheed, 0.3), sample="S-1"))
    (start,), (stop,) = documents.of_kind["start"], documents.of_kind["stop"]
    assert (start["sample"], stop["exit_status"]) == ("S-1", "success")
    (descriptor,) = documents.of_kind["descriptor"]
    assert descriptor["name"] == "rheed"
    assert descriptor["data_keys"]["rheed"]["shape"] == [1, HEIGHT, WIDTH]
    for key in ("rheed", "rheed-time_unix_ms"):
        array, ranges = documents.arrays(key)
        # One range after another, sixty in all, and all of them are there.
        assert sum(last - first for first, last in ranges) == 60
        assert [first for first, _ in ranges[1:]] == [last for _, last in ranges[:-1]]
        assert ranges[-1][1] <= array.shape[0]
    times: Any = documents.arrays("rheed-time_unix_ms")[0]
    first, last = documents.arrays("rheed")[1][0][0], documents.arrays("rheed")[1][-1][1]
    captured = np.asarray(times[first:last])
    assert (np.diff(captured) > 0).all()
    assert captured[0] >= 1e3 * start["time"]  # taken after the scan began
    folder = place_of(documents.of_kind["stream_resource"][0]).parent
    marks = [json.loads(line) for line in (folder / "marks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [mark["text"] for mark in marks] == ["shutter open", "shutter closed"]
    assert json.loads((folder / "stream.json").read_text(encoding="utf-8"))["name"] == "flight"


def test_each_trigger_takes_the_frame_after_it_into_one_run(
    example: ModuleType, station: Path, engine: tuple[Any, Documents]
) -> None:
    from bluesky.plans import count

    run_engine, documents = engine
    rheed = example.RheedDetector("rheed", stream_name="counted")
    run_engine(count([rheed], 3))
    assert documents.of_kind["stop"][0]["exit_status"] == "success"
    assert len(documents.of_kind["event"]) == 3
    array, ranges = documents.arrays("rheed")
    assert [last - first for first, last in ranges] == [1, 1, 1]
    assert ranges == sorted(set(ranges))
    times: Any = documents.arrays("rheed-time_unix_ms")[0]
    captured = [float(times[first]) for first, _ in ranges]
    assert captured == sorted(captured)
    assert np.asarray(array[ranges[0][0]]).shape == (HEIGHT, WIDTH)


def test_several_frames_to_an_event_are_named_by_the_event(
    example: ModuleType, station: Path, engine: tuple[Any, Documents]
) -> None:
    from bluesky import plan_stubs as bps
    from bluesky import preprocessors as bpp
    from ophyd_async.core import TriggerInfo

    run_engine, documents = engine
    rheed = example.RheedDetector("rheed")

    @bpp.stage_decorator([rheed])
    @bpp.run_decorator()
    def plan() -> Any:
        yield from bps.prepare(rheed, TriggerInfo(collections_per_event=8), wait=True)
        for _ in range(2):
            yield from bps.trigger_and_read([rheed])

    run_engine(plan())
    assert documents.of_kind["descriptor"][0]["data_keys"]["rheed"]["shape"] == [8, HEIGHT, WIDTH]
    array, ranges = documents.arrays("rheed")
    assert [last - first for first, last in ranges] == [1, 1]
    assert all(8 * last <= array.shape[0] for _, last in ranges)


def test_exposure_and_rate_are_the_stations(
    example: ModuleType, station: Path, engine: tuple[Any, Documents]
) -> None:
    from bluesky import plan_stubs as bps
    from bluesky.utils import FailedStatus
    from ophyd_async.core import TriggerInfo

    rheed = example.RheedDetector("rheed")
    with pytest.raises(FailedStatus):
        engine[0](bps.prepare(rheed, TriggerInfo(livetime=0.1), wait=True))
