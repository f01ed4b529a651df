"""How fast a camera is that does not say so: measured before the stream, which has to declare it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rheed_acquire.cameras.camera import CameraError
from rheed_acquire.frames.chunk_buffer import NO_ID, NO_TIMESTAMP
from rheed_acquire.frames.frame_ids import whole_number
from rheed_acquire.frames.recent_ring import KeptFrames, RecentRing
from rheed_acquire.host.guard.camera import who_gives_frames
from rheed_acquire.run.lent_camera import LentCamera
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import Camera, CameraInfo, Frame
    from rheed_acquire.run.held_camera import Borrower, Connection
    from rheed_acquire.run.report import Journal

MEASURED_S, MEASURED_FRAMES = 1.0, 20
"""How long frames are watched, from the first one on, and how many at least."""
LONGEST_S, SILENT_S = 8.0, 3.0
"""A slow camera is watched for so long at most, and one that gives no frame."""
LEAST_FRAMES = 3
UNEVEN = 0.2
"""A median step that is off the mean by this fraction is that of a trigger, and no rate."""
_KEPT = 50_000
_LOOK_S = 0.05
_Seen: TypeAlias = tuple[int, int | None, int | None]
"""Of a frame: when it arrived and its stamp, in ns, and its id."""
_SETTLE_NS, _UNDER_WAY = 100_000_000, 3
"""After a change of exposure, so long and so many frames more may be of before it."""


class _Watch:
    """Takes frames, and keeps when they came.

    Parameters
    ----------
    waits
        Whether the source keeps frames until they are taken: by their stamps they came, then.
    """

    def __init__(self, source: str, *, waits: bool) -> None:
        self._source, self._waits = source, waits
        self.arrivals: list[int] = []
        self.ids: list[int | None] = []
        self.stamps: list[int | None] = []
        self.fault: CameraError | None = None
        self.ended = threading.Event()

    def on_frame(self, frame: Frame) -> None:
        now = perf_counter_ns()
        if self.ended.is_set():
            return
        try:
            self.ids.append(whole_number(frame.id, "Frame.id"))
            self.stamps.append(whole_number(frame.timestamp_ns, "Frame.timestamp_ns"))
        except Exception as error:  # noqa: BLE001 - as the accumulator: a camera is not raised at
            number = len(self.arrivals)
            self.on_fault(
                CameraError(f"{self._source} gave frame {number}, which cannot be taken: {told(error)}")
            )
            return
        stamp = self.stamps[-1]
        if self._waits and stamp is not None:
            # What had been kept comes all at once, and a file's time is no clock that could be held to it.
            now, self.stamps[-1] = stamp, None
        self.arrivals.append(now)
        passed_s = (now - self.arrivals[0]) / 1e9
        if (passed_s >= MEASURED_S and len(self.arrivals) > MEASURED_FRAMES) or len(self.arrivals) >= _KEPT:
            self.ended.set()

    def on_fault(self, error: CameraError) -> None:
        self.fault = self.fault or error
        self.ended.set()


def fps_before_run(
    camera: Camera,
    info: CameraInfo,
    stop: threading.Event,
    journal: Journal,
    begins: Callable[[], None],
) -> float | None:
    """Watch the frames of a camera that does not say how fast it is; None where nothing comes of it.

    Parameters
    ----------
    camera
        One that is lent is measured once, for all who borrow it: by itself, or where another has its frames,
        by those.
    stop
        Ends the run.
    journal
        Where it is noted what was measured.
    begins
        Called where it takes its time.

    Raises
    ------
    CameraError
        The run was ended meanwhile, or see `measure_fps`.
    """
    if info.fps is not None or info.recorded:
        return None
    connection = camera.connection if isinstance(camera, LentCamera) else None
    measured = None if connection is None else connection.measured_fps
    if measured is None:
        begins()
        if connection is not None and connection.taker is not None:
            measured = _rate_of_running(connection, stop)
        else:
            measured = measure_fps(camera, stop)
            if isinstance(camera, LentCamera):  # which may have been opened anew for it
                camera.connection.measured_fps = measured
    if stop.is_set():
        raise CameraError(f"the run was ended while the frame rate of {info.device} was measured")
    if measured is None:
        return None
    fps, frames = measured
    journal.event(
        f"{info.device} does not say its frame rate: {fps:.6g} frames/s measured over {frames} frames "
        "before the run"
    )
    return fps


def measure_fps(camera: Camera, stop: threading.Event) -> tuple[float, int] | None:
    """Watch the frames of a camera for a second or so; it is started and stopped for that.

    Parameters
    ----------
    stop
        Ends it at once.

    Returns
    -------
    tuple of float and int, or None
        Frames per second, and how many frames say so; None where they are too few, or come unevenly.

    Raises
    ------
    CameraError
        The camera would not begin, was lost, or gave a frame that cannot be taken.
    """
    watch = _Watch(who_gives_frames(camera), waits=camera.info.waits)
    begun_ns = perf_counter_ns()
    camera.start(watch.on_frame, watch.on_fault)
    try:
        while not stop.is_set() and not watch.ended.wait(0.05):
            passed_s = (perf_counter_ns() - begun_ns) / 1e9
            if passed_s > (LONGEST_S if watch.arrivals else SILENT_S):
                break
    finally:
        watch.ended.set()
        try:
            camera.stop()
        except CameraError:
            if watch.fault is None:  # else this is only its consequence
                raise
    if watch.fault is not None:
        raise watch.fault
    count = min(len(watch.arrivals), len(watch.ids), len(watch.stamps))
    return None if stop.is_set() else rate_of(watch.arrivals[:count], watch.stamps[:count], watch.ids[:count])


def _rate_of_running(connection: Connection, stop: threading.Event) -> tuple[float, int] | None:
    """Watch the frames that another has, since the camera was set as it is; see `measure_fps`."""
    begun_ns, watched, kept = perf_counter_ns(), (connection.set_ns, connection.taker), None
    seen: list[_Seen] = []
    while not stop.wait(_LOOK_S):
        if connection.fault is not None:
            raise connection.fault
        if connection.measured_fps is not None:  # by the other, whose frames were not to be had until then
            return connection.measured_fps
        set_ns, taker = now = connection.set_ns, connection.taker
        # The other still measures it, which ends; or it was set anew meanwhile, or another has its frames.
        if now != watched or (taker is not None and taker.accumulator is None):
            begun_ns, watched, seen, kept = perf_counter_ns(), now, [], None
            continue
        # Its ring is as large as the old rate wants it, and may not hold a second of the new one.
        kept = kept or _kept_by(taker, set_ns + _SETTLE_NS)
        seen += _more_of(kept)
        of_now = seen[_UNDER_WAY:]
        shown_s = (of_now[-1][0] - of_now[0][0]) / 1e9 if of_now else 0.0
        passed_s = (perf_counter_ns() - begun_ns) / 1e9
        is_enough = shown_s >= MEASURED_S and len(of_now) > MEASURED_FRAMES
        if is_enough or passed_s > (LONGEST_S if of_now else SILENT_S):
            measured = _latest_rate(of_now)
            if measured is not None and set_ns == connection.set_ns:
                connection.measured_fps = measured
            return measured
    return None


def _kept_by(taker: Borrower | None, since_ns: int) -> KeptFrames | None:
    ring = None if taker is None or taker.accumulator is None else taker.accumulator.ring
    return ring.kept_since(since_ns) if isinstance(ring, RecentRing) else None


def _more_of(kept: KeptFrames | None) -> Iterator[_Seen]:
    while kept is not None and (piece := kept.more()) is not None:
        buffer, begin, end = piece
        for place in range(begin, end):
            frame_id, timestamp_ns = buffer.id_cells[place], buffer.timestamp_cells[place]
            yield (
                buffer.host_cells[place],
                None if timestamp_ns == NO_TIMESTAMP else timestamp_ns,
                None if frame_id == NO_ID else frame_id,
            )


def _latest_rate(seen: Sequence[_Seen]) -> tuple[float, int] | None:
    """See `rate_of`; of the last second, since a camera may have rested before it."""
    if not seen:
        return None
    since_ns = seen[-1][0] - round(1.5 * MEASURED_S * 1e9)
    first = min(
        sum(arrived_ns < since_ns for arrived_ns, _, _ in seen), max(0, len(seen) - MEASURED_FRAMES - 1)
    )
    arrivals, stamps, ids = zip(*seen[first:], strict=True)
    return rate_of(list(arrivals), list(stamps), list(ids))


def rate_of(arrivals: list[int], stamps: list[int | None], ids: list[int | None]) -> tuple[float, int] | None:
    """Frames per second by the stamps in ns where the arrivals bear them out, else by the arrivals.

    Frames that are missing by the ids count as frames.
    """
    if len(arrivals) < LEAST_FRAMES:
        return None
    steps = np.diff(np.array(arrivals))
    known = [stamp for stamp in stamps if stamp is not None]
    has_clock = False
    if len(known) == len(arrivals):
        by_stamps = np.diff(np.array(known))
        has_clock = bool((by_stamps > 0).all() and abs(by_stamps.sum() - steps.sum()) < 0.1 * steps.sum())
        steps = by_stamps if has_clock else steps
    frames = np.ones(len(steps))
    numbers = [number for number in ids if number is not None]
    if len(numbers) == len(arrivals) and (np.diff(np.array(numbers)) > 0).all():
        frames = np.diff(np.array(numbers)).astype(np.float64)
    span = float(steps.sum())
    if span <= 0:
        return None
    mean = span / float(frames.sum())
    # Arrivals come in bursts; only a clock can tell that a camera is uneven.
    if has_clock and abs(float(np.median(steps / frames)) - mean) > UNEVEN * mean:
        return None
    return 1e9 / mean, len(arrivals)
