"""Videos that say how they are turned come the way up that they say, as their players show them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire_replay.formats import open_recording

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

Matrix: TypeAlias = tuple[float, float, float, float]
TURNS: list[Matrix] = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (-1, 0, 0, -1),
    (1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, 1, -1, 0),
    (0, -1, -1, 0),
    (0, -1, 1, 0),
]
"""a, b, c and d of a track's matrix: x' = a x + c y, y' = b x + d y."""


def say_turned(path: Path, matrix: Matrix) -> Path:
    """Write the matrix into the header of a QuickTime track."""
    content = bytearray(path.read_bytes())
    # Behind the name: version, flags, five numbers, and 16 bytes that are none of ours.
    at = content.index(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def shown(frames: NDArray[Any], matrix: Matrix) -> NDArray[Any]:
    """Put every pixel where the matrix says."""
    a, b, c, d = (int(value) for value in matrix)
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    turned = np.empty((len(frames), down.max() + 1, across.max() + 1), frames.dtype)
    turned[:, down, across] = frames
    return turned


@pytest.mark.parametrize("matrix", TURNS)
def test_a_mov_is_turned_and_mirrored_as_its_matrix_says(
    tmp_path: Path, stage: Stage, matrix: Matrix
) -> None:
    frames = stage.frames(3, 32, 48)
    path = say_turned(stage.write_video(tmp_path / "a.mov", frames, "png"), matrix)
    np.testing.assert_array_equal(stage.play_all(path).frames, shown(frames, matrix))


@pytest.mark.parametrize("matrix", TURNS)
def test_a_matroska_copy_of_a_mov_is_turned_as_that_is(tmp_path: Path, stage: Stage, matrix: Matrix) -> None:
    import av

    path = say_turned(
        stage.write_video(tmp_path / "a.mov", stage.frames(3, 32, 48), "mpeg4", "yuv420p"), matrix
    )
    copy = tmp_path / "a.mkv"
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        stream = source.streams.video[0]
        to = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = to
                target.mux(packet)
    copied, original = stage.play_all(copy), stage.play_all(path)
    np.testing.assert_array_equal(copied.frames, original.frames)
    assert copied.info.width == (32 if matrix[0] == 0 else 48)


@pytest.mark.parametrize(("slant", "is_told"), [(0.7, True), (0.1, True), (0.001, False)])
def test_a_turn_by_no_quarter_is_told_and_left_undone(
    tmp_path: Path, stage: Stage, slant: float, is_told: bool
) -> None:
    frames = stage.frames(2, 32, 48)
    across = (1 - slant**2) ** 0.5
    path = say_turned(stage.write_video(tmp_path / "a.mov", frames, "png"), (across, slant, -slant, across))
    recording = open_recording(path)
    recording.close()
    assert any("no quarter turn" in warning for warning in recording.warnings) == is_told
    np.testing.assert_array_equal(stage.play_all(path).frames, frames)
