"""Every mock in turn, or the one real camera that was named, on the plugin host as a run has it."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from rheed_acquire import Camera, CameraError, CaptureRequest, DeviceInfo
from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.plugins import PluginHost, missing_requirement

ROOT = Path(__file__).parents[3]
MOCKS = ROOT / "hardware_mocks"
# The modules here import each other, and the faulty camera, from there.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

FAULTY = "hardware_mocks.faulty_camera.rheed_acquire_faulty"
SDKS = {"basler": ("pypylon.pylon",), "genicam": ("harvesters.core",)}

if TYPE_CHECKING:
    from tests.hardware.contract.subjects import Subject


class Bench:
    """Opens the camera under test through the plugin host; what is still open is closed after the test."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        points = [*entry_points(group=PROJECT), EntryPoint("faulty", FAULTY, PROJECT)]
        host = PluginHost(sources=points if subject.backend == "faulty" else None)
        if subject.backend not in host.cameras:
            failures = "".join(f"; {record.name}: {record.failure}" for record in host.failures)
            pytest.exit(
                f"--camera {subject.backend}: there is {', '.join(sorted(host.cameras))}{failures}",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )
        self.backend = host.cameras[subject.backend]
        missing = missing_requirement(self.backend)
        if missing is not None:
            if subject.real:
                pytest.exit(f"--camera {subject.backend}: {missing}", pytest.ExitCode.USAGE_ERROR)
            pytest.skip(missing)
        with warnings.catch_warnings():
            # The warnings of SWIG's modules are not ours, and as errors they crash pylon's while they load.
            warnings.simplefilter("ignore")
            for module in SDKS.get(subject.backend, ()):
                importlib.import_module(module)
        if subject.real:
            self._refuse_wrong_settings()
        self._opened: list[Camera] = []

    def _refuse_wrong_settings(self) -> None:
        """Say it once, rather than in each test."""
        try:
            self.backend.settings(**self.subject.settings)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc']))}={one['input']}: {one['msg']}" for one in error.errors()
            )
            known = ", ".join(self.backend.settings.model_fields)
            pytest.exit(f"--setting {wrong}; {self.backend.name} has {known}", pytest.ExitCode.USAGE_ERROR)

    def chosen(self, changes: Any) -> dict[str, Any]:
        """Give the settings of this test; one of None is left out."""
        together = {**self.subject.settings, **changes}
        return {name: value for name, value in together.items() if value is not None}

    def discover(self, **changes: Any) -> list[DeviceInfo]:
        return list(self.backend.discover(self.backend.settings(**self.chosen(changes))))

    def open(self, **changes: Any) -> Camera:
        settings = self.backend.settings(**self.chosen(changes))
        camera = self.backend.open(settings, CaptureRequest(fps=self.subject.fps))
        self._opened.append(camera)
        return camera

    def open_briefly(self) -> Camera:
        """Open as `open` does; whoever asked closes it."""
        camera = self.open()
        self._opened.clear()
        return camera

    def open_again(self, patience_s: float, **changes: Any) -> Camera:
        """Open a device that comes back, as a run does: until it is there."""
        until = time.monotonic() + patience_s
        while True:
            try:
                return self.open(**changes)
            except CameraError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        for camera in self._opened:
            camera.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put each test of the contract to every subject, and each setting of it to its test."""
    from tests.hardware.contract import subjects

    if "bench" not in metafunc.fixturenames:
        return
    real = metafunc.config.getoption("camera", None) is not None
    all_of_them = [subjects.real_camera(metafunc.config)] if real else list(subjects.MOCKS)
    if "change" in metafunc.fixturenames:
        cases = [(subject, change) for subject in all_of_them for change in subject.changes]
        ids = [f"{subject.backend}-{change}" for subject, change in cases]
        metafunc.parametrize(("subject", "change"), cases, ids=ids)
    else:
        metafunc.parametrize("subject", all_of_them, ids=[subject.backend for subject in all_of_them])


@pytest.fixture
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the full numbers were asked for."""
    return bool(pytestconfig.getoption("full", False))


@pytest.fixture
def bench(subject: Subject, request: pytest.FixtureRequest) -> Iterator[Bench]:
    if not subject.real and subject.backend == "genicam":
        request.getfixturevalue("mock_producer")
    if not subject.real and subject.backend == "faulty":
        request.getfixturevalue("new_faulty_camera")
    before = signal.getsignal(signal.SIGINT)
    bench = Bench(subject)
    yield bench
    bench.close()
    assert signal.getsignal(signal.SIGINT) is before, "the backend has replaced the handler of Ctrl-C"


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
