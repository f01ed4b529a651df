"""Buffers that are not as the camera's settings say, on the mock GenTL producer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rheed_mock_gentl import expected_frame, expected_payload

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam


@pytest.mark.parametrize("untold", [False, True])
@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p", "Mono16"])
def test_bytes_behind_each_row_are_no_pixels(genicam: Genicam, pixel_format: str, untold: bool) -> None:
    features = {"LinePadding": 5, "FaultPaddingUntold": untold}
    recorder = genicam.record(genicam.open(pixel_format=pixel_format, features=features), 4)
    for number, pixels in zip(recorder.ids, recorder.pixels, strict=False):
        if pixel_format == "Mono12p":
            expected: Any = expected_payload(number, 64, 48, pixel_format)
        else:
            expected = expected_frame(number, 64, 48, pixel_format)
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            -10,
            r"every one of the first \d+ buffers was too small, with 3062 bytes where 64 x 48 Mono8 takes",
        ),
        (10, r"the camera sends more than the 3072 bytes that its PayloadSize tells"),
    ],
)
def test_a_payload_of_a_wrong_size_is_a_fault_that_says_both_sizes(
    genicam: Genicam, wrong: int, said: str
) -> None:
    camera, recorder = genicam.open(features={"FaultPayload": wrong}), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    assert re.search(said, str(recorder.wait_for_fault()))
    assert not recorder.ids


def test_buffers_that_are_all_incomplete_are_called_so(genicam: Genicam) -> None:
    features = {"FaultIncompleteEvery": 1, "FaultIncompletePercent": 25}
    camera, recorder = genicam.open(features=features), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    assert "incomplete, as the driver says, with 768 bytes where" in str(recorder.wait_for_fault())


def test_frames_without_id_or_stamp_have_none(genicam: Genicam) -> None:
    camera = genicam.open(features={"FaultFrameID": "Missing", "FaultTimestamp": "Missing"})
    seen: list[tuple[int | None, int | None]] = []
    recorder = genicam.recorder()
    camera.start(lambda frame: seen.append((frame.id, frame.timestamp_ns)), recorder.on_fault)
    for _ in range(2000):
        if len(seen) >= 3:
            break
        with recorder.changed:
            recorder.changed.wait(0.01)
    camera.stop()
    assert set(seen) == {(None, None)}
