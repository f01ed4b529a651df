"""What the live view costs the camera's callback: a page open and regions followed, against neither.

Frames come at a camera's pace to two accumulators in turn, each with a pusher that gives its chunks back. One
has what a run with a view has: a `FrameTap` that measures four regions in every frame, the view's process,
and a page (a process of its own) that draws whatever it is sent. The other has nothing. Medians say what a
frame costs; means hold the times that the callback waited for the interpreter too.
"""

from __future__ import annotations

import itertools
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks._frames import contents, make_frames
from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._table import Row
from rheed_acquire.cameras.camera import Frame
from rheed_acquire.clocks.camera_clock import CaptureClock
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.regions.traces import Points
from rheed_acquire.view.process import ViewProcess

HEIGHT, WIDTH, FPS = 300, 500, 1000.0
CHUNK_FRAMES, BUFFERS, SOURCES = 200, 4, 16
REGIONS = (
    Region(name="specular", x=235, y=60, width=30, height=50),
    Region(name="left", x=165, y=60, width=30, height=50),
    Region(name="right", x=305, y=60, width=30, height=50),
    Region(name="background", x=50, y=150, width=100, height=100),
)
WITH, WITHOUT = "view open, 4 regions", "neither"

_PAGE = """
import json, sys
from websockets.sync.client import connect
with connect(sys.stdin.readline().strip(), max_size=None) as page:
    print("open", flush=True)
    for message in page:
        if isinstance(message, bytes):
            header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
            page.send(json.dumps({"do": "drawn", "what": "frame" if header["type"] == "frame" else "traces"}))
"""


def rows(quick: bool) -> Iterator[Row]:
    """Measure one pace, which is that of a fast camera."""
    rounds, seconds = (4, 1.0) if quick else (12, 3.0)
    pixels = make_frames(contents()[0], SOURCES, HEIGHT, WIDTH)
    figures: dict[str, list[NDArray[np.float64]]] = {WITH: [], WITHOUT: []}
    with _page() as view:
        for name in (WITH, WITHOUT):
            _run(view if name == WITH else None, pixels, 0.5)
        for _, name in turns((WITH, WITHOUT), rounds):
            figures[name].append(_run(view if name == WITH else None, pixels, seconds))
    for what, of in (("median", np.median), ("mean", np.mean)):
        ones, others = ([float(of(times)) for times in figures[name]] for name in (WITH, WITHOUT))
        yield (
            f"{HEIGHT} x {WIDTH} at {FPS:.0f} frames/s, {what}: {WITH}",
            f"{short(float(of(ones)))} us ({_tail(figures[WITH])})",
            f"{WITHOUT} {short(float(of(others)))} us ({_tail(figures[WITHOUT])})",
            str(Spread.of_ratios(ones, others)),
        )


def _tail(times: Sequence[NDArray[np.float64]]) -> str:
    return f"99.9 %: {short(float(np.percentile(np.concatenate(times), 99.9)))}"


def _run(view: ViewProcess | None, pixels: NDArray[np.uint8], seconds: float) -> NDArray[np.float64]:
    """Take frames at the pace; returns how long each call took, (N,) in us.

    Raises
    ------
    RuntimeError
        Not every frame was taken, or measured.
    """
    tap = None if view is None else _tap(view)
    clock_of_run = CaptureClock(process_clock(), FPS)
    chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()

    def push() -> None:
        while (chunk := chunks.get()) is not None:
            if tap is not None:
                tap.complete(chunk, clock_of_run.times(chunk).ms_utc)
            chunk.release()

    accumulator = ChunkAccumulator(
        ChunkRing(BUFFERS, CHUNK_FRAMES, HEIGHT, WIDTH),
        make_copier("Mono8", HEIGHT, WIDTH),
        (HEIGHT, WIDTH),
        FPS,
        chunks.put,
        _raise,
    )
    pusher = threading.Thread(target=push)
    pusher.start()
    if tap is not None:
        tap.watch(accumulator)
        tap.begin(WIDTH, HEIGHT, clock_of_run.foresee_ms)
    count = round(seconds * FPS)
    times = np.zeros(count)
    frames = itertools.cycle([Frame(one, None, None) for one in pixels])
    clock, on_frame, period, due = time.perf_counter_ns, accumulator.on_frame, round(1e9 / FPS), 0
    for number, frame in enumerate(itertools.islice(frames, count)):
        due = max(due + period, clock())
        time.sleep(max(0, due - clock()) / 1e9)
        begun = clock()
        on_frame(frame)
        times[number] = (clock() - begun) / 1e3
    accumulator.close()
    chunks.put(None)
    pusher.join()
    measured = count
    if tap is not None:
        tap.stop()
        measured = int(tap.overviews()[0][1].frames.sum())
    if accumulator.accumulated != count or measured != count:
        raise RuntimeError(f"{accumulator.accumulated} of {count} frames were taken, {measured} measured")
    return times


def _tap(view: ViewProcess) -> FrameTap:
    def add(points: Points, regions: Sequence[Region], arrived_ns: NDArray[np.int64]) -> None:  # noqa: ARG001
        view.add_points(points.utc_ms, points.mean, points.maximum, regions)

    return FrameTap(REGIONS, view.show_frame, add)


@contextmanager
def _page() -> Iterator[ViewProcess]:
    """A view, and a page that is open.

    Raises
    ------
    UnavailableError
        The view cannot be shown, as where the part of it that comes from npm is missing.
    """
    with ExitStack() as stack:
        try:
            view = stack.enter_context(ViewProcess(on_command=lambda command: None))  # noqa: ARG005
        except RheedAcquireError as error:
            raise UnavailableError(str(error)) from None
        address = view.url.replace("http", "ws", 1).replace("/?", "/live?", 1)
        browser = subprocess.Popen(
            [sys.executable, "-c", _PAGE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert browser.stdin is not None
            assert browser.stdout is not None
            browser.stdin.write(address.encode() + b"\n")  # no argument: it is a secret
            browser.stdin.flush()
            browser.stdout.readline()
            yield view
        finally:
            browser.kill()
            browser.communicate()


def _raise(error: Exception) -> None:
    raise error
