"""Capture devices: how they are listed and chosen, and what FFmpeg is told to ask of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rheed_acquire import (
    AmbiguousCameraError,
    CameraNotFoundError,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
)
from rheed_acquire_video import VideoSettings
from rheed_acquire_video.devices import choose, v4l2_devices
from rheed_acquire_video.sources import Kind, Source
from rheed_acquire_video.stream import input_options

GRABBER = DeviceInfo("video", model="USB Grabber", serial="A1", address="/dev/video0")
WEBCAM = DeviceInfo("video", model="Webcam", address="/dev/video2")


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux is Linux's")
def test_video4linux_is_read_where_the_kernel_tells_of_it(tmp_path: Path) -> None:
    kernel, nodes = tmp_path / "video4linux", tmp_path / "dev"
    for number, name in ((10, "Webcam"), (2, "USB Grabber")):
        interface = tmp_path / "devices" / f"usb{number}" / "interface"
        interface.mkdir(parents=True)
        (interface.parent / "serial").write_text(f"S{number}\n")
        (kernel / f"video{number}").mkdir(parents=True)
        (kernel / f"video{number}" / "name").write_text(f"{name}\n")
        (kernel / f"video{number}" / "device").symlink_to(interface)
    (kernel / "v4l-subdev0").mkdir()
    assert v4l2_devices(kernel, nodes) == [
        DeviceInfo("video", model="USB Grabber", serial="S2", address=str(nodes / "video2")),
        DeviceInfo("video", model="Webcam", serial="S10", address=str(nodes / "video10")),
    ]


def test_a_computer_without_video4linux_has_no_devices(tmp_path: Path) -> None:
    assert v4l2_devices(tmp_path / "nothing", tmp_path) == []


@pytest.mark.skipif("sys.platform != 'linux'")
@pytest.mark.parametrize("wanted", ["/dev/video0", "A1", "USB Grabber"])
def test_a_device_is_chosen_by_address_serial_or_name(wanted: str) -> None:
    source = choose(wanted, [GRABBER, WEBCAM])
    assert (source.device, source.target, source.input_name) == (GRABBER, "/dev/video0", "v4l2")


@pytest.mark.skipif("sys.platform != 'linux'")
def test_the_only_device_needs_no_choice() -> None:
    assert choose(None, [WEBCAM]).device == WEBCAM


def test_no_choice_among_several_lists_them() -> None:
    with pytest.raises(AmbiguousCameraError, match=r"USB Grabber .*Webcam .*--video\.source"):
        choose(None, [GRABBER, WEBCAM])


def test_a_device_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(CameraNotFoundError, match=r"'other'.*USB Grabber .*Webcam"):
        choose("other", [GRABBER, WEBCAM])
    with pytest.raises(CameraNotFoundError, match=r"no capture device found.*--video\.source"):
        choose(None, [])


@pytest.mark.parametrize(
    ("input_name", "input_format", "spelt"),
    [
        ("v4l2", "yuyv422", {"input_format": "yuyv422"}),
        ("dshow", "yuyv422", {"pixel_format": "yuyv422"}),
        ("dshow", "mjpeg", {"vcodec": "mjpeg"}),
        ("avfoundation", "uyvy422", {"pixel_format": "uyvy422"}),
    ],
)
def test_a_device_is_asked_in_the_words_of_its_system(
    input_name: str, input_format: str, spelt: dict[str, str]
) -> None:
    source = Source(Kind.DEVICE, WEBCAM, "x", input_name)
    settings = VideoSettings(size="640x480", input_format=input_format, options={"standard": "PAL"})
    asked = input_options(source, settings, CaptureRequest(fps=25.0))
    common = {"fflags": "+4", "video_size": "640x480", "framerate": "25", "standard": "PAL"}
    assert asked == {**common, **spelt}


def test_a_device_that_cannot_be_opened_says_what_may_be_in_the_way(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="Video4Linux is Linux's")
    from rheed_acquire import CameraError
    from rheed_acquire_video.camera import VideoCamera

    none = DeviceInfo("video", model="Webcam", address=str(tmp_path / "video9"))
    source = Source(Kind.DEVICE, none, none.address, "v4l2")
    with pytest.raises(
        CameraError, match=r"Webcam .*: No such file.*other program.*--video\.size 8x8, --fps 9"
    ):
        VideoCamera(source, VideoSettings(size="8x8"), CaptureRequest(fps=9.0))


def test_a_graph_that_ffmpeg_does_not_know_is_refused() -> None:
    from rheed_acquire import CameraError
    from rheed_acquire_video import open_camera

    with pytest.raises(CameraError, match="filter graph"):
        open_camera(VideoSettings(source="lavfi:no_such_filter"), CaptureRequest())


def test_a_window_is_chosen_by_its_number_on_x11(monkeypatch: pytest.MonkeyPatch) -> None:
    from rheed_acquire_video.sources import named_source

    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(CameraSettingError, match="xwininfo"):
        named_source(VideoSettings(source="window:kSA 400"))
    monkeypatch.setattr("sys.platform", "win32")
    found = named_source(VideoSettings(source="window:kSA 400"))
    assert found is not None
    assert (found.target, found.input_name) == ("title=kSA 400", "gdigrab")
