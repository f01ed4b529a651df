"""What the genicam plugin makes of a producer's frames, against a bare harvesters fetch loop.

The mock producer's camera runs at a rate that no consumer reaches, or nearly so. In turn, within each round,
its frames are taken by the plugin, into `ChunkAccumulator` on a ring; by the loop that harvesters' tutorial
shows, with one copy of the pixels per frame; by harvesters' own thread and callback, with the same copy. The
limit is what the producer itself generated meanwhile. The ratio is to the bare loop of the same round.

The camera's rate is a multiple of any real one; so a second line for each size tells of 1,000 frames/s, where
every frame has to arrive: "lost" is then what the producer had no buffer for.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._rounds import Spread, UnavailableError, turns
from benchmarks._table import Row
from rheed_acquire import CaptureRequest, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing

SIZES = {(300, 500): 20_000, (1038, 1388): 8_000}
"""Height and width of the frames, and the camera's rate in frames/s, past what a consumer takes."""
SECONDS = 1.0
BUFFERS = 64
STEADY_FPS = 1000.0


def rows(quick: bool) -> Iterator[Row]:
    """Measure both sizes.

    Raises
    ------
    UnavailableError
        harvesters, or the compiler that the mock producer needs, is not installed.
    """
    if importlib.util.find_spec("harvesters") is None:
        raise UnavailableError('harvesters is not installed: pip install "rheed-acquire[genicam]"')
    if shutil.which("cmake") is None:
        raise UnavailableError("cmake is not installed: it builds the mock GenTL producer")
    cti = _producer()
    names = {"DEVICES": "1", "WIDTH": "1388", "HEIGHT": "1038", "MAX_FPS": "100000"}
    os.environ.update({f"MOCK_GENTL_{name}": value for name, value in names.items()})
    for (height, width), fps in SIZES.items():
        yield from _compare(cti, height, width, fps, 2 if quick else 6)
        yield _steady(cti, height, width, 2.0 if quick else 10.0)


def _producer() -> Path:
    root = Path(__file__).parents[1] / "hardware_mocks" / "gentl_producer"
    sys.path.insert(0, str(root / "python"))
    from rheed_mock_gentl.building import build

    return build(Path(tempfile.gettempdir()) / "rheed_mock_gentl_benchmark") / "rheed_mock.cti"


def _compare(cti: Path, height: int, width: int, fps: int, rounds: int) -> Iterator[Row]:
    takers: dict[str, Callable[[Path, int, int, float], tuple[float, float]]] = {
        "genicam plugin": _plugin,
        "bare fetch loop": _bare_loop,
        "harvesters' callback": _callback,
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in takers}
    for _, name in turns(list(takers), rounds):
        rates[name].append(takers[name](cti, height, width, fps))
    megabytes = height * width / 1e6
    bare = [rate for rate, _ in rates["bare fetch loop"]]
    for name, measured in rates.items():
        taken = [rate for rate, _ in measured]
        median = statistics.median(taken)
        limit = statistics.median(generated for _, generated in measured)
        yield (
            f"{height} x {width}, {name}",
            f"{median:.0f} fps, {median * megabytes:.0f} MB/s",
            f"of {limit:.0f} fps made; bare fetch loop {statistics.median(bare):.0f} fps",
            str(Spread.of_ratios(taken, bare)),
        )


def _steady(cti: Path, height: int, width: int, seconds: float) -> Row:
    camera, accumulator, _ = _opened(cti, height, width, STEADY_FPS, None)
    with camera:
        camera.start(accumulator.on_frame, _raise)
        time.sleep(seconds)
        camera.stop()
        lost = accumulator.frames_missing + accumulator.overrun + camera.statistics()["frames_lost"]
    accumulator.close()
    return (
        f"{height} x {width}, plugin at {STEADY_FPS:.0f} fps for {seconds:.0f} s",
        f"{accumulator.received / seconds:.0f} fps",
        f"{lost} lost of {accumulator.received}",
        "",
    )


def _raise(error: Exception) -> None:
    raise error


def _opened(
    cti: Path, height: int, width: int, fps: float, buffers: int | None
) -> tuple[Any, ChunkAccumulator, list[int]]:
    """Open the camera by the plugin, and make an accumulator whose ring is released as it fills."""
    from rheed_acquire_genicam import GenicamSettings, open_camera

    settings = GenicamSettings(cti=(cti,), width=width, height=height, exposure_us=10, buffers=buffers)
    layout = (height, width)
    accumulator = ChunkAccumulator(
        ChunkRing(2, 60, height, width),
        make_copier("Mono8", *layout),
        layout,
        fps,
        on_chunk=Chunk.release,
        on_error=_raise,
    )
    seen: list[int] = []
    return open_camera(settings, CaptureRequest(fps=fps)), accumulator, seen


def _plugin(cti: Path, height: int, width: int, fps: float) -> tuple[float, float]:
    """Frames/s that the plugin takes, and that the producer makes meanwhile."""
    camera, accumulator, seen = _opened(cti, height, width, fps, BUFFERS)
    marks: list[tuple[float, int]] = []

    def on_frame(frame: Frame) -> None:
        accumulator.on_frame(frame)
        assert frame.id is not None
        if not seen:
            seen.append(frame.id)
            marks.append((time.perf_counter(), frame.id))
        seen[0] = frame.id

    with camera:
        camera.start(on_frame, _raise)
        time.sleep(SECONDS)
        camera.stop()
        ended = time.perf_counter()
    accumulator.close()
    begun, first = marks[0]
    return (accumulator.received - 1) / (ended - begun), (seen[0] - first) / (ended - begun)


def _acquirer(cti: Path, height: int, width: int, fps: float) -> tuple[Any, Any]:
    from harvesters.core import Harvester

    harvester = Harvester()
    harvester.add_file(str(cti))
    harvester.update()
    acquirer = harvester.create(0)
    nodes = acquirer.remote_device.node_map
    nodes.Width.value, nodes.Height.value = width, height
    nodes.ExposureTime.value = 10
    nodes.AcquisitionFrameRateEnable.value = True
    nodes.AcquisitionFrameRate.value = fps
    acquirer.num_buffers = BUFFERS
    return harvester, acquirer


def _taker(acquirer: Any, height: int, width: int) -> tuple[Callable[[], None], list[tuple[float, int]]]:
    """Give what takes one frame as harvesters' tutorial does, and the list of time and id that it fills."""
    target = np.empty((120, height, width), np.uint8)
    taken: list[tuple[float, int]] = []

    def take() -> None:
        with acquirer.fetch(timeout=3) as buffer:
            image = buffer.payload.components[0]
            np.copyto(target[len(taken) % len(target)], image.data.reshape(height, width))
            taken.append((time.perf_counter(), buffer.module.frame_id))

    return take, taken


def _rates(taken: list[tuple[float, int]]) -> tuple[float, float]:
    seconds = taken[-1][0] - taken[0][0]
    return (len(taken) - 1) / seconds, (taken[-1][1] - taken[0][1]) / seconds


def _bare_loop(cti: Path, height: int, width: int, fps: float) -> tuple[float, float]:
    harvester, acquirer = _acquirer(cti, height, width, fps)
    take, taken = _taker(acquirer, height, width)
    acquirer.start()
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        take()
    acquirer.destroy()
    harvester.reset()
    return _rates(taken)


def _callback(cti: Path, height: int, width: int, fps: float) -> tuple[float, float]:
    from harvesters.core import Callback

    harvester, acquirer = _acquirer(cti, height, width, fps)
    take, taken = _taker(acquirer, height, width)

    class OnBuffer(Callback):  # type: ignore[misc]
        def emit(self, context: Any = None) -> None:  # noqa: ARG002 - harvesters' signature
            take()

    acquirer.add_callback(acquirer.Events.NEW_BUFFER_AVAILABLE, OnBuffer())
    acquirer.start(run_as_thread=True)
    time.sleep(SECONDS)
    acquirer.destroy()
    harvester.reset()
    return _rates(taken)
