"""Whether a frame costs more late in a long stream than early, and more beside other cameras than alone.

A stream's chunks of 240 frames, 2 s at 120 frames/s each, go through `ChunkAccumulator` and `RHEEDStreamer`
as fast as they are delivered: 3,000 of them stand for 100 minutes. The frames are small, so that what a chunk
costs is seen, and not what its pixels do. The next chunk begins only when few are on their way, so that a
tenth of the stream holds its own uploads and nobody else's. What depends on time alone (a burst of clock
readings a minute) is not in it.

Processor time is that of the whole process, with all its threads, less what the benchmark's own waiting
takes. The ratio over the length is that of the stream's last tenth to its first; of the server's processor
time too, where the system tells it (Linux).

Several cameras: as many streams at once, one thread and accumulator each, through one `RHEEDStreamer`, with
frames of 150 x 250 noise; the ratio is of what a frame costs to what it costs with one camera, 1 where four
cameras cost four times what one does. Below 1 they share what would otherwise lie idle.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._push_program import resident_bytes
from benchmarks._rounds import Spread, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._servers import SERVERS, RunningServer, sink_server
from benchmarks._table import Row
from rheed_acquire.cameras.camera import Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.streaming import RHEEDStreamer

FPS, CHUNK_FRAMES = 120.0, 240
CHUNKS_PER_MINUTE = 30
MINUTES = (1, 10, 100)
SMALL = (8, 8)
ON_THEIR_WAY = 2
RING_CHUNKS = 8
"""With half of it, four cameras that come as fast as can be run short of buffers, and what is measured is the
disk that takes their shards."""
LOOK_S = 0.005
"""Between two looks at how far the chunks are. Each look takes the GIL from a thread that is waited for, and
that thread is charged with the switch: with ten times as many, four cameras look 6 % dearer than they are."""
SIDE_BY_SIDE, SIDE_SIZE = (1, 2, 4), (150, 250)


@dataclass(frozen=True, slots=True)
class Meter:
    """Readings at one instant, in seconds and bytes."""

    chunks: int
    cpu_s: float
    wall_s: float
    server_s: float
    resident: int

    @classmethod
    def read(cls, chunks: int, server: RunningServer, cameras: Sequence[_Camera]) -> Meter:
        """Read them now; what the cameras' waiting has cost is the benchmark's own."""
        cpu_s = time.process_time() - sum(camera.waiting_cpu_s for camera in cameras)
        return cls(chunks, cpu_s, time.perf_counter(), server.cpu_s() or 0.0, resident_bytes())

    def since(self, earlier: Meter, attribute: str) -> float:
        """What a frame has cost since, in us."""
        frames = (self.chunks - earlier.chunks) * CHUNK_FRAMES
        return float(getattr(self, attribute) - getattr(earlier, attribute)) / frames * 1e6


def rows(quick: bool) -> Iterator[Row]:
    """Measure the length of a stream, against both servers, and cameras side by side."""
    for name, rounds in (("sink", 3), ("local server", 1)):
        yield from _over_length(name, 1 if quick else rounds, MINUTES[:2] if quick else MINUTES)
    yield from _side_by_side(2 if quick else 6, 10 if quick else 40)


def _over_length(server: str, rounds: int, minutes: tuple[int, ...]) -> Iterator[Row]:
    streams = [_stream(server, minutes) for _ in range(rounds)]
    for minute in minutes:
        marks = [(stream[0], stream[minute * CHUNKS_PER_MINUTE]) for stream in streams]
        cpu, wall, served = (
            statistics.median(mark.since(begun, what) for begun, mark in marks)
            for what in ("cpu_s", "wall_s", "server_s")
        )
        resident = statistics.median(mark.resident - begun.resident for begun, mark in marks) / 1e6
        yield (
            f"{server}: frame, over the first {minute} min",
            f"{short(cpu)} us processor, {short(wall)} us in all",
            f"server {short(served)} us; {short(resident)} MB more resident",
            "",
        )
    last = minutes[-1] * CHUNKS_PER_MINUTE
    tenth = last // 10
    for what, name in (("cpu_s", "processor"), ("wall_s", "in all"), ("server_s", "server")):
        late = [stream[last].since(stream[last - tenth], what) for stream in streams]
        early = [stream[tenth].since(stream[0], what) for stream in streams]
        if not all(early):
            continue
        yield (
            f"{server}: frame, {name}, last tenth of {minutes[-1]} min",
            f"{short(statistics.median(late))} us",
            f"first tenth {short(statistics.median(early))} us",
            str(Spread.of_ratios(late, early)),
        )


def _stream(server: str, minutes: tuple[int, ...]) -> dict[int, Meter]:
    """Stream once; gives the readings by the number of chunks delivered."""
    last = minutes[-1] * CHUNKS_PER_MINUTE
    marks = {0, last // 10, last - last // 10, *(minute * CHUNKS_PER_MINUTE for minute in minutes)}
    readings: dict[int, Meter] = {}
    with scratch_folder() as folder, SERVERS[server](folder) as running:
        streamer = RHEEDStreamer(running.api_key, running.endpoint, spool_folder=folder / "spool")
        camera = _Camera(streamer, *SMALL)
        camera.feed(10)  # connections made, memory touched
        before = camera.fed
        for number in range(last + 1):
            if number in marks:
                camera.wait(0)
                readings[number] = Meter.read(number, running, [camera])
            if number < last:
                camera.feed(1)
        camera.finish(before + last)
        streamer.close()
    return readings


class _Camera:
    """A stream with its accumulator, fed as fast as it is delivered."""

    def __init__(self, streamer: RHEEDStreamer, height: int, width: int) -> None:
        self._streamer = streamer
        self._data_id = streamer.initialize(fps=FPS, rotations_per_min=0.0, chunk_size=CHUNK_FRAMES)
        ring = streamer.open_ring(self._data_id, RING_CHUNKS, height, width)
        self._accumulator = ChunkAccumulator(
            ring,
            make_copier("Mono8", height, width),
            (height, width),
            FPS,
            on_chunk=self._push,
            on_error=_raise,
        )
        noise = np.random.default_rng(0).integers(0, 256, (CHUNK_FRAMES, height, width), np.uint8)
        self._frames = [Frame(pixels, None, None) for pixels in noise]
        self.fed = 0
        self.waiting_cpu_s = 0.0

    def _push(self, chunk: Chunk) -> None:
        self._streamer.push_chunk(self._data_id, chunk)

    def feed(self, chunks: int) -> None:
        """Take chunks, one by one as those before are delivered."""
        on_frame = self._accumulator.on_frame
        for _ in range(chunks):
            for frame in self._frames:
                on_frame(frame)
            self.fed += 1
            self.wait(ON_THEIR_WAY)

    def wait(self, chunks: int) -> None:
        """Wait until no more than this many are on their way."""
        begun = time.thread_time()
        while self._streamer.status(self._data_id).chunks_queued > chunks:
            time.sleep(LOOK_S)
        self.waiting_cpu_s += time.thread_time() - begun

    def finish(self, chunks: int) -> None:
        """End the stream.

        Raises
        ------
        RuntimeError
            Not every frame has arrived.
        """
        self._accumulator.close()
        report = self._streamer.finalize(self._data_id)
        if report["chunks_uploaded"] != chunks or self._accumulator.overrun:
            raise RuntimeError(f"{self._accumulator.overrun} frames overrun, {chunks} chunks: {report}")


def _side_by_side(rounds: int, chunks: int) -> Iterator[Row]:
    costs: dict[int, list[tuple[float, float]]] = {cameras: [] for cameras in SIDE_BY_SIDE}
    for _, cameras in turns(SIDE_BY_SIDE, rounds):
        with scratch_folder() as folder, sink_server(folder) as server:
            costs[cameras].append(_run_cameras(server, folder, cameras, chunks))
    for cameras in SIDE_BY_SIDE[1:]:
        for place, name in enumerate(("processor", "in all")):
            together, alone = ([cost[place] for cost in costs[number]] for number in (cameras, 1))
            yield (
                f"{cameras} cameras at once: frame, {name}",
                f"{short(statistics.median(together))} us",
                f"one camera {short(statistics.median(alone))} us",
                str(Spread.of_ratios(together, alone)),
            )


def _run_cameras(server: RunningServer, folder: Path, count: int, chunks: int) -> tuple[float, float]:
    """Stream from several at once; processor and wall time per frame, in us."""
    streamer = RHEEDStreamer(server.api_key, server.endpoint, spool_folder=folder / "spool")
    cameras = [_Camera(streamer, *SIDE_SIZE) for _ in range(count)]
    for camera in cameras:
        camera.feed(2)
        camera.wait(0)
    threads = [threading.Thread(target=camera.feed, args=(chunks,)) for camera in cameras]
    begun = Meter.read(0, server, cameras)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for camera in cameras:
        camera.wait(0)
    ended = Meter.read(count * chunks, server, cameras)
    for camera in cameras:
        camera.finish(chunks + 2)
    streamer.close()
    return ended.since(begun, "cpu_s"), ended.since(begun, "wall_s")


def _raise(error: Exception) -> None:
    raise error
