"""What real cameras send and the emulated one does not: padded rows, 16-bit counters, ticks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rheed_acquire import CameraError, Frame

pytest.importorskip("pypylon.pylon", reason="pypylon is not installed")

from rheed_acquire.genapi.image_layout import image_layout, padded_rows
from rheed_acquire_basler.grabbing import (
    FrameClock,
    ImageHandler,
)


def test_rows_with_padding_are_viewed_without_it() -> None:
    for pixel_format, channels in (("Mono12", 1), ("RGB8", 3)):
        layout = image_layout(pixel_format, 5, 4)
        row = layout.nbytes // 4
        padded = np.arange(4 * (row + 6), dtype=np.uint8)
        expected = padded.reshape(4, row + 6)[:, :row].copy().view(layout.dtype).reshape(layout.shape)
        view = padded_rows(padded.data, layout, 6)
        assert np.array_equal(view, expected), channels
        assert np.shares_memory(view, padded)


def test_an_image_smaller_than_announced_is_refused() -> None:
    with pytest.raises(ValueError, match="20 bytes where 40 were expected"):
        padded_rows(memoryview(bytes(20)), image_layout("Mono12", 5, 4), 0)


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

    ids: list[int | None] = []
    stamps: list[int | None] = []

    def on_frame(frame: Frame) -> None:
        ids.append(frame.id)
        stamps.append(frame.timestamp_ns)

    clock = FrameClock(zero_is_an_id=False, tick_hz=125_000_000)
    handler = ImageHandler(image_layout("Mono8", 4, 2), clock)
    faults: list[CameraError] = []
    handler.begin(on_frame, faults.append)
    for block_id, ticks in ((0, 0), (1, 1), (65535, 2**62), (2**64 - 1, 5)):
        handler.OnImageGrabbed(None, result(block_id, ticks))
    assert ids == [None, 1, 65535, None]
    assert stamps == [None, 8, 2**65, 40]
    assert faults == []
