"""The mock GenTL producer, built from this checkout, and harvesters on it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "hardware_mocks" / "gentl_producer" / "python"))

from rheed_mock_gentl.building import BuildToolMissingError, build

BuildProducer = Callable[..., Path]
OpenCamera = Callable[..., Any]


@pytest.fixture(scope="session")
def build_producer(pytestconfig: pytest.Config) -> BuildProducer:
    """Build as `rheed_mock_gentl.building.build` does, in pytest's cache; skip without the tools."""
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("rheed_mock_gentl")

    def make(**how: Any) -> Path:
        try:
            return build(folder, **how)
        except BuildToolMissingError as missing:
            pytest.skip(f"the mock producer cannot be built: {missing}")

    return make


@pytest.fixture(scope="session")
def cti(build_producer: BuildProducer) -> Path:
    """Path of the producer."""
    return build_producer() / "rheed_mock.cti"


@pytest.fixture(autouse=True)
def mock_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices of 640 x 480, whatever the environment of the caller says."""
    for name in [name for name in os.environ if name.startswith("MOCK_GENTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "2")


@pytest.fixture
def harvester(cti: Path) -> Iterator[Any]:
    """Harvester with the producer loaded and its devices listed."""
    core = pytest.importorskip("harvesters.core", reason="harvesters is not installed")
    before = signal.getsignal(signal.SIGINT)
    harvester = core.Harvester()
    harvester.add_file(str(cti))
    harvester.update()
    yield harvester
    harvester.reset()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def open_camera(harvester: Any) -> Iterator[OpenCamera]:
    """Open a device by its index, with room for many frames; closed after the test."""
    opened: list[Any] = []

    def make(index: int = 0, buffers: int = 12) -> Any:
        acquirer = harvester.create(index)
        acquirer.num_buffers = buffers
        opened.append(acquirer)
        return acquirer

    yield make
    for acquirer in opened:
        acquirer.destroy()


@pytest.fixture
def camera(open_camera: OpenCamera) -> Any:
    """Give the first device, opened."""
    return open_camera()
