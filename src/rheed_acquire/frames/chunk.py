"""A chunk: consecutive frames with their stamps, owned by whoever holds it until it is released."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rheed_acquire.frames.chunk_buffer import Taker
from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.frames.gray_frames import GrayFrames, GrayRooms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TimeBase: TypeAlias = Literal["host", "wall", "reference"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that the camera counted and did not deliver.

    Attributes
    ----------
    before_frame
        Position in the run, counted from 0 over frames received, of the first frame after the gap.
    first_missing_id
        The camera's id of the first frame that is missing.
    missing
        How many are.
    """

    before_frame: int
    first_missing_id: int
    missing: int


class Chunk:
    """Consecutive frames with their stamps, owned by whoever holds the chunk until `release`.

    Parameters
    ----------
    frames
        Of a chunk of 8-bit gray.
    pixels, form, rooms
        Of any other: the frames, how they lie, and where memory for their gray comes from.

    Attributes
    ----------
    index
        Place in the stream, counted from 0.
    pixels
        The frames as the camera delivered them, (N, ...) C-contiguous, each as
        `rheed_acquire.cameras.pixel_formats.frame_layout` says: (N, H, W) uint8 or uint16, (N, H, W, 3) in
        colour, (N, bytes) uint8 where samples are packed. Valid until `release`.
    form
        Their size, pixel format and depth.
    frame_ids
        (N,) int64, the camera's counter without its wrap-around; `NO_ID` where it has none.
    timestamps_ns
        (N,) int64, the camera's clock; `NO_TIMESTAMP` where it has none.
    host_ns
        (N,) int64, ``time.perf_counter_ns`` when each frame arrived.
    gaps
        Losses of the camera noticed within this chunk or just before its first frame.
    after_overrun
        Whether frames were dropped before its first one because the ring was full.
    capture_start_ms_utc
        When the first frame was captured, in milliseconds since 1970 in UTC; None until it is known.
    time_base
        By which clock that is: ``host``, this process's `rheed_acquire.clocks.timing.process_clock`;
        ``wall``, this computer's ``time.time()``; or ``reference``, which needs no correction.
    since_ns
        (N,) int64: when each frame was captured, in nanoseconds since the first; None until it is known.
    fps
        Frames per second by which the frames are evenly spaced from the first; None for the stream's.
    is_stamped
        Whether `since_ns` is by the camera's clock for every frame; else arrivals, which jitter, are in it.
    moved_ns
        By how much the start was put off, to keep dates in order.
    growth
        How fast regions of interest say that it grows, as `rheed_acquire.recording.growth_notes` writes it;
        None where there is nothing new.
    """

    __slots__ = (
        "_gray",
        "after_overrun",
        "capture_start_ms_utc",
        "form",
        "fps",
        "frame_ids",
        "gaps",
        "growth",
        "host_ns",
        "index",
        "is_stamped",
        "moved_ns",
        "on_date",
        "on_release",
        "on_safe",
        "on_set_aside",
        "pixels",
        "since_ns",
        "time_base",
        "timestamps_ns",
    )

    def __init__(
        self,
        index: int,
        frames: NDArray[np.uint8] | None = None,
        frame_ids: NDArray[np.int64] | None = None,
        timestamps_ns: NDArray[np.int64] | None = None,
        host_ns: NDArray[np.int64] | None = None,
        gaps: tuple[Gap, ...] = (),
        capture_start_ms_utc: float | None = None,
        after_overrun: bool = False,
        time_base: TimeBase = "wall",
        since_ns: NDArray[np.int64] | None = None,
        fps: float | None = None,
        on_release: Callable[[], None] | None = None,
        on_date: Callable[[float], None] | None = None,
        on_set_aside: Callable[[], None] | None = None,
        on_safe: Callable[[Taker], None] | None = None,
        *,
        is_stamped: bool = False,
        moved_ns: int = 0,
        growth: str | None = None,
        pixels: NDArray[Any] | None = None,
        form: FrameForm | None = None,
        rooms: GrayRooms | None = None,
    ) -> None:
        if frames is not None:
            pixels, form = frames, FrameForm(*frames.shape[1:])
        if pixels is None or form is None or frame_ids is None or timestamps_ns is None or host_ns is None:
            raise TypeError("a chunk needs frames, or pixels with their form, and their ids and stamps")
        self.index, self.pixels, self.form = index, pixels, form
        self.frame_ids, self.timestamps_ns, self.host_ns = frame_ids, timestamps_ns, host_ns
        self.gaps, self.after_overrun = gaps, after_overrun
        self.capture_start_ms_utc, self.time_base = capture_start_ms_utc, time_base
        self.since_ns, self.fps, self.is_stamped = since_ns, fps, is_stamped
        self.moved_ns, self.growth = moved_ns, growth
        self.on_release, self.on_date, self.on_set_aside = on_release, on_date, on_set_aside
        self.on_safe = on_safe
        self._gray = GrayFrames(pixels, form, rooms)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height and width."""
        return len(self.pixels), self.form.height, self.form.width

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(N, H, W) uint8 gray, C-contiguous; valid until `release`.

        Of frames of more than 8 bits, or in colour, it is made where it is first asked for, once, on all
        processors; any thread may ask. It may raise MemoryError then.
        """
        return self._gray.frames()

    def gray(self, place: int) -> NDArray[np.uint8]:
        """One of `frames`, (H, W) uint8, without making all of them."""
        return self._gray.frame(place)

    @property
    def bit_depth(self) -> int:
        """Significant bits of a sample of `pixels`."""
        return self.form.bits

    @property
    def pixel_format(self) -> str:
        """Of `pixels`, in PFNC spelling."""
        return self.form.pixel_format

    def date(self, capture_start_ms_utc: float, time_base: TimeBase = "wall") -> None:
        """Set when the first frame was captured, also for whoever finds the chunk without this process."""
        self.capture_start_ms_utc, self.time_base = capture_start_ms_utc, time_base
        if self.on_date is not None:
            self.on_date(capture_start_ms_utc)

    def release(self) -> None:
        """Give the memory back to the ring; only the first call does anything."""
        self._give_back(self.on_release)

    def set_aside(self) -> None:
        """Give the chunk up, but leave it in the ring for a later recovery (see `ChunkRing.set_aside`)."""
        self._give_back(self.on_set_aside)

    def _give_back(self, how: Callable[[], None] | None) -> None:
        held = self._let_go()
        if how is None:
            return
        try:
            how()
        except BaseException:  # it was not given back, and may be yet
            self.on_release, self.on_set_aside, self.on_date, self.on_safe = held
            raise
        self._gray.give_back()

    def hand_over(self) -> Chunk:
        """Make it another's: what its holder up to now does with it has no effect on the ring any more."""
        handed = copy(self)
        self._let_go()
        return handed

    def split(self) -> tuple[Chunk, Chunk]:
        """Make two of it, for the stream and for the archive: the ring has its memory back from both only.

        Whoever finds the chunk without this process sees which of the two has released it.
        """
        halves = _Halves(self.on_safe, self.on_release, self.on_set_aside)
        self._let_go()
        return self._half(halves, Taker.STREAM), self._half(halves, Taker.ARCHIVE)

    def _half(self, halves: _Halves, taker: Taker) -> Chunk:
        half = copy(self)
        if taker is not Taker.STREAM:  # whose gray goes when it lets go
            half._gray = GrayFrames(self.pixels, self.form)
        half.on_release = lambda: halves.release(taker)
        half.on_set_aside = lambda: halves.set_aside(taker)
        return half

    def take_back(self, handed: Chunk) -> None:
        """Be the holder again of what was handed over."""
        self.on_release, self.on_set_aside, self.on_date, self.on_safe = handed._let_go()

    def _let_go(
        self,
    ) -> tuple[
        Callable[[], None] | None,
        Callable[[], None] | None,
        Callable[[float], None] | None,
        Callable[[Taker], None] | None,
    ]:
        held = self.on_release, self.on_set_aside, self.on_date, self.on_safe
        self.on_release = self.on_set_aside = self.on_date = self.on_safe = None
        return held


class _Halves:
    """Who still needs the memory of a chunk that was split."""

    def __init__(
        self,
        on_safe: Callable[[Taker], None] | None,
        on_release: Callable[[], None] | None,
        on_set_aside: Callable[[], None] | None,
    ) -> None:
        self._on_safe, self._on_release, self._on_set_aside = on_safe, on_release, on_set_aside
        self._lock = threading.Lock()
        self._left = set(Taker)
        self._is_wanted_later = False

    def release(self, taker: Taker) -> None:
        """Note that one has the chunk safely, or will not have it."""
        if self._on_safe is not None:
            self._on_safe(taker)
        self._end(taker, is_wanted_later=False)

    def set_aside(self, taker: Taker) -> None:
        """Note that one leaves the chunk to a later recovery."""
        self._end(taker, is_wanted_later=True)

    def _end(self, taker: Taker, *, is_wanted_later: bool) -> None:
        with self._lock:
            self._left.discard(taker)
            self._is_wanted_later |= is_wanted_later
            if self._left:
                return
            give_back = self._on_set_aside if self._is_wanted_later else self._on_release
        try:
            if give_back is not None:
                give_back()
        except BaseException:
            with self._lock:
                self._left.add(taker)
            raise
