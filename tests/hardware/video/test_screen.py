"""The screen and a window of X11, on an Xvfb of the test's own."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from tests.hardware.video.numbered import HEIGHT as ROWS
from tests.hardware.video.numbered import WIDTH as COLUMNS
from tests.hardware.video.numbered import number_of, picture
from tests.hardware.video.taking import Taking, taking
from tests.hardware.video.x_display import HEIGHT, WIDTH, XDisplay

from rheed_acquire import CameraError, CameraLostError, CameraSettingError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="x11grab is tested on Linux"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed (Debian: xvfb)"),
    pytest.mark.skipif("x11grab" not in av.formats_available, reason="this PyAV has no x11grab"),
]


@pytest.fixture
def display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[XDisplay]:
    with XDisplay(tmp_path) as display:
        monkeypatch.setenv("DISPLAY", display.name)
        yield display


def shows(taken: Taking, number: int) -> bool:
    return number_of(taken.pixels[-1], is_whole=False) == number or bool(taken.faults)


def test_pictures_shown_on_the_screen_are_taken_in_their_order(display: XDisplay) -> None:
    left, top = 40, 24
    region = display.screen[top : top + ROWS, left : left + COLUMNS, :3]
    region[:] = picture(0)[..., np.newaxis]
    with taking(fps=60.0, source="screen", width=COLUMNS, height=ROWS, offset_x=left, offset_y=top) as taken:
        taken.wait_for_frames(1)
        # Each is shown until it has been taken. In a Gray code one bar changes at a time, so that a picture
        # that is taken while it is being drawn shows the one number or the other.
        shown = [number ^ number >> 1 for number in range(60)]
        for number in shown:
            region[:] = picture(number)[..., np.newaxis]
            taken.wait(partial(shows, taken, number))
    info = taken.camera.info
    assert (info.width, info.height, info.pixel_format, info.fps) == (COLUMNS, ROWS, "BGR8", 60.0)
    seen = [number_of(pixels, is_whole=False) for pixels in taken.pixels]
    without_repeats = [
        number for number, before in zip(seen, [None, *seen], strict=False) if number != before
    ]
    assert without_repeats == shown
    assert (taken.pixels[0] == picture(0)[..., np.newaxis]).all()


def test_frames_of_a_screen_are_dated_by_this_computers_clock(display: XDisplay) -> None:
    before = time.time_ns()
    with taking(source=f"screen:{display.name}") as taken:
        taken.wait_for_frames(3)
    stamps = [stamp for stamp in taken.stamps if stamp is not None]
    assert len(stamps) == len(taken.pixels)
    assert before - 1_000_000 <= stamps[0] <= stamps[-1] <= time.time_ns() + 1_000_000
    assert taken.pixels[0].shape == (HEIGHT, WIDTH, 3)
    assert taken.camera.info.fps == 30.0


def test_a_display_that_is_gone_is_a_loss_and_its_last_picture_is_not_repeated(display: XDisplay) -> None:
    with taking(source="screen") as taken:
        taken.wait_for_frames(3)
        display.stop()
        fault = taken.wait_for_fault()
    assert isinstance(fault, CameraLostError)


def test_a_display_that_is_not_there_cannot_be_opened() -> None:
    with pytest.raises(CameraError, match=r"screen .* cannot be opened"), taking(source="screen::59876"):
        pass


def test_a_window_that_closes_is_a_loss(display: XDisplay) -> None:
    window = display.window(100, 80)
    with taking(source=f"window:{window.id:#x}") as taken:
        taken.wait_for_frames(3)
        assert taken.pixels[0].shape == (80, 100, 3)
        window.close()
        fault = taken.wait_for_fault()
    assert isinstance(fault, CameraLostError)
    assert f"window:{window.id:#x}" in str(fault)


def test_without_a_display_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CameraSettingError, match="DISPLAY is not set"), taking(source="screen"):
        pass
