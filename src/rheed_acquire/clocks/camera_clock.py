"""When frames were captured, in UTC: by the camera's clock where it can be believed, else by arrival."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from rheed_acquire.clocks.stamp_judge import Judged, StampJudge, is_stamp
from rheed_acquire.clocks.timing import Envelope, HostClock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.ring import Chunk

logger = logging.getLogger(__name__)

TAI_MINUS_UTC_S = 37
"""Since 2017-01-01 (IERS Bulletin C 52); no leap second has been announced since."""
PTP_TOLERANCE_S = 5.0
"""A PTP time further than this from the computer's is that of a grandmaster which nobody has set."""

ARRIVALS_OFF_NS = 100_000_000
"""Evenly spaced dates are held against arrivals only where they are off by more: arrivals are not even."""
_LEAST_STEP_NS = 1000
_FORESEEN_NS = 1_000_000_000
"""A frame that has just come was captured at most this long before or after what its arrival says."""

TimeSource: TypeAlias = Literal["arrival", "camera", "ptp", "utc", "rate"]


@dataclass(frozen=True, slots=True)
class CaptureTimes:
    """When the frames of a chunk were captured.

    Attributes
    ----------
    start_ms_utc
        The first of them, in milliseconds since 1970 in UTC.
    since_ns
        (N,) int64: each, in nanoseconds since the first; never less than the one before.
    counter_ns
        (N,) int64: the camera's stamps without the wraps of its counter.
    by_camera
        (N,) bool: whether the camera's clock says so; else it is the frame's arrival, or lies between those
        of its neighbours.
    anew
        (N,) bool: with this frame the camera's clock has begun anew, so that the time since the frame before
        is known by arrivals only.
    source
        Where the first frame's time comes from. By ``ptp`` and ``utc`` it does not bear the error of this
        computer's clock, whose correction does not apply; ``rate`` is the declared rate of a recording
        without times.
    fps
        The rate at which the chunk's frames are evenly spaced from its start, in frames per second: the
        declared one, or the measured one where the frames would be off their places by the declared one.
    moved_ns
        By how much the start was put off, so that no date runs backwards: frames that seem to be from before
        it are dated by it.
    """

    start_ms_utc: float
    since_ns: NDArray[np.int64]
    counter_ns: NDArray[np.int64]
    by_camera: NDArray[np.bool_]
    anew: NDArray[np.bool_]
    source: TimeSource
    fps: float
    moved_ns: int = 0

    @property
    def ms_utc(self) -> NDArray[np.float64]:
        """(N,) float64: each, in milliseconds since 1970 in UTC."""
        since_ms: NDArray[np.float64] = self.since_ns / 1e6
        return self.start_ms_utc + since_ms


class CaptureClock:
    """Finds when the frames of each chunk were captured.

    Which stamps are believed is the business of `rheed_acquire.clocks.stamp_judge`; what they are in this
    computer's time is that of `Envelope`. A better estimate applies from the chunk that brings it, at once
    and in full; but no chunk ever starts before the last frame of the one ahead of it as its readers date
    that, and none after its first frame has arrived. What a camera's driver delays every single frame by
    cannot be seen and stays in the stamps.

    Parameters
    ----------
    host
        This computer's clock.
    fps
        The rate that the run declares.
    window_s
        Over how many seconds the least transport delay is sought: long enough to meet an undisturbed frame,
        short enough that the camera's clock drifts little until its drift is known (50 ppm are 0.5 ms in
        10 s).
    wraps_ns
        After how many nanoseconds the camera's counter begins again at 0 (``2**32`` ticks on older GigE
        cameras), or None. A delivery that stalls for about as long cannot be told from a wrap.
    ptp
        Whether the camera says that its clock is synchronised by PTP (IEEE 1588): it is TAI since 1970 then,
        and taken for the truth where it is within `PTP_TOLERANCE_S` of this computer's clock.
    utc
        Whether the camera's stamps are UTC since 1970: they are taken as they are.
    recorded
        Whether the frames were taken earlier: their arrival says nothing, and nothing is held against it.
        Without stamps they follow each other at the declared rate.
    """

    def __init__(
        self,
        host: HostClock,
        fps: float,
        window_s: float = 10.0,
        *,
        wraps_ns: int | None = None,
        ptp: bool = False,
        utc: bool = False,
        recorded: bool = False,
    ) -> None:
        if wraps_ns is not None and wraps_ns < 1:
            raise ValueError(f"a counter cannot wrap after {wraps_ns} ns")
        self._host, self._fps, self._period_ns = host, fps, 1e9 / fps
        self._ptp, self._utc, self.recorded = ptp, utc, recorded
        self._window_ns = round(window_s * 1e9)
        self._envelope = Envelope(self._window_ns)
        self._ptp_refused = False
        self._earliest_ms = -math.inf
        # Of recordings: what a stamp is less than a time of this computer, and the next frame's time and id.
        self._ahead_ns: int | None = None
        self._next: tuple[int, int] | None = None
        self._foreseen: tuple[int, int] | None = None  # a stamp, and what it is in this computer's time
        self.judge = StampJudge(self._period_ns, wraps_ns=wraps_ns)
        """What has become of the camera's stamps."""

    @property
    def drift_ppm(self) -> float | None:
        """By how many millionths the camera's clock is slower than this computer's; None until known."""
        slope = self._envelope.slope
        return None if slope is None else slope * 1e6

    def restarted(self) -> None:
        """Begin anew, because the camera was opened again."""
        self._envelope.clear()
        self.judge.restarted()
        self._foreseen = None

    def times(self, chunk: Chunk) -> CaptureTimes:
        """When the frames of a chunk were captured. Call it for every chunk, in order."""
        stamps, host_ns = chunk.timestamps_ns, chunk.host_ns
        if self.recorded:
            captured, by_camera, source = self._as_recorded(chunk)
            judged = Judged(by_camera, stamps.copy(), np.zeros(len(stamps), np.bool_))
        else:
            judged = self.judge.judge(stamps, host_ns, chunk.frame_ids)
            captured = self._by_arrivals(judged, host_ns)
            by_camera, source = judged.believed, "camera" if judged.believed.any() else "arrival"
        captured = np.maximum.accumulate(captured)
        since_ns = captured - captured[0]
        if source == "utc":
            start_ms = _ms(int(captured[0]))
        else:
            start_ns = self._host.utc_ns(int(captured[0]))
            first = int(np.argmax(by_camera))
            if self._utc and by_camera[first]:
                start_ns, source = int(stamps[first]) - int(since_ns[first]), "utc"
            elif self._ptp and by_camera[first]:
                by_ptp = self._by_ptp(int(stamps[first]) - int(since_ns[first]), start_ns)
                start_ns, source = (start_ns, source) if by_ptp is None else (by_ptp, "ptp")
            start_ms = _ms(start_ns)
        seen_ms = start_ms
        start_ms, fps = self._evenly(start_ms, since_ns, by_camera)
        moved_ns = round((start_ms - seen_ms) * 1e6)
        return CaptureTimes(
            start_ms, since_ns, judged.counter_ns, by_camera, judged.anew, source, fps, moved_ns
        )

    def foresee_ms(self, stamps_ns: NDArray[np.int64], host_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Estimate when frames that are not yet a chunk were captured, in ms UTC: (N,) each.

        By what the chunks before have shown. May be called from a thread other than that of `times`.
        """
        if self._utc and is_stamp(stamps_ns).all():
            return stamps_ns / 1e6
        following, foreseen = self._next, self._foreseen
        if self.recorded and not is_stamp(stamps_ns).all():
            first_ns = following[0] if following is not None else int(host_ns[0])
            captured = first_ns + (np.arange(len(host_ns)) * self._period_ns).astype(np.int64)
        else:
            stamp_ns, at_ns = foreseen or (int(stamps_ns[0]), int(host_ns[0]))
            captured = stamps_ns - stamp_ns + at_ns
            if not self.recorded:
                believed = is_stamp(stamps_ns) & (abs(captured - host_ns) < _FORESEEN_NS)
                captured = np.where(believed & (self.judge.pace is None), captured, host_ns)
        first = int(captured[0])
        since_ms: NDArray[np.float64] = (captured - first) / 1e6
        return since_ms + self._host.utc_ns(first) / 1e6

    def _as_recorded(self, chunk: Chunk) -> tuple[NDArray[np.int64], NDArray[np.bool_], TimeSource]:
        """By the stamps as they are, else by the declared rate: in UTC, or in this computer's time."""
        stamps, host_ns, ids = chunk.timestamps_ns, chunk.host_ns, chunk.frame_ids
        known = is_stamp(stamps)
        if known.all():
            if self._utc:
                return stamps.copy(), known, "utc"
            if self._ahead_ns is None:
                self._ahead_ns = int(host_ns[0]) - int(stamps[0])
                self._foreseen = (int(stamps[0]), int(host_ns[0]))
            return stamps + self._ahead_ns, known, "camera"
        first_ns, next_id = self._next or (int(host_ns[0]), int(ids[0]))
        places = ids - next_id if (ids >= 0).all() and (np.diff(ids) > 0).all() else np.arange(len(ids))
        captured = first_ns + np.round(np.maximum(places, 0) * self._period_ns).astype(np.int64)
        self._next = (int(captured[-1] + round(self._period_ns)), int(ids[-1]) + 1)
        return captured, np.zeros(len(stamps), np.bool_), "rate"

    def _by_arrivals(self, judged: Judged, host_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """When frames would have arrived without delay, as far as is known; else when they did."""
        places = np.flatnonzero(judged.believed)
        if not len(places):
            self._foreseen = None
            return host_ns.copy()
        counter, arrived = judged.counter_ns[places], host_ns[places]
        captured = np.empty(len(places), np.int64)
        begins = np.flatnonzero(judged.anew[places]).tolist()
        for begin, end in _pieces(begins, len(places)):
            if begin in begins:
                self._envelope.clear()
                logger.info("the camera's clock began anew")
            part, waited = counter[begin:end], arrived[begin:end]
            first_ns = int(part[0])
            # Of a long chunk, only what is near its start tells about its start.
            near = int(np.count_nonzero(part - first_ns <= self._window_ns))
            self._envelope.add(part[:near], waited[:near])
            arrival_ns = self._envelope.arrival_ns(first_ns)
            self._envelope.add(part[near:], waited[near:])
            # A frame has been captured before it arrives, whatever the envelope makes of a clock gone wild.
            captured[begin:end] = part - first_ns + min(arrival_ns, int(waited[0]))
        self._foreseen = (int(counter[-1]), int(captured[-1]))
        if len(places) == len(host_ns):
            return captured
        every = np.arange(len(host_ns))
        # Exactly: a float64 holds no time since the start of a computer to the nanosecond.
        base = int(captured[0])
        between = np.interp(every, places, captured - base).astype(np.int64) + base
        first, last = int(places[0]), int(places[-1])
        between[:first] = host_ns[:first] - host_ns[first] + captured[0]
        between[last + 1 :] = host_ns[last + 1 :] - host_ns[last] + captured[-1]
        return between

    def _by_ptp(self, tai_ns: int, start_ns: int) -> int | None:
        """Choose between the camera's own UTC and what the envelope says: None."""
        ptp_ns = tai_ns - TAI_MINUS_UTC_S * 1_000_000_000
        off_s = (ptp_ns - start_ns) / 1e9
        if abs(off_s) <= PTP_TOLERANCE_S:
            self._ptp_refused = False
            return ptp_ns
        if not self._ptp_refused:
            self._ptp_refused = True
            logger.warning(
                "the camera's PTP time is %+.3f s from this computer's clock, so it is not used: check that "
                "the PTP grandmaster keeps TAI, and this computer's clock",
                off_s,
            )
        return None

    def _evenly(
        self, start_ms: float, since_ns: NDArray[np.int64], by_camera: NDArray[np.bool_]
    ) -> tuple[float, float]:
        """Start and rate by which readers date the chunk's frames, so that no date ever runs backwards.

        They add whole periods to a start in whole milliseconds, or to the start what each frame is after it.
        By the declared rate, a camera that is faster would have its frames dated into the next chunk, further
        with each; by the measured one it has not.
        """
        steps, fps = len(since_ns) - 1, self._fps
        last_ms = start_ms + int(since_ns[-1]) / 1e6
        if min(round(start_ms), start_ms) < self._earliest_ms:
            start_ms = float(math.ceil(self._earliest_ms))
        if steps:
            off_ns = self._period_ns if by_camera.any() else max(ARRIVALS_OFF_NS, self._period_ns)
            if abs((last_ms - start_ms) * 1e6 - steps * self._period_ns) > off_ns:
                fps = steps * 1e9 / max((last_ms - start_ms) * 1e6, steps * _LEAST_STEP_NS)
        # Frames that are stamped may be dated one by one, too.
        last_ms = max(last_ms, start_ms) if by_camera.all() else -math.inf
        self._earliest_ms = max(round(start_ms) + steps * 1e3 / fps, last_ms)
        return start_ms, fps


def _pieces(begins: list[int], count: int) -> list[tuple[int, int]]:
    return list(pairwise(sorted({0, *begins, count})))


def _ms(ns: int) -> float:
    return ns / 1_000_000  # exact for whole milliseconds, as 1e6 is not
