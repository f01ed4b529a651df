"""Recordings of every kind, and what the camera makes of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import CameraEndedError, CameraError, CameraInfo, CaptureRequest, Frame
from rheed_acquire_replay import ReplaySettings, open_camera

DEADLINE_S = 30.0
BEGAN_MS = 1_767_225_600_000.0
"""2026-01-01, 0:00 UTC."""


@dataclass
class Played:
    """What a replay delivered, and how it ended."""

    info: CameraInfo
    ids: list[int | None] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    pixels: list[NDArray[Any]] = field(default_factory=list)
    fault: CameraError | None = None

    @property
    def frames(self) -> NDArray[Any]:
        return np.array(self.pixels)


class Stage:
    """What a test of the replay needs; test modules do not see their neighbours in importlib mode."""

    began_ms = BEGAN_MS

    @staticmethod
    def play(path: Path, fps: float | None = None, rotations: float = 0.0, **settings: Any) -> Played:
        """Replay to the end, or to where it cannot be read on."""
        chosen = ReplaySettings(path=path, **{"speed": 0.0, **settings})
        ended = threading.Event()
        with open_camera(chosen, CaptureRequest(fps, rotations)) as camera:
            played = Played(camera.info)

            def on_frame(frame: Frame) -> None:
                assert frame.timestamp_ns is not None
                played.ids.append(frame.id)
                played.stamps.append(frame.timestamp_ns)
                played.pixels.append(frame.pixels.copy())

            def on_fault(error: CameraError) -> None:
                played.fault = error
                ended.set()

            camera.start(on_frame, on_fault)
            assert ended.wait(DEADLINE_S)
        return played

    @classmethod
    def play_all(cls, path: Path, fps: float | None = 10.0, **settings: Any) -> Played:
        played = cls.play(path, fps, **settings)
        assert isinstance(played.fault, CameraEndedError), played.fault
        return played

    @staticmethod
    def refusal(path: Path | None, fps: float | None = 10.0, **settings: Any) -> CameraError:
        """Return why a recording is not opened: one line for the user."""
        with pytest.raises(CameraError) as raised:
            open_camera(ReplaySettings(path=path, **settings), CaptureRequest(fps)).close()
        assert "\n" not in str(raised.value)
        return raised.value

    @staticmethod
    def frames(count: int, height: int = 6, width: int = 9, dtype: Any = np.uint8) -> NDArray[Any]:
        return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, (count, height, width), dtype)

    @staticmethod
    def write_run(path: Path, frames: NDArray[Any], times_ms: Sequence[float], **attributes: Any) -> Path:
        """Write a group as the local server lays it out."""
        import zarr

        group = zarr.create_group(path, attributes={"data_id": "1", "fps": 10.0, **attributes})
        _, height, width = frames.shape
        group.create_array(
            "frames",
            shape=frames.shape,
            dtype=np.uint8,
            chunks=(1, height, width),
            shards=(20, height, width),
            config={"write_empty_chunks": True},
        )[:] = frames
        group.create_array("time_unix_ms", shape=(len(times_ms),), dtype=np.float64, chunks=(16,))[:] = (
            np.array(times_ms)
        )
        return path

    @staticmethod
    def write_video(
        path: Path, frames: NDArray[Any], codec: str = "ffv1", pixel_format: str = "gray", rate: int = 25
    ) -> Path:
        """Encode gray frames; FFV1 loses nothing."""
        import av

        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=Fraction(rate))
            _, stream.height, stream.width = frames.shape
            stream.pix_fmt = pixel_format
            for pixels in frames:
                source = "gray" if pixels.dtype == np.uint8 else "gray16le"
                picture = av.VideoFrame.from_ndarray(pixels, format=source)
                container.mux(stream.encode(picture.reformat(format=pixel_format)))
            container.mux(stream.encode())
        return path

    @staticmethod
    def write_uneven_video(path: Path, steps_ms: Sequence[int]) -> Path:
        """Encode a gray frame, and one more so many milliseconds after the one before."""
        import av

        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("ffv1", rate=30)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "gray"
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            at_ms = 0
            for number, step_ms in enumerate((0, *steps_ms)):
                at_ms += step_ms
                pixels = np.full((48, 64), number * 5 % 256, np.uint8)
                picture = av.VideoFrame.from_ndarray(pixels, format="gray")
                picture.pts, picture.time_base = at_ms, Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return path


@pytest.fixture(scope="session")
def stage() -> Stage:
    for module in ("av", "h5py", "PIL", "tifffile", "zarr"):
        pytest.importorskip(module, reason="the extra 'replay' is not installed")
    return Stage()
