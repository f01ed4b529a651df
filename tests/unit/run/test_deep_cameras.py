"""Cameras of more than 8 bits: what is kept of them, what goes into the stream, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.run.report import DELIVERED, RunReport

if TYPE_CHECKING:
    from tests.unit.run.conftest import ScriptedCamera, Stage


def deep(stage: Stage, levels: list[int], pixel_format: str = "Mono12") -> ScriptedCamera:
    """A camera whose frames have these levels all over."""
    camera = stage.camera(
        [Frame(np.full((2, 4), level, np.uint16), number, None) for number, level in enumerate(levels)]
    )
    camera._info = replace(camera.info, pixel_format=pixel_format)
    return camera


def run(stage: Stage, camera: ScriptedCamera, **settings: Any) -> tuple[RunReport, list[Any], list[Any]]:
    pixels: list[NDArray[Any]] = []
    frames: list[NDArray[Any]] = []

    def push(chunk: Chunk) -> None:
        frames.append(chunk.frames.copy())

    def notify(hook: str, **arguments: Any) -> None:
        if "chunk" in arguments:
            pixels.append(arguments["chunk"].pixels.copy())

    report = stage.session(camera, stage.streamer(push=push), notify=notify, ring_chunks=20, **settings).run()
    return report, pixels, frames


def test_who_looks_on_sees_full_depth_and_the_stream_has_8_bits(stage: Stage) -> None:
    levels = [0, 15, 16, 1000, 4095, 2048, 3, 255]
    report, (pixels,), (frames,) = run(stage, deep(stage, levels), frames=8)
    assert (pixels.dtype, pixels[:, 0, 0].tolist()) == (np.uint16, levels)
    assert (frames.dtype, frames[:, 0, 0].tolist()) == (np.uint8, [level >> 4 for level in levels])
    assert report.exit_code == DELIVERED


def test_a_mean_is_made_before_the_8_bits_are(stage: Stage) -> None:
    _, _, (frames,) = run(
        stage, deep(stage, [15, 17, 4095, 4095] * 4), frames=8, stream_average=2, chunk_size=4
    )
    assert frames[:, 0, 0].tolist() == [1, 255, 1, 255]  # of the 8 bits it would be 0 or 1, and 255


def test_samples_that_leave_their_highest_bits_unused_are_told_of_once(stage: Stage) -> None:
    report, _, _ = run(stage, deep(stage, [0, 4095] * 16, "Mono16"), frames=32)
    (warning,) = [one for one in report.warnings if one.code == "mostly-black"]
    assert warning.text == (
        "no pixel of the first seconds is above 4095 of the 65535 that Mono16 has: the stream's 8 bits show "
        "at most 15 of 255"
    )
    assert warning.advice.startswith("--bit-shift 4 ")
    assert report.exit_code == DELIVERED


@pytest.mark.parametrize(
    ("levels", "settings"),
    [([0, 4096], {}), ([0, 0], {}), ([0, 4095], {"bit_shift": 4})],
)
def test_a_picture_that_is_bright_enough_or_without_any_light_is_not(
    stage: Stage, levels: list[int], settings: dict[str, Any]
) -> None:
    report, _, _ = run(stage, deep(stage, levels * 8, "Mono16"), frames=16, **settings)
    assert "mostly-black" not in [one.code for one in report.warnings]


def test_a_shift_that_the_format_does_not_have_is_refused_before_there_is_a_stream(stage: Stage) -> None:
    streamer = stage.streamer()
    with pytest.raises(SettingsError, match="--bit-shift 3: Mono8 has no more than 8 bits"):
        stage.session(stage.camera(range(8)), streamer, bit_shift=3).run()
    assert streamer.calls == []


def test_the_streamer_is_asked_for_a_ring_of_the_cameras_form(stage: Stage) -> None:
    streamer = stage.streamer()
    asked: list[object] = []

    def open_ring(data_id: str, count: int, height: int, width: int, form: object = None) -> None:
        asked.append(form)

    streamer.open_ring = open_ring  # type: ignore[method-assign]
    stage.session(deep(stage, [1] * 16), streamer, frames=16, stream_every=2, bit_shift=1).run()
    assert asked == [ChunkForm("Mono12", 1, Reduction(2))]
