"""What real cameras send and the emulated one does not: padded rows, 16-bit counters, ticks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rheed_acquire import CameraError

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

from rheed_acquire.cameras.genapi.image_layout import image_layout
from rheed_acquire_basler.grabbing import (
    FrameClock,
    ImageReader,
)


def sent(pixels: bytes, padding: int, width: int = 4) -> Any:
    return SimpleNamespace(
        GrabSucceeded=lambda: True,
        GetWidth=lambda: width,
        GetHeight=lambda: 2,
        GetPaddingX=lambda: padding,
        GetImageMemoryView=lambda: memoryview(bytearray(pixels)),
        GetBlockID=lambda: 1,
        GetTimeStamp=lambda: 1,
    )


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p", "RGB8"])
def test_rows_with_padding_are_read_without_it(pixel_format: str) -> None:
    layout = image_layout(pixel_format, 4, 2)
    plain = np.arange(layout.nbytes, dtype=np.uint8)
    padded = np.pad(plain.reshape(2, -1), ((0, 0), (0, 6)), constant_values=165)
    reader = ImageReader(layout, FrameClock(zero_is_an_id=True, tick_hz=10**9))
    for result in (sent(padded.tobytes(), 6), sent(plain.tobytes(), 0)):
        frame = reader.read(result)
        assert frame is not None
        assert np.array_equal(frame.pixels, plain.view(layout.dtype).reshape(layout.shape))


def test_an_image_smaller_than_announced_is_a_fault_that_says_both_sizes() -> None:
    reader = ImageReader(image_layout("Mono12", 4, 2), FrameClock(zero_is_an_id=True, tick_hz=10**9))
    with pytest.raises(CameraError) as raised:
        reader.read(sent(bytes(10), 0))
    assert str(raised.value) == "the camera sent 10 bytes where an image of 4 x 2 Mono12 takes 16"


def test_a_gige_camera_that_does_not_count_has_no_frame_ids_and_its_ticks_become_nanoseconds() -> None:
    def result(block_id: int, ticks: int) -> Any:
        return SimpleNamespace(
            GrabSucceeded=lambda: True,
            GetWidth=lambda: 4,
            GetHeight=lambda: 2,
            GetImageMemoryView=lambda: memoryview(bytearray(8)),
            GetBlockID=lambda: block_id,
            GetTimeStamp=lambda: ticks,
        )

    clock = FrameClock(zero_is_an_id=False, tick_hz=125_000_000)
    reader = ImageReader(image_layout("Mono8", 4, 2), clock)
    ids: list[int | None] = []
    stamps: list[int | None] = []
    for block_id, ticks in ((0, 0), (1, 1), (65535, 2**62), (2**64 - 1, 5)):
        frame = reader.read(result(block_id, ticks))
        assert frame is not None
        ids.append(frame.id)
        stamps.append(frame.timestamp_ns)
    assert ids == [None, 1, 65535, None]
    assert stamps == [None, 8, 2**65, 40]
