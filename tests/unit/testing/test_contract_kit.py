"""The kit as an author uses it: pytest in a project of its own, on a plugin that is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.testing import ContractBreachError, Rule
from rheed_acquire.testing.bench import Bench, read_setting
from rheed_acquire.testing.rules import PAGE

if TYPE_CHECKING:
    from tests.conftest import Distributions

ROOT = Path(__file__).parents[3]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run_pytest(folder: Path, *arguments: str, path: Path | None = None) -> tuple[int, str]:
    """Run it in a project without settings, where this project's own do not count."""
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    environment = {**os.environ, "PYTHONPATH": str(path or ""), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "--rootdir",
        str(folder),
        *arguments,
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_camera_of_the_readme_keeps_the_contract_by_the_class_of_the_docs(
    tmp_path: Path, distributions_on_disk: Distributions
) -> None:
    (camera,) = (block for block in blocks("README.md", "python") if "class FlatCamera" in block)
    (test,) = (
        block for block in blocks("docs/how-to/qualify-a-camera.md", "python") if "class TestFlat" in block
    )
    distributions_on_disk.add("rheed-acquire-flat", camera, plugin="flat", module="rheed_acquire_flat")
    (tmp_path / "test_flat.py").write_text(test, encoding="utf-8")
    code, output = run_pytest(tmp_path, "-rs", "test_flat.py", path=distributions_on_disk.folder)
    assert code == 0, output
    assert re.search(r"1\d passed", output), output
    assert re.search(r"^flat: [\d.]+ frames/s", output, flags=re.MULTILINE), output


WRONG = """
import threading
import numpy as np
from pydantic import BaseModel, Field, field_validator
from rheed_acquire import *

class Settings(BaseModel):
    level: int = Field(3, description="brightness")
    size: int = 8
    quiet: float = Field(0.5, description="refuses text")
    @field_validator("quiet", mode="before")
    @classmethod
    def only_numbers(cls, value):
        if isinstance(value, str):
            raise ValueError("no text")
        return value

class Wrong(GrabLoopCamera):
    info = CameraInfo(DeviceInfo("wrong", model="opened"), 8, 8, "Mono8", 500.0)
    def grab(self, timeout_s):
        return None

@hookimpl
def rheed_register_cameras(register):
    register(CameraBackend("wrong", "a camera", Settings,
        lambda settings: [DeviceInfo("wrong", model="listed")] * 2, lambda settings, request: Wrong()))
"""
WRONG_TEST = """
from rheed_acquire.testing import CameraContract
class TestWrong(CameraContract):
    backend = "wrong"
    absent = {"level": 7}
class TestUnknown(CameraContract):
    backend = "nobody"
"""
BROKEN = {
    "TestWrong::test_importing_the_plugin_imports_no_sdk": Rule.IMPORT,
    "TestWrong::test_every_setting_has_a_default_and_a_description": Rule.FIELDS,
    "TestWrong::test_every_device_is_discovered_with_what_tells_it_from_its_neighbours": Rule.DISCOVER,
    "TestWrong::test_the_device_that_was_chosen_is_the_one_that_is_opened": Rule.OPEN,
    "TestWrong::test_a_device_that_is_not_there_is_an_error_that_names_those_that_are": Rule.OPEN,
    "TestWrong::test_a_setting_goes_from_each_source_to_the_device_and_is_read_back[level]": Rule.SETTINGS,
    "TestWrong::test_a_setting_goes_from_each_source_to_the_device_and_is_read_back[quiet]": Rule.SOURCES,
    "TestUnknown::test_every_setting_has_a_default_and_a_description": Rule.REGISTERED,
}


def test_what_is_wrong_before_the_first_frame_is_told_in_one_line_with_its_rule(
    tmp_path: Path, distributions_on_disk: Distributions
) -> None:
    distributions_on_disk.add("wrong", WRONG)
    (tmp_path / "test_wrong.py").write_text(WRONG_TEST, encoding="utf-8")
    tests = [f"test_wrong.py::{name}" for name in BROKEN]
    _, output = run_pytest(tmp_path, *tests, path=distributions_on_disk.folder)
    for name, rule in BROKEN.items():
        method = name.replace("::", ".")
        told = re.search(rf"^_+ (?:ERROR at setup of )?{re.escape(method)} _+\n(.*)\n", output, re.MULTILINE)
        assert told is not None, output
        assert f"breaks rule {rule.name}: {rule.value} ({PAGE}#{rule.anchor})" in told[1], told[1]


def test_a_connected_camera_is_qualified_from_anywhere(tmp_path: Path) -> None:
    code, output = run_pytest(
        tmp_path,
        *("--pyargs", "rheed_acquire.testing.qualify", "--camera", "simulated", "-q"),
        *("--setting", "width=64", "--setting", "height=48", "--fps", "500"),
        *("-k", "in_order or registered or width or costs"),
    )
    assert code == 0, output
    assert "4 passed" in output, output
    assert re.search(r"^simulated: .* \d+\.\d MB/s", output, flags=re.MULTILINE), output


@pytest.mark.parametrize(
    ("backend", "settings", "expected"),
    [
        ("nobody", {}, "no backend nobody is registered, there is .*simulated.* breaks rule REGISTERED"),
        ("simulated", {"exposure": 3}, "simulated takes no exposure=3: .*; it has seed, width"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_ones(
    backend: str, settings: dict[str, Any], expected: str
) -> None:
    with pytest.raises((ContractBreachError, pytest.fail.Exception), match=expected):
        Bench(backend, settings, None, entry_points(group=PROJECT)).chosen({})


def test_a_setting_on_the_command_line_needs_a_value() -> None:
    with pytest.raises(pytest.UsageError, match="--setting exposure: NAME=VALUE is needed"):
        read_setting("exposure")
    assert read_setting("exposure-us=1500") == ("exposure_us", 1500)
    assert read_setting('cti=["/a.cti"]') == ("cti", ["/a.cti"])
    assert read_setting("pixel_format=Mono8") == ("pixel_format", "Mono8")


STRANGER = """
import sys
def pytest_addoption(parser):
    parser.addoption("--camera", action="store_true")
    parser.addoption("--full", default="its own")
"""
STRANGERS_TEST = """
import sys
def test_it(pytestconfig):
    assert pytestconfig.getoption("camera") is True
    assert pytestconfig.getoption("full") == "its own"
    ours = {name for name in sys.modules if name.startswith("rheed_acquire")}
    assert ours == {"rheed_acquire", "rheed_acquire.testing", "rheed_acquire.testing.pytest_plugin"}
    assert not {"numpy", "pydantic"} & set(sys.modules)
"""


def test_a_project_that_has_nothing_to_do_with_cameras_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conftest.py").write_text(STRANGER, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(STRANGERS_TEST, encoding="utf-8")
    # Other plugins of this environment, zarr's for one, import numpy.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    code, output = run_pytest(tmp_path, "-p", "rheed_acquire.testing.pytest_plugin", "--camera", "test_it.py")
    assert code == 0, output


LOSING = """
import os, time
import numpy as np
from pydantic import BaseModel
from rheed_acquire import *

AWAY = {"until": 0.0}
DEVICE = DeviceInfo("losing")

class Settings(BaseModel):
    pass

class Losing(GrabLoopCamera):
    info = CameraInfo(DEVICE, 8, 8, "Mono8", 500.0)
    def __init__(self):
        if time.monotonic() < AWAY["until"]:
            raise CameraNotFoundError("it is unplugged")
        self.number = 0
    def grab(self, timeout_s):
        if time.monotonic() < AWAY["until"]:
            raise CameraError("no frame")
        time.sleep(0.002)
        self.number += 1
        return Frame(np.full((8, 8), self.number % 256, np.uint8), self.number, None)

@hookimpl
def rheed_register_cameras(register):
    register(CameraBackend("losing", "a camera", Settings, lambda settings: [DEVICE],
        lambda settings, request: Losing()))
"""
LOSING_TEST = """
import time
import rheed_acquire.testing.contract as contract
from rheed_acquire.testing import CameraContract
import losing
contract.LIMIT_S = 2.0
class TestLosing(CameraContract):
    backend = "losing"
    def lose_device(self, camera):
        losing.AWAY["until"] = time.monotonic() + {seconds}
"""


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.5, "1 failed, 1 passed"), (3600, "1 failed, 1 skipped")]
)
def test_no_test_is_blamed_for_the_device_that_the_one_before_it_has_lost(
    tmp_path: Path, distributions_on_disk: Distributions, seconds: float, expected: str
) -> None:
    distributions_on_disk.add("losing", LOSING, module="losing")
    (tmp_path / "test_losing.py").write_text(LOSING_TEST.format(seconds=seconds), encoding="utf-8")
    names = (
        "a_lost_device_is_told_once_is_closed_and_opens_when_it_is_back",
        "what_a_frame_costs_is_measured",
    )
    tests = [f"test_losing.py::TestLosing::test_{name}" for name in names]
    _, output = run_pytest(tmp_path, *tests, "-rs", path=distributions_on_disk.folder)
    assert expected in output, output
    assert "on_fault was given a CameraError: no frame; call on_fault once, with a CameraLostError" in output
    if "skipped" in expected:
        assert "the device that an earlier test took away has not come back: it is unplugged" in output
