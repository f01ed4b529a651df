"""What the frames of each mock have to look like, bit by bit."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.hardware.contract.observer import Taken
from tests.hardware.contract.rules import Rule, broken

from rheed_acquire import CameraInfo

IMAGES = 7


def _compare(taken: Taken, expected: NDArray[Any], what: str) -> None:
    different = int(np.count_nonzero(taken.pixels != expected))
    if different:
        broken(Rule.LENT, f"{different} pixels of frame {taken.id} are not those of {what}")


def simulated_frames(settings: Mapping[str, Any], info: CameraInfo, frames: list[Taken]) -> None:
    """Compare with the pattern made anew, and its stamp with the frame's id."""
    from rheed_acquire_simulated.bank import PatternBank
    from rheed_acquire_simulated.settings import SimulatedSettings

    full = SimulatedSettings(**settings)
    assert info.fps is not None
    bank = PatternBank(
        width=info.width,
        height=info.height,
        pixel_format=info.pixel_format,
        seed=full.seed,
        noise=full.noise,
        fps=info.fps,
        rotations_per_min=0.0,
        oscillation_period_s=full.oscillation_period_s,
        oscillation_damping_s=full.oscillation_damping_s,
    )
    for taken in frames:
        assert taken.id is not None
        expected = bank.pixels(taken.id).copy()
        expected.reshape(-1)[:8] = np.frombuffer(taken.id.to_bytes(8, "little"), np.uint8)
        _compare(taken, expected, f"pattern {taken.id}")


def faulty_frames(settings: Mapping[str, Any], info: CameraInfo, frames: list[Taken]) -> None:
    """Compare with the picture of the stamp; stamps and ids count in step, from any number."""
    from hardware_mocks.faulty_camera.rheed_acquire_faulty.pattern import expected_frame

    for taken in frames:
        stamp = int.from_bytes(taken.pixels.reshape(-1)[:8].tobytes(), "little")
        expected = expected_frame(stamp, info.height, info.width, settings["seed"])
        _compare(taken, expected, f"picture {stamp}")
        first = int.from_bytes(frames[0].pixels.reshape(-1)[:8].tobytes(), "little")
        assert taken.id is not None
        assert frames[0].id is not None
        if stamp - first != taken.id - frames[0].id:
            broken(Rule.ID, f"frame {taken.id} shows the picture {stamp}, after {first} in {frames[0].id}")


def mock_producer_frames(settings: Mapping[str, Any], info: CameraInfo, frames: list[Taken]) -> None:
    """Compare with the moving ramp and stamp of the frame's id."""
    from rheed_mock_gentl import expected_frame

    for taken in frames:
        assert taken.id is not None
        expected = expected_frame(taken.id, info.width, info.height, info.pixel_format)
        _compare(taken, expected, f"ramp {taken.id}")


def image_files(settings: Mapping[str, Any], info: CameraInfo, frames: list[Taken]) -> None:
    """Compare with the files that the emulation plays in a loop from the first."""
    for taken in frames:
        assert taken.id is not None
        expected = image(taken.id % IMAGES, info.height, info.width)
        _compare(taken, expected, f"image {taken.id % IMAGES}")


def image(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """One of the images that `write_images` writes, (H, W) uint8."""
    return np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)


def write_images(folder: Path, height: int, width: int) -> None:
    """Write 8-bit BMP files of a width that needs no padding."""
    assert width % 4 == 0
    palette = b"".join(struct.pack("<4B", grey, grey, grey, 0) for grey in range(256))
    offset = 54 + len(palette)
    for number in range(IMAGES):
        pixels = image(number, height, width)[::-1].tobytes()  # the lowest row comes first
        head = struct.pack("<2sIII", b"BM", offset + len(pixels), 0, offset)
        head += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, len(pixels), 2835, 2835, 256, 0)
        (folder / f"image{number}.bmp").write_bytes(head + palette + pixels)
