"""Looks at a run's frames from beside their way, and measures the regions in every one of them, once.

Two threads bring frames here: the tap's own, which looks at the chunk that is being filled some times a
second, and the dispatcher, which brings each chunk before anybody takes it. The camera's thread knows
nothing of it.

A buffer of the ring is used again only when its chunk has been taken, and the dispatcher gives it away only
when `FrameTap.complete` has returned: so whoever holds the tap's lock reads frames that stay where they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.regions.chunk_traces import ChunkTrace, ChunkTraces
from rheed_acquire.regions.growth_watch import GrowthWatch
from rheed_acquire.regions.regions import Region, fit_regions
from rheed_acquire.regions.traces import Points, RegionTraces, TraceOverview
from rheed_acquire.system.worker import Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.accumulator import ChunkAccumulator
    from rheed_acquire.frames.frame_form import FrameForm, Levels
    from rheed_acquire.frames.ring import Chunk

logger = logging.getLogger(__name__)

LOOKS_PER_S = 12.0
AT_ONCE = 64
"""Frames that are measured at once."""

ShowFrame: TypeAlias = "Callable[[Levels, int, float | None, FrameForm], None]"
Foresee: TypeAlias = "Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]"
ShowPoints: TypeAlias = "Callable[[Points, Sequence[Region], NDArray[np.int64]], None]"


class FrameTap:
    """Measures every frame of a run that lies in a chunk, in order, and hands on the newest.

    Parameters
    ----------
    regions
        To be measured.
    on_frame
        Called some times a second with the newest frame's gray levels at the camera's depth, (H, W) uint8 or
        uint16 and lent for the time of the call, its place among the frames recorded, from 0, its arrival in
        ms UTC, and its form. It must return at once.
    on_points
        Called with the values of frames that were measured, the regions that they are of, and when the frames
        arrived, (N,) as ``time.perf_counter_ns`` and lent for the time of the call. It must return at once.
    looks_per_s
        How often the chunk being filled is looked at.

    Attributes
    ----------
    growth
        How fast the regions say that it grows.
    """

    def __init__(
        self,
        regions: Sequence[Region] = (),
        on_frame: ShowFrame | None = None,
        on_points: ShowPoints | None = None,
        *,
        looks_per_s: float = LOOKS_PER_S,
    ) -> None:
        self._on_frame, self._on_points = on_frame, on_points
        self._period_s = 1.0 / looks_per_s
        self._lock = threading.Lock()
        self._wanted = tuple(regions)
        self._size: tuple[int, int] | None = None
        self._traces, self._of_chunk = RegionTraces(), ChunkTraces()
        self._accumulator: ChunkAccumulator | None = None
        self._frames_before = 0
        self._completed, self._completed_frames = -1, 0
        self._measured = 0
        self._foresee_ms: Foresee | None = None
        self._latest_ms = -np.inf
        self._shown = -1
        self._form: FrameForm | None = None
        self._has_failed = False
        self._ended = threading.Event()
        self._worker: Worker | None = None
        self.growth = GrowthWatch(self.recent)

    def begin(self, width: int, height: int, foresee_ms: Foresee) -> tuple[str, ...]:
        """Begin to look, at frames of this size; returns a sentence for each region that does not fit it.

        Parameters
        ----------
        foresee_ms
            Tells of the frames of a chunk that is being filled, from stamps and arrivals, (N,) each, when
            they were captured, in ms UTC (see `rheed_acquire.clocks.camera_clock.CaptureClock.foresee_ms`).
        """
        with self._lock:
            self._foresee_ms = foresee_ms
            notes = self._follow(self._wanted, (width, height))
            self._size = width, height  # now that nobody sees it without regions
        self._worker = Worker("frame-tap", self._look_and_rest, self._ended)
        self._worker.start()
        self.growth.start()
        return notes

    def stop(self) -> None:
        """Look no more. What `complete` brings is still measured."""
        self._ended.set()
        self.growth.stop()
        if self._worker is not None:
            self._worker.join()

    def watch(self, accumulator: ChunkAccumulator, frames_before: int = 0) -> None:
        """Look at what this accumulator fills from now on.

        Parameters
        ----------
        frames_before
            Frames that those before it have accumulated in this run.
        """
        with self._lock:
            self._accumulator, self._frames_before = accumulator, frames_before

    def follow(self, regions: Sequence[Region]) -> tuple[str, ...]:
        """Measure these regions from the next frame on; one that stays where it is keeps its trace.

        Returns
        -------
        tuple of str
            A sentence for each region that had to be cut to the frame, or left out.
        """
        with self._lock:
            self._wanted = tuple(regions)
            return () if self._size is None else self._follow(self._wanted, self._size)

    def _follow(self, regions: Sequence[Region], size: tuple[int, int]) -> tuple[str, ...]:
        fitting, notes = fit_regions(regions, *size)
        self._traces.follow(fitting)
        return notes

    @property
    def regions(self) -> tuple[Region, ...]:
        """Those that are measured; before the frames' size is known, those that are to be."""
        return self._wanted if self._size is None else self._traces.regions

    def complete(self, chunk: Chunk, utc_ms: NDArray[np.float64]) -> tuple[ChunkTrace, ...]:
        """Measure what is still to be measured of a chunk; called with each, in order, before its push.

        Never raises: what fails here costs the view these frames, and the run nothing.

        Returns
        -------
        tuple of ChunkTrace
            What was measured in the chunk, for each region that was followed meanwhile.
        """
        with self._lock:
            try:
                self._take_form(chunk.form)
                self._measure(chunk.pixels, utc_ms, chunk.host_ns, len(chunk))
                # Of a camera so slow that each chunk is one frame, none is ever seen being filled.
                self._show(chunk.pixels[-1:], self._completed_frames + len(chunk) - 1, chunk.host_ns[-1])
            except Exception as error:  # noqa: BLE001
                self._pass_over(error)
            self._completed, self._measured = chunk.index, 0
            self._completed_frames += len(chunk)
            return self._of_chunk.take(len(chunk))

    def look(self) -> None:
        """Measure what has come since the last look, and hand on the newest frame."""
        with self._lock:
            accumulator = self._accumulator
            filling = None if accumulator is None else accumulator.filling
            if filling is None:
                return
            buffer, before = filling
            index = buffer.chunk_index
            # Not one that was completed meanwhile: it may be in use for another chunk at any time.
            if index <= self._completed:
                return
            committed = buffer.committed
            try:
                if committed:
                    self._take_form(buffer.frame_form)
                    number = self._frames_before + before + committed - 1
                    newest = buffer.frames[committed - 1 : committed]
                    self._show(newest, number, buffer.host_ns[committed - 1])
                # While the dispatcher lags behind, its chunks come first.
                if index == self._completed + 1 and self._foresee_ms is not None and committed:
                    stamps, arrived = buffer.timestamps_ns[:committed], buffer.host_ns[:committed]
                    self._measure(buffer.frames, self._foresee_ms(stamps, arrived), arrived, committed)
            except Exception as error:  # noqa: BLE001
                self._pass_over(error)

    def overviews(self) -> list[tuple[Region, TraceOverview]]:
        """Each region with its trace over the whole run."""
        with self._lock:
            pairs = zip(self._traces.regions, self._traces.traces, strict=True)
            return [(region, trace.overview()) for region, trace in pairs]

    def recent(self, frames: int) -> Iterator[tuple[Region, NDArray[np.float64], NDArray[np.float32]]]:
        """Each region with its latest values: captures in ms UTC and mean gray levels, (N,) each.

        One region's are copied at a time, when they are asked for: of all that is kept it is some megabytes
        for each, and `complete` waits no longer than for one of them.
        """
        with self._lock:
            pairs = list(zip(self._traces.regions, self._traces.traces, strict=True))
        for region, trace in pairs:
            with self._lock:
                utc_ms, mean, _ = trace.recent(frames)
            yield region, utc_ms, mean

    def _look_and_rest(self) -> float | None:
        if self._ended.is_set():
            return None
        self.look()
        return self._period_s

    @property
    def top(self) -> int:
        """The highest gray level that the camera's frames can have."""
        return 255 if self._form is None else 2**self._form.bits - 1

    def _take_form(self, form: FrameForm) -> None:
        if form != self._form:
            self._form, self._levels = form, form.levels_of()

    def _measure(
        self, frames: NDArray[Any], utc_ms: NDArray[np.float64], arrived_ns: NDArray[np.int64], count: int
    ) -> None:
        start, self._measured = self._measured, count
        if start >= count or not self._traces.regions:
            return
        # What was foreseen may have been late: no trace runs backwards.
        times = np.maximum.accumulate(np.maximum(utc_ms[start:count], self._latest_ms))
        self._latest_ms = times[-1]
        # Levels that have to be made of the frames first are so piece by piece.
        for first in range(start, count, AT_ONCE):
            piece = frames[first : min(first + AT_ONCE, count)]
            points = self._traces.add(self._levels(piece), times[first - start :][: len(piece)])
            self._of_chunk.add(first, points, self._traces.regions)
            if self._on_points is not None:
                self._on_points(points, self._traces.regions, arrived_ns[first : first + len(piece)])

    def _show(self, frame: NDArray[Any], number: int, host_ns: np.int64) -> None:
        """Hand on a frame, (1, ...) as it lies in the ring."""
        if self._on_frame is None or number <= self._shown:
            return
        self._shown = number
        assert self._form is not None
        self._on_frame(self._levels(frame)[0], number, process_clock().utc_ns(int(host_ns)) / 1e6, self._form)

    def _pass_over(self, error: Exception) -> None:
        """Go on with the next frames; only the first time it is told of, for there may be many."""
        level = logging.DEBUG if self._has_failed else logging.WARNING
        self._has_failed = True
        logger.log(level, "frames could not be shown or measured: %s", error, exc_info=error)
