"""What the mock camera sends, bit by bit, through harvesters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from rheed_mock_gentl import SAMPLE_BITS, expected_frame, expected_payload, read_stamp

PATTERNS = [
    "Black",
    "White",
    "GreyHorizontalRamp",
    "GreyVerticalRamp",
    "GreyHorizontalRampMoving",
    "GreyVerticalRampMoving",
    "GreyDiagonalRampMoving",
]


class Taken(NamedTuple):
    """A frame as it was fetched, copied."""

    id: int
    timestamp_ns: int
    payload: NDArray[np.uint8]
    pixel_format: str


def set_nodes(camera: Any, **values: Any) -> None:
    for name, value in values.items():
        getattr(camera.remote_device.node_map, name).value = value


def take(camera: Any) -> Taken:
    with camera.fetch(timeout=20) as buffer:
        module = buffer.module
        payload = np.frombuffer(module.raw_buffer, np.uint8)[: module.size_filled].copy()
        data_format = buffer.payload.components[0].data_format
        return Taken(module.frame_id, module.timestamp_ns, payload, data_format)


def take_run(camera: Any, count: int) -> list[Taken]:
    """Take a run of so many frames; each has a buffer of its own, so that a slow machine loses none."""
    assert count <= camera.num_buffers
    set_nodes(camera, AcquisitionMode="MultiFrame")
    set_nodes(camera, AcquisitionFrameCount=count)
    camera.start()
    frames = [take(camera) for _ in range(count)]
    camera.stop()
    return frames


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("pixel_format", list(SAMPLE_BITS))
def test_every_pattern_in_every_format_is_bit_exact(camera: Any, pixel_format: str, pattern: str) -> None:
    set_nodes(camera, PixelFormat=pixel_format, TestPattern=pattern, AcquisitionFrameRate=1000.0)
    set_nodes(camera, ExposureTime=100.0, Width=76, Height=33, OffsetX=8, OffsetY=5)
    for number, frame in enumerate(take_run(camera, 4)):
        assert frame.id == number
        assert frame.pixel_format == pixel_format
        expected = expected_payload(number, 76, 33, pixel_format, pattern=pattern, offset_x=8, offset_y=5)
        np.testing.assert_array_equal(frame.payload, expected)


@pytest.mark.parametrize("mode", ["Average", "Sum"])
@pytest.mark.parametrize(("across", "down"), [(2, 2), (4, 1), (1, 3), (3, 4)])
@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12p", "Mono16"])
def test_binned_regions_are_bit_exact(
    camera: Any, pixel_format: str, across: int, down: int, mode: str
) -> None:
    set_nodes(camera, PixelFormat=pixel_format, BinningMode=mode, ExposureTime=100.0)
    set_nodes(camera, BinningHorizontal=across, BinningVertical=down)
    nodes = camera.remote_device.node_map
    assert (nodes.Width.value, nodes.Height.value) == (640 // across // 4 * 4, 480 // down)
    set_nodes(camera, Width=64, Height=20, OffsetX=12, OffsetY=7)
    for frame in take_run(camera, 2):
        expected = expected_payload(
            frame.id,
            64,
            20,
            pixel_format,
            offset_x=12,
            offset_y=7,
            binning_horizontal=across,
            binning_vertical=down,
            binning_mode=mode,
        )
        np.testing.assert_array_equal(frame.payload, expected)


def test_moving_ramps_wrap_where_the_format_does(camera: Any) -> None:
    set_nodes(camera, FaultDropNext=300, AcquisitionFrameRate=9000.0, ExposureTime=100.0, Height=2)
    set_nodes(camera, AcquisitionMode="Continuous")
    camera.start()
    frame = take(camera)
    camera.stop()
    assert frame.id >= 300
    np.testing.assert_array_equal(frame.payload, expected_payload(frame.id, 640, 2))


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p"])
def test_frames_of_a_file_come_in_turn(camera: Any, tmp_path: Path, pixel_format: str) -> None:
    film = np.random.default_rng(1).integers(0, 256, (3, 480, 640), dtype=np.uint8)
    film.tofile(tmp_path / "film.raw")
    set_nodes(camera, SensorFrameFile=str(tmp_path / "film.raw"), TestPattern="Off", PixelFormat=pixel_format)
    set_nodes(camera, FrameStampEnable=False, Width=100, Height=50, OffsetX=40, OffsetY=9)
    for frame in take_run(camera, 5):
        expected = expected_payload(
            frame.id,
            100,
            50,
            pixel_format,
            pattern="Off",
            stamp=False,
            sensor_frames=film,
            offset_x=40,
            offset_y=9,
        )
        np.testing.assert_array_equal(frame.payload, expected)


def test_a_film_named_by_the_environment_is_shown_at_once(
    cti: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    film = np.random.default_rng(2).integers(0, 256, (2, 64, 96), dtype=np.uint8)
    film.tofile(tmp_path / "film.raw")
    monkeypatch.setenv("MOCK_GENTL_WIDTH", "96")
    monkeypatch.setenv("MOCK_GENTL_HEIGHT", "64")
    monkeypatch.setenv("MOCK_GENTL_FRAMES", str(tmp_path / "film.raw"))
    open_camera: Callable[[], Any] = request.getfixturevalue("open_camera")
    frames = take_run(open_camera(), 3)
    for frame in frames:
        shown = frame.payload.reshape(64, 96).copy()
        assert read_stamp(shown) == frame.id
        expected = film[frame.id % 2]
        np.testing.assert_array_equal(shown.reshape(-1)[8:], expected.reshape(-1)[8:])


def test_timestamps_are_exactly_a_period_apart(camera: Any) -> None:
    set_nodes(camera, AcquisitionFrameRate=500.0, ExposureTime=100.0)
    stamps = [frame.timestamp_ns for frame in take_run(camera, 10)]
    assert np.diff(stamps).tolist() == [2_000_000] * 9


def test_every_acquisition_counts_from_zero(camera: Any) -> None:
    for _ in range(3):
        assert [frame.id for frame in take_run(camera, 3)] == [0, 1, 2]


def test_a_frame_without_a_free_buffer_is_an_id_missing_and_an_underrun(open_camera: Any) -> None:
    camera = open_camera(buffers=3)
    set_nodes(camera, AcquisitionFrameRate=1000.0, ExposureTime=100.0, Height=16)
    camera.start()
    held = [camera.fetch(timeout=20) for _ in range(3)]
    stream = camera.data_streams[0]
    while stream.num_underrun < 20:
        pass
    for buffer in held:
        buffer.queue()
    later = take(camera)
    camera.remote_device.node_map.AcquisitionStop.execute()
    nodes = camera.remote_device.node_map
    made = nodes.FaultFramesGenerated.value
    assert later.id >= 23
    assert stream.num_delivered + stream.num_underrun == made
    assert nodes.FaultFramesUnderrun.value == stream.num_underrun
    np.testing.assert_array_equal(later.payload, expected_payload(later.id, 640, 16))
    camera.stop()


def test_two_cameras_stream_at_once_each_its_own_frames(open_camera: Any) -> None:
    first, second = open_camera(0), open_camera(1)
    set_nodes(first, Width=64, Height=64, TestPattern="GreyHorizontalRampMoving")
    set_nodes(second, Width=128, Height=32, PixelFormat="Mono12")
    for camera in (first, second):
        set_nodes(camera, AcquisitionMode="MultiFrame")
        set_nodes(camera, AcquisitionFrameCount=10)
        camera.start()
    for number in range(10):
        one, two = take(first), take(second)
        expected = expected_payload(number, 64, 64, pattern="GreyHorizontalRampMoving")
        np.testing.assert_array_equal(one.payload, expected)
        np.testing.assert_array_equal(two.payload, expected_payload(number, 128, 32, "Mono12"))


@pytest.mark.parametrize("tl_type", ["Custom", "U3V", "GEV"])
def test_chunks_tell_each_frame_its_own_story(
    tl_type: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("MOCK_GENTL_TL_TYPE", tl_type)
    camera = request.getfixturevalue("camera")
    nodes = camera.remote_device.node_map
    plain = nodes.PayloadSize.value
    set_nodes(camera, ChunkModeActive=True, ExposureTime=321.0, Gain=4.5)
    assert nodes.PayloadSize.value == plain + 8 + 4 * 16
    camera.start()
    for _ in range(4):
        with camera.fetch(timeout=20) as buffer:
            assert nodes.ChunkFrameID.value == buffer.module.frame_id
            assert nodes.ChunkTimestamp.value == buffer.timestamp_ns
            assert nodes.ChunkExposureTime.value == 321.0
            assert nodes.ChunkGain.value == 4.5
            image = buffer.payload.components[0].data.reshape(480, 640)
            np.testing.assert_array_equal(image, expected_frame(buffer.module.frame_id, 640, 480))
    camera.stop()


def test_a_chunk_that_is_off_is_not_sent(camera: Any) -> None:
    nodes = camera.remote_device.node_map
    set_nodes(camera, ChunkModeActive=True)
    with_all = nodes.PayloadSize.value
    set_nodes(camera, ChunkSelector="Gain")
    set_nodes(camera, ChunkEnable=False)
    assert nodes.PayloadSize.value == with_all - 16
    set_nodes(camera, ChunkSelector="Timestamp")
    assert nodes.ChunkEnable.value is True


def test_expected_frame_refuses_what_the_camera_does_not_have() -> None:
    with pytest.raises(ValueError, match="no pixel format 'YUV8'"):
        expected_frame(0, 64, 64, "YUV8")
    with pytest.raises(ValueError, match="no test pattern 'Plaid'"):
        expected_frame(0, 64, 64, pattern="Plaid")
    with pytest.raises(ValueError, match="no binning mode 'Mean'"):
        expected_frame(0, 64, 64, binning_mode="Mean")
