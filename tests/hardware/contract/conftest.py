"""The stand-ins for hardware as the plugins under the contract find them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOCKS = ROOT / "hardware_mocks"
# The faulty camera is imported from there.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def new_faulty_camera() -> None:
    """Plug in a faulty camera that counts from 0 and has not failed yet."""
    from hardware_mocks.faulty_camera.rheed_acquire_faulty.camera import plug_in

    plug_in()


@pytest.fixture
def mock_producer(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    """Two devices of the mock producer on the search path, and no other producer's."""
    pytest.importorskip("harvesters", reason="harvesters is not installed")
    monkeypatch.syspath_prepend(MOCKS / "gentl_producer" / "python")
    from rheed_mock_gentl.building import BuildToolMissingError, build

    cache = pytestconfig.cache
    assert cache is not None
    try:
        folder = build(cache.mkdir("rheed_mock_gentl"))
    except BuildToolMissingError as missing:
        pytest.skip(f"the mock producer cannot be built: {missing}")
    for name in [name for name in os.environ if name.startswith("MOCK_GENTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "2")
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(folder))
