"""What `ChunkAccumulator.on_frame` costs the camera's thread, beside numpy's copy of the same frame.

Frames come at a camera's pace, from a thread that sleeps in between as an SDK's does. At each, in an order
that alternates, one frame goes through `on_frame` and another, equally cold, through ``np.copyto`` into a
ring of its own. The own cost is what is left of `on_frame` without the conversion of the pixels: it holds
every chunk's handing over, and some 0.1 us for the two clock readings that tell the conversion apart.

Under load, a `RHEEDStreamer` of the same process encodes, spools and uploads another stream's chunks as fast
as it can, real frames and noise in turn, to a server that only counts.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._frames import contents, make_frames
from benchmarks._rounds import Spread, short
from benchmarks._scratch import scratch_folder
from benchmarks._servers import sink_server
from benchmarks._table import Row
from benchmarks.conversion import source_frames
from rheed_acquire.cameras.camera import Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.frame_form import ChunkForm
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.system.allocator import tune_allocator
from rheed_acquire.system.priority import share_interpreter

PACES = {(300, 500): 1000.0, (1038, 1388): 250.0}
"""Height and width of the frames, and frames/s."""
FORMATS = ("Mono8", "Mono12", "Mono12p")
CHUNK_FRAMES = 120
SOURCES = 8
LOAD_FRAMES, LOAD_HEIGHT, LOAD_WIDTH = 240, 300, 500
WARM_UP_S = 1.0


def rows(quick: bool) -> Iterator[Row]:
    """Measure every size and format, idle and under load."""
    paces = dict(list(PACES.items())[:1]) if quick else PACES
    rounds, seconds = (2, 0.25) if quick else (6, 1.0)
    # As the command does.
    tune_allocator()
    share_interpreter()
    for load in ("idle", "loaded"):
        with ExitStack() as stack:
            delivered = stack.enter_context(_load()) if load == "loaded" else None
            begun = time.perf_counter()
            for (height, width), fps in paces.items():
                for pixel_format in FORMATS:
                    yield from _measure(load, pixel_format, height, width, fps, rounds, seconds)
            if delivered is not None:
                rate = delivered() / (time.perf_counter() - begun) / 1e6
                yield ("loaded: delivered meanwhile", f"{rate:,.0f} MB/s of pixels", "", "")


def _measure(
    load: str, pixel_format: str, height: int, width: int, fps: float, rounds: int, seconds: float
) -> Iterator[Row]:
    bench = _Bench(pixel_format, height, width, fps)
    bench.run(100)
    taken: list[list[NDArray[np.int64]]] = [bench.run(round(seconds * fps)) for _ in range(rounds)]
    whole, own, copy, late = (np.concatenate(parts) / 1e3 for parts in zip(*taken, strict=True))
    case = f"{load}, {height} x {width} {pixel_format}"
    medians = [[float(np.median(part)) for part in one] for one in taken]
    yield (
        f"{case}: on_frame",
        _figures(whole),
        f"np.copyto {_figures(copy)}",
        str(Spread.of_ratios([one[0] for one in medians], [one[2] for one in medians])),
    )
    yield (f"{case}: own cost", _figures(own), f"thread woken {_figures(late)} late", "")


def _figures(times_us: NDArray[np.float64]) -> str:
    return f"{short(float(np.median(times_us)))} us (99.9 %: {short(float(np.percentile(times_us, 99.9)))})"


class _Bench:
    """An accumulator, and a ring for numpy beside it."""

    def __init__(self, pixel_format: str, height: int, width: int, fps: float) -> None:
        self._period_ns = round(1e9 / fps)
        frames = source_frames(pixel_format, height, width, 2 * SOURCES)
        self._pixels = itertools.cycle(frames[:SOURCES])
        self._frame_ids = itertools.count()
        self._others = itertools.cycle(frames[SOURCES:])
        self._slots = itertools.cycle(list(np.ones((2 * CHUNK_FRAMES, *frames[0].shape), frames[0].dtype)))
        convert = make_copier(pixel_format, height, width)
        self._converted_ns = 0
        clock = time.perf_counter_ns

        def timed(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
            begun = clock()
            convert(source, destination)
            self._converted_ns = clock() - begun

        self._accumulator = ChunkAccumulator(
            ChunkRing(2, CHUNK_FRAMES, height, width, form=ChunkForm(pixel_format)),
            timed,
            frames[0].shape,
            fps,
            on_chunk=Chunk.release,
            on_error=_raise,
        )

    def run(self, count: int) -> list[NDArray[np.int64]]:
        """Take frames at the pace.

        Returns
        -------
        list of ndarray
            Four of (count,) int64, in ns: `on_frame`, its own cost, numpy's copy, and how long after a frame
            was due the thread had the interpreter.
        """
        clock, on_frame, copy = time.perf_counter_ns, self._accumulator.on_frame, np.copyto
        figures = np.zeros((4, count), np.int64)
        due = clock()
        for number in range(count):
            due = max(due + self._period_ns, clock())
            time.sleep(max(due - clock(), 0) / 1e9)
            woken = clock()
            pixels, other, slot = next(self._pixels), next(self._others), next(self._slots)
            frame_id = next(self._frame_ids)
            # With an id and a stamp, as most cameras give them.
            frame = Frame(pixels, frame_id, frame_id * self._period_ns)
            copied = 0
            for ours in (True, False) if number % 2 else (False, True):
                begun = clock()
                if ours:
                    on_frame(frame)
                    whole = clock() - begun
                else:
                    copy(slot, other)
                    copied = clock() - begun
            figures[:, number] = whole, whole - self._converted_ns, copied, woken - due
        return list(figures)


@contextmanager
def _load() -> Iterator[Callable[[], int]]:
    """Keep a streamer at full load; gives what tells the bytes of pixels that the server has by now."""
    kinds = [make_frames(content, LOAD_FRAMES, LOAD_HEIGHT, LOAD_WIDTH) for content in contents()]
    ended = threading.Event()
    failures: list[BaseException] = []
    with scratch_folder() as folder, sink_server(folder) as server:
        streamer = RHEEDStreamer(server.api_key, server.endpoint, spool_folder=folder / "spool")
        data_id = streamer.initialize(fps=120.0, rotations_per_min=0.0, chunk_size=LOAD_FRAMES)

        def feed() -> None:
            try:
                for number in itertools.count():
                    if ended.is_set():
                        return
                    streamer.push(data_id, number, kinds[number % len(kinds)])
            except BaseException as failure:  # noqa: BLE001 - raised in the thread that measures
                failures.append(failure)

        def delivered() -> int:
            return streamer.status(data_id).chunks_uploaded * kinds[0].nbytes

        feeder = threading.Thread(target=feed, name="load")
        feeder.start()
        try:
            time.sleep(WARM_UP_S)
            before = delivered()
            yield lambda: delivered() - before
        finally:
            ended.set()
            feeder.join()
            streamer.finalize(data_id)
            streamer.close()
        if failures:
            raise failures[0]


def _raise(error: Exception) -> None:
    raise error
