"""What ``import rheed_acquire`` offers, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import rheed_acquire

SDKS = (
    "pypylon",
    "harvesters",
    "genicam",
    "av",
    "h5py",
    "tifffile",
    "zarr",
    "PIL",
    "numcodecs",
    "cffi",
    "atomscale",
)
HEAVY = ("numpy", "requests", "rich", "pydantic_settings", "zstandard", "starlette", "uvicorn", *SDKS)


def modules_after(code: str, cwd: object = None) -> set[str]:
    """Return the modules that a fresh interpreter has imported once it has run the code."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("name", rheed_acquire.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(rheed_acquire, name)
    assert value is getattr(rheed_acquire, name)
    assert name in dir(rheed_acquire)
    if isinstance(value, type):
        assert value.__name__ == name
        assert value.__doc__


def test_a_star_import_brings_all_of_them_and_nothing_else() -> None:
    namespace: dict[str, object] = {}
    exec("from rheed_acquire import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(rheed_acquire.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rheed_acquire' has no attribute 'RheedStreamer'"):
        _ = rheed_acquire.RheedStreamer
    assert not hasattr(rheed_acquire, "np")


def test_the_names_are_in_order() -> None:
    assert rheed_acquire.__all__ == sorted(rheed_acquire.__all__, key=lambda name: (name.islower(), name))


def test_importing_the_package_imports_nothing_of_its_own() -> None:
    imported = modules_after("import rheed_acquire")
    assert {name for name in imported if name.startswith("rheed_acquire.")} == set()
    assert imported.isdisjoint(HEAVY)


def test_what_a_plugin_imports_is_light() -> None:
    needed = "Camera, CameraBackend, CameraError, CameraInfo, CameraSettings, DeviceInfo, Frame, hookimpl"
    assert modules_after(f"from rheed_acquire import {needed}").isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["cameras", "--help"], ["plugins", "--json"]]
)
def test_help_and_listings_import_nothing_heavy(arguments: list[str]) -> None:
    imported = modules_after(f"from rheed_acquire.cli import main\nassert main({arguments!r}) == 0")
    assert imported.isdisjoint(HEAVY)
    assert "rheed_acquire.cli" in imported
