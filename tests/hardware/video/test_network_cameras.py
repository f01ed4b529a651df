"""Network cameras: what a server on loopback sends over HTTP and RTSP, and what becomes of one that stops."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TypeAlias

import pytest
from tests.hardware.video.mjpeg_server import MjpegServer
from tests.hardware.video.numbered import HEIGHT, WIDTH, number_of
from tests.hardware.video.rtsp_server import FPS, H264Server, RtspServer
from tests.hardware.video.taking import LIMIT_S, taking

from rheed_acquire import CameraError, CameraLostError, CameraSettingError, CaptureRequest
from rheed_acquire_video import VideoSettings, open_camera

Server: TypeAlias = type[MjpegServer] | type[RtspServer]

each = pytest.mark.parametrize("server", [MjpegServer, RtspServer, H264Server])


@each
def test_each_picture_is_delivered_once_and_in_order(server: Server) -> None:
    with server() as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(50)
    numbers = [number_of(pixels) for pixels in taken.pixels]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert taken.camera.info.pixel_format == "Mono8"
    assert taken.pixels[0].shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("server", [RtspServer, H264Server])
def test_a_stream_with_times_dates_its_frames_by_them(server: Server) -> None:
    with server() as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(20)
    known = [stamp for stamp in taken.stamps if stamp is not None]
    assert len(known) == len(taken.pixels)
    numbers = [number_of(pixels) for pixels in taken.pixels]
    steps = {
        (b - a) * FPS // (m - n) for (a, b), (n, m) in zip(pairwise(known), pairwise(numbers), strict=True)
    }
    assert steps == {1_000_000_000}


def test_a_stream_without_times_has_no_stamps_and_no_rate_of_its_own() -> None:
    # FFmpeg makes some up, at 25 frames/s.
    with MjpegServer() as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(5)
    assert set(taken.stamps) == {None}
    assert taken.camera.info.fps is None


@each
def test_a_server_that_stops_is_a_loss_and_opens_again_when_it_is_back(server: Server) -> None:
    with server() as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(5)
        sending.stop()
        fault = taken.wait_for_fault()
        assert isinstance(fault, CameraLostError)
        assert sending.url in str(fault)
        with pytest.raises(CameraError, match="cannot be opened"), taking(source=sending.url):
            pass
        with server(sending.port) as back, taking(source=back.url) as again:
            again.wait_for_frames(5)
    assert len(taken.faults) == 1


def test_what_was_sent_before_the_end_is_delivered_before_the_fault() -> None:
    with MjpegServer() as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(5)
        sending.ending.set()
        taken.wait_for_fault()
        numbers = [number_of(pixels) for pixels in taken.pixels]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        # That the last picture is whole, FFmpeg knows only by what follows it.
        assert numbers[-1] >= sending.sent - 2


def test_a_silent_stream_neither_holds_stop_nor_close() -> None:
    with MjpegServer() as sending:
        with taking(source=sending.url) as taken:
            taken.wait_for_frames(5)
            sending.silent.set()
        readers = [thread for thread in threading.enumerate() if thread.name == "video-reader"]
        sending.ending.set()
        for reader in readers:
            reader.join(LIMIT_S)
            assert not reader.is_alive()
    assert not taken.faults


def test_a_damaged_picture_is_left_out_and_counted() -> None:
    damaged = range(5, 100_000, 10)
    with MjpegServer(damaged=damaged) as sending, taking(source=sending.url) as taken:
        taken.wait_for_frames(30)
        taken.camera.stop()
        lost = taken.camera.statistics()["frames_lost"]
    numbers = [number_of(pixels) for pixels in taken.pixels]
    assert numbers == [number for number in range(numbers[0], numbers[-1] + 1) if number not in damaged]
    between = numbers[-1] - numbers[0] + 1 - len(numbers)
    # One more may have come before the first of these frames, and some after the last.
    assert between >= 3
    assert lost >= between


@pytest.mark.parametrize("asked", [{"size": "640x480"}, {"input_format": "gray"}])
def test_what_only_a_capture_device_can_be_asked_is_refused(asked: dict[str, str]) -> None:
    settings = VideoSettings.model_validate({"source": "rtsp://camera/live", **asked})
    with pytest.raises(CameraSettingError, match="is no capture device"):
        open_camera(settings, CaptureRequest())
