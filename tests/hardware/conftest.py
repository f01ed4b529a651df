"""Stand-ins for hardware that real SDKs accept, or the real camera that ``--camera`` names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONTRACT = Path(__file__).parent / "contract"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a lab name its camera: see docs/how-to/qualify-a-camera.md."""
    group = parser.getgroup("qualifying a camera")
    group.addoption("--camera", metavar="BACKEND", help="qualify a real camera of this backend, and it alone")
    group.addoption(
        "--serial", action="append", default=[], help="of the camera; once more for a second one beside it"
    )
    group.addoption(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the backend that the camera needs, repeatable: exposure_us=2000",
    )
    group.addoption("--fps", type=float, default=None, help="frame rate to ask of the camera")
    group.addoption(
        "--full", action="store_true", help="start and stop 100 times, open and close 1,000 times"
    )
    group.addoption(
        "--unplug",
        action="store_true",
        help="ask for the camera to be unplugged and plugged in again (with -s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Emulate two Basler cameras, serials 0815-0000 and 0815-0001; pylon asks for them as it loads."""
    for text in config.getoption("setting", None) or ():
        if "=" not in text:
            raise pytest.UsageError(f"--setting {text}: NAME=VALUE is needed, such as exposure_us=2000")
    if config.getoption("camera", None) is None:
        os.environ["PYLON_CAMEMU"] = "2"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a real camera, collect nothing but the contract: the rest is about the stand-ins."""
    if config.getoption("camera", None) is None or collection_path == Path(__file__).parent:
        return None
    inside = collection_path == CONTRACT or CONTRACT in collection_path.parents
    return None if inside else True
