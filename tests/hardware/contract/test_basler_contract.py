"""Basler's cameras under the contract, as pylon emulates them."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

import struct
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.hardware.contract.sfnc_changes import SELECTS, SFNC_CHANGES

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame
from rheed_acquire.testing.bench import Bench
from rheed_acquire.testing.checks import check_delivery

IMAGES = 7


@pytest.fixture(autouse=True, scope="module")
def pylon() -> None:
    """Load it here: the warnings of SWIG's modules, as errors, crash it while it loads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")


class TestBasler(CameraContract):
    backend = "basler"
    settings = {"serial": "0815-0000", "width": 64, "height": 48, "exposure_us": 500.0}
    fps = 200.0
    serials = ("0815-0000", "0815-0001")
    second = {"serial": "0815-0001"}
    absent = {"serial": "0815-4711"}
    ambiguous = {"serial": None}
    changes = {
        **SFNC_CHANGES,
        "gain": 12.0,
        "binning_horizontal": 2,
        "binning_vertical": 2,
        "features": {"TestImageSelector": "Testimage2"},
        "user_id": "growth chamber",
        "ip": "10.0.0.7",
        "index": 1,
    }
    unread = dict.fromkeys(("serial", "user_id", "ip", "index"), SELECTS)
    gap_settings = {"features": {"ForceFailedBufferCount": 7}}
    leak_why = "pylon 26.9 by itself keeps 46 kB of each opening of an emulated camera"

    def lose_frames(self, camera: Camera) -> int:
        """Make grabs fail; the public API sets no feature of a camera that streams."""
        camera._camera.GetNodeMap().GetNode("ForceFailedBuffer").Execute()  # type: ignore[attr-defined]
        return 7

    def test_frames_are_bit_exact(self, bench: Bench, tmp_path: Path) -> None:
        _write_images(tmp_path, self.settings["height"], self.settings["width"])
        features = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(tmp_path)}
        check_delivery(partial(bench.open, features=features), _shown)


def _shown(info: CameraInfo, taken: TakenFrame) -> NDArray[np.uint8]:
    """Give the file that a frame shows: the emulation plays them in a loop from the first."""
    assert taken.id is not None
    return _image(taken.id % IMAGES, info.height, info.width)


def _image(number: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)


def _write_images(folder: Path, height: int, width: int) -> None:
    """Write 8-bit BMP files of a width that needs no padding."""
    assert width % 4 == 0
    palette = b"".join(struct.pack("<4B", grey, grey, grey, 0) for grey in range(256))
    offset = 54 + len(palette)
    for number in range(IMAGES):
        pixels = _image(number, height, width)[::-1].tobytes()  # the lowest row comes first
        head = struct.pack("<2sIII", b"BM", offset + len(pixels), 0, offset)
        head += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, len(pixels), 2835, 2835, 256, 0)
        (folder / f"image{number}.bmp").write_bytes(head + palette + pixels)
