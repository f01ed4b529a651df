"""Frames, from start to stop and close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.hardware.contract import checks
from tests.hardware.contract.observer import Observer
from tests.hardware.contract.pictures import write_images

from rheed_acquire import Camera

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hardware.contract.conftest import Bench
    from tests.hardware.contract.subjects import Settings


def test_start_does_not_wait_for_a_frame_to_be_taken(bench: Bench) -> None:
    checks.check_start(bench.open)


def test_frames_come_in_order_and_bit_exact(bench: Bench, tmp_path: Path) -> None:
    subject = bench.subject
    exact = subject.exact
    if exact is None:  # nobody knows what a real camera sees
        checks.check_delivery(bench.open)
        return

    def open_camera() -> Camera:
        if subject.backend != "basler":
            return bench.open()
        write_images(tmp_path, subject.settings["height"], subject.settings["width"])
        features = {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(tmp_path)}
        return bench.open(features=features)

    checks.check_delivery(open_camera, lambda info, frames: exact(bench.chosen({}), info, frames))


def test_a_slow_callback_keeps_its_pixels(bench: Bench) -> None:
    checks.check_lent_pixels(bench.open)


def test_stop_waits_for_the_callback_and_none_comes_after_it(bench: Bench) -> None:
    checks.check_stop(bench.open)


def test_a_camera_starts_and_stops_again_and_again(bench: Bench, full: bool) -> None:
    checks.check_restarts(bench.open, 100 if full else 10)


def test_a_camera_closes_while_it_streams(bench: Bench) -> None:
    checks.check_close_while_streaming(bench.open)


def test_stop_and_close_do_nothing_where_there_is_nothing_to_do(bench: Bench) -> None:
    checks.check_idle_calls(bench.open)


def test_a_closed_camera_can_be_opened_again_and_streams(bench: Bench) -> None:
    for _ in range(2):
        checks.check_delivery(bench.open, frames=2)


def test_two_cameras_stream_at_once(bench: Bench) -> None:
    if bench.subject.second is None:
        pytest.skip("no second device: give --serial twice" if bench.subject.real else "there is one device")
    first, second = Observer(), Observer()
    with bench.open() as one, bench.open(**bench.subject.second) as other:
        first.start(one)
        second.start(other)
        first.wait_for_frames(10)
        second.wait_for_frames(10)
        first.stop(one)
        # The other must go on when the first has stopped.
        second.wait_for_frames(second.frames + 5)
        second.stop(other)
        infos = one.info, other.info
    choices: tuple[Settings, Settings] = ({}, bench.subject.second)
    for choice, info, observer in zip(choices, infos, (first, second), strict=True):
        observer.verdict()
        checks.check_frames(info, observer.kept)
        # The emulation's own test image is not the files that are known.
        if bench.subject.exact is not None and bench.subject.backend != "basler":
            bench.subject.exact(bench.chosen(choice), info, observer.kept)
