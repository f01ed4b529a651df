"""Videos of more than 8 bits keep their samples, and frames that are decoded out of order their times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage


@pytest.mark.parametrize(("bits", "order"), [(10, "le"), (12, "le"), (16, "le")])
def test_deep_gray_is_what_was_stored(tmp_path: Path, stage: Stage, bits: int, order: str) -> None:
    import av

    frames = stage.frames(4, 48, 66, np.uint16) >> (16 - bits)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 66, 48, f"gray{bits}{order}"
        for frame in frames:
            picture = av.VideoFrame(66, 48, stream.pix_fmt)
            plane = picture.planes[0]
            rows = np.zeros((48, plane.line_size // 2), np.uint16)
            rows[:, :66] = frame
            plane.update(rows.tobytes())
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    played = stage.play_all(tmp_path / "a.mkv", None)
    assert played.info.pixel_format == f"Mono{bits}"
    np.testing.assert_array_equal(played.frames, frames)


def test_12_bits_in_a_video_of_16_are_12(tmp_path: Path, stage: Stage) -> None:
    frames = stage.frames(4, 48, 64, np.uint16) >> 4
    played = stage.play_all(stage.write_video(tmp_path / "a.mkv", frames, "ffv1", "gray16le"), None)
    assert played.info.pixel_format == "Mono12"
    np.testing.assert_array_equal(played.frames, frames)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_frames_that_are_decoded_out_of_order_have_rising_times(
    tmp_path: Path, stage: Stage, name: str
) -> None:
    import av

    with av.open(str(tmp_path / name), "w") as container:
        stream: Any = container.add_stream(
            "libx264", rate=25, options={"bf": "3", "qp": "0", "preset": "medium"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for number in range(40):
            gray = np.full((48, 64), 40 + 4 * number, np.uint8)
            gray[:, number] = 255
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(gray, format="gray").reformat(format="yuv420p"))
            )
        container.mux(stream.encode())
    played = stage.play_all(tmp_path / name, None)
    assert (np.diff(played.frames[:, 0, -1].astype(int)) > 0).all()
    np.testing.assert_allclose(np.diff(played.stamps) / 1e6, 40.0, atol=1.01)
