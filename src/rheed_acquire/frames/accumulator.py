"""Frames in, chunks out: the room between the camera's callback and everything slow.

`ChunkAccumulator.on_frame` runs in the camera SDK's own thread. Per frame it copies the pixels once, into a
buffer that lies ready, writes three integers beside them, and compares a few more. Whatever costs more is
done per chunk, or only when something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.chunk_buffer import COMMITTED, ChunkBuffer
from rheed_acquire.frames.frame_ids import FrameIds, whole_number
from rheed_acquire.frames.ring import NO_ID, NO_TIMESTAMP, Chunk, ChunkRing, Gap, chunk_of
from rheed_acquire.system.home_process import disown_in_forks
from rheed_acquire.system.priority import go_first
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.pixels import Converter


WAIT_S = 0.1
"""How long a source that can wait is held, before `refuse` and `close` are heeded."""


class ChunkAccumulator:
    """Gathers a camera's frames into chunks.

    Every frame of the run is counted once: ``received = accumulated + overrun + rejected``.

    Parameters
    ----------
    ring
        Where chunks are built. While it has no free buffer, the newest frames are dropped and counted as
        overrun: the camera's thread never waits, unless ``waits``.
    convert
        Writes a frame's pixels into a slot of the ring: as they are, by
        `rheed_acquire.frames.pixels.make_copier`; raises where their shape is not `layout`.
    layout
        Shape that every ``frame.pixels`` must have.
    fps
        Rate that the run declares, in frames per second.
    on_chunk
        Called with each chunk, in the camera's thread: it must only pass it on.
    on_error
        Called at most once, when a frame cannot be used; the accumulator is closed then.
    gap_tolerance_s
        A frame that would stand this many seconds off its true time, were the chunk's frames evenly spaced
        from its start, ends the chunk early and begins the next. The camera's clock tells, where the arrivals
        do not speak against it; else the frames that are missing by their ids.
    frame_id_cycle
        See `rheed_acquire.cameras.camera.CameraInfo.frame_id_cycle`.
    frame_limit
        Frames after which the accumulator closes by itself, or None.
    first_chunk_index, first_frame
        Where in the run this accumulator begins, when it is not the first.
    waits
        Whether `on_frame` waits for a free buffer instead (see
        `rheed_acquire.cameras.camera.CameraInfo.recorded`): arrivals say nothing then, and the camera's clock
        is believed whatever it says.
    source
        What messages call the camera's backend.
    now_ns
        Stands in for ``time.perf_counter_ns``.
    """

    def __init__(
        self,
        ring: ChunkRing,
        convert: Converter,
        layout: tuple[int, ...],
        fps: float,
        on_chunk: Callable[[Chunk], None],
        on_error: Callable[[CameraError], None],
        *,
        gap_tolerance_s: float = 0.1,
        frame_id_cycle: int | None = None,
        frame_limit: int | None = None,
        first_chunk_index: int = 0,
        first_frame: int = 0,
        waits: bool = False,
        source: str = "the camera",
        now_ns: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self._ring, self._convert, self._layout = ring, convert, layout
        self._on_chunk, self._on_error = on_chunk, on_error
        self._period_ns = 1e9 / fps
        self._tolerance_ns = round(gap_tolerance_s * 1e9)
        # When each frame of a chunk is due after the first, so that nothing is multiplied per frame.
        self._due_ns = [round(n * self._period_ns) for n in range(ring.capacity)]
        self._limit = frame_limit
        self._waits = waits
        self._source = source
        self._now_ns = now_ns

        self._buffer: ChunkBuffer | None = None
        self._slots: list[NDArray[Any]] = []
        self._filled = 0
        self._room = 0
        self._first_timestamp_ns = NO_TIMESTAMP
        self._missing_ns = 0
        self._gaps: list[Gap] = []
        self._ids = FrameIds(frame_id_cycle)
        self._next_id: int | None = None
        self._id_base = 0
        self._after_overrun = False
        self._overrun_before = 0
        self._chunk_index = self._first_chunk_index = first_chunk_index
        self._first_frame = first_frame
        self._handed_over = 0
        self._closed = False

        disown_in_forks(self)

        self.received = 0
        self.overrun = 0
        self.rejected = 0

    @property
    def accumulated(self) -> int:
        """Frames that lie in a chunk, handed over or still being filled."""
        return self._handed_over + self._filled

    @property
    def chunks(self) -> int:
        """Chunks handed over."""
        return self._chunk_index - self._first_chunk_index

    @property
    def ids(self) -> FrameIds:
        """What the camera's frame ids came to."""
        return self._ids

    @property
    def has_ids(self) -> bool:
        """Whether the camera numbers its frames: ids that mostly stay what they are number nothing."""
        return self._ids.numbered and self._ids.repeated <= self.received // 2

    @property
    def frames_missing(self) -> int:
        """Frames that the camera has counted and not handed over."""
        return self._ids.missing if self.has_ids else 0

    @property
    def gap_count(self) -> int:
        """How often such frames were missing."""
        return self._ids.gaps if self.has_ids else 0

    @property
    def filling(self) -> tuple[ChunkBuffer, int] | None:
        """For another thread to look at: the buffer being filled, and how many frames came before it.

        None while there is none, or it is just changing.
        """
        before, buffer = self._handed_over, self._buffer
        return None if buffer is None or before != self._handed_over else (buffer, before)

    @property
    def ring(self) -> ChunkRing:
        """Where chunks are built."""
        return self._ring

    @property
    def closed(self) -> bool:
        """Whether frames are taken no more: after `close`, the frame limit, or an unusable frame."""
        return self._closed

    @property
    def _position(self) -> int:
        """Place in the run, counted from 0, of the frame that has just come."""
        return self._first_frame + self.received - 1

    @property
    def _this_frame(self) -> str:
        return f"{self._source} gave frame {self._position} of the run"

    def on_frame(self, frame: Frame) -> None:
        """Take one frame; the callback that a camera's `start` is given. Never raises."""
        try:
            if self._closed:
                return
            now = self._now_ns()
            self.received += 1
            frame_id, expected = frame.id, self._next_id
            if frame_id != expected:
                frame_id = self._look_at_id(frame_id)
            elif expected is not None:
                # What compares equal is that number, of whatever type it came.
                frame_id = expected
                self._next_id = expected + 1
            timestamp_ns = frame.timestamp_ns
            if type(timestamp_ns) is not int:
                known = None if timestamp_ns is None else whole_number(timestamp_ns, "Frame.timestamp_ns")
                timestamp_ns = NO_TIMESTAMP if known is None else known
            filled = self._filled
            if filled:
                first_ns = self._first_timestamp_ns
                off_ns = timestamp_ns - first_ns - self._due_ns[filled] if first_ns >= 0 else self._missing_ns
                # Where it would stand too far off its true time, it begins the next chunk.
                if (off_ns > self._tolerance_ns or off_ns < -self._tolerance_ns) and self._is_off(
                    timestamp_ns, now
                ):
                    self._end_early()
                    filled = 0
            if not filled and not self._begin(timestamp_ns):
                if self._closed:  # while it waited: the frame was never taken
                    self.received -= 1
                elif frame.pixels.shape != self._layout:
                    self._reject_shape(frame)
                else:
                    self.overrun += 1
                return
            buffer = self._buffer
            assert buffer is not None
            try:
                # It looks at the shape itself: to do so here as well would only be to do it twice.
                self._convert(frame.pixels, self._slots[filled])
            except Exception as error:  # noqa: BLE001
                if getattr(frame.pixels, "shape", None) != self._layout:
                    self._reject_shape(frame)
                else:
                    self._reject(f"{self._this_frame}, whose pixels cannot be read: {error}")
                return
            buffer.id_cells[filled] = NO_ID if frame_id is None else frame_id + self._id_base
            try:
                buffer.timestamp_cells[filled] = timestamp_ns
            except ValueError:  # beyond 63 bits, as some drivers spell "unknown"
                buffer.timestamp_cells[filled] = NO_TIMESTAMP
            buffer.host_cells[filled] = now
            # A frame counts only now, with all its pixels and stamps in place.
            self._filled = buffer.cells[COMMITTED] = filled + 1
            if self._filled == self._room:
                self._hand_over()
        except Exception as error:  # noqa: BLE001
            # A camera that does not keep its contract: no frame after this one would be better.
            self._reject(f"{self._this_frame}, which cannot be taken: {told(error)}")

    def take_kept(self, frame: Frame, arrived_ns: int) -> None:
        """Take a frame that came at ``arrived_ns`` and was kept since; as `on_frame`, one at a time."""
        now_ns, self._now_ns = self._now_ns, lambda: arrived_ns
        try:
            self.on_frame(frame)
        finally:
            self._now_ns = now_ns

    def go_on_after(self, other: ChunkAccumulator) -> None:
        """Expect the frame that comes after the latest of ``other``, in the place of which this one stands.

        The chunk begun is handed over, as time may have passed since its last frame.
        """
        if self._filled:
            self._hand_over()
        self.number_as(other)

    def number_as(self, other: ChunkAccumulator) -> None:
        """Number the frames to come as ``other`` would, whose camera goes on counting."""
        self._ids.base = self._id_base = other._id_base
        self._next_id = other._next_id

    def refuse(self) -> None:
        """Take no more frames, from a camera that waits or could not be stopped; `close` follows."""
        self._closed = True

    def close(self) -> None:
        """Take no more frames and hand over the chunk begun. Call it once the camera has stopped."""
        self._closed = True
        if self._filled:
            self._hand_over()
        elif self._buffer is not None:
            self._ring.release(self._buffer)
            self._buffer, self._slots = None, []

    def disown(self) -> None:
        """Forget the chunk begun: this is a fork, whose frames are to fail and not to be mixed into it."""
        self._buffer, self._filled, self._slots = None, 0, []

    def _begin(self, timestamp_ns: int) -> bool:
        """Start a chunk with the frame that has just come; False where the ring is full."""
        buffer = self._ring.acquire()
        while buffer is None and self._waits and not self._closed:
            buffer = self._ring.wait(WAIT_S)
        self._buffer = buffer
        if buffer is None:
            return False
        if not self._waits:  # then it is a camera's thread, and may be another than before
            go_first()
        buffer.begin(self._chunk_index)
        self._after_overrun = self.overrun != self._overrun_before
        self._overrun_before = self.overrun
        self._slots = buffer.slots
        self._missing_ns = 0
        self._first_timestamp_ns = timestamp_ns
        self._room = self._ring.capacity
        if self._limit is not None:
            self._room = min(self._room, self._limit - self._handed_over)
        return True

    def _end_early(self) -> None:
        """Hand over before the frame that has just come; a gap right before it goes with the next chunk."""
        here = [gap for gap in self._gaps if gap.before_frame == self._position]
        self._gaps = [gap for gap in self._gaps if gap.before_frame < self._position]
        self._hand_over()
        self._gaps = here

    def _hand_over(self) -> None:
        buffer, count, gaps = self._buffer, self._filled, tuple(self._gaps)
        assert buffer is not None
        self._buffer, self._filled, self._slots = None, 0, []
        self._gaps = []
        self._missing_ns = 0
        self._handed_over += count
        chunk = chunk_of(buffer, self._ring, gaps, after_overrun=self._after_overrun)
        self._chunk_index += 1
        if self._limit is not None and self._handed_over >= self._limit:
            self._closed = True
        self._on_chunk(chunk)

    def _look_at_id(self, given: object) -> int | None:
        """Find out what an unexpected id means, and what to expect after it."""
        frame_id = whole_number(given, "Frame.id")
        ids = self._ids
        gap = ids.look(frame_id, self._next_id, self._position)
        if ids.taken_back is not None:
            self._missing_ns -= round(ids.taken_back.missing * self._period_ns)
            self._gaps = [gap for gap in self._gaps if gap is not ids.taken_back]
        if gap is not None:
            self._missing_ns += round(gap.missing * self._period_ns)
            self._gaps.append(gap)
        self._id_base = ids.base
        self._next_id = None if frame_id is None else frame_id + 1
        return frame_id

    def _is_off(self, timestamp_ns: int, now: int) -> bool:
        """Whether the frame that has just come really stands too far off an evenly spaced place.

        The camera's clock says so, or the ids. A clock is believed where the arrivals allow it: a frame that
        is late has not come before it was captured, by the frame before it or by the chunk's first; and where
        frames come faster than they should, they also arrive faster. Else it is the clock that jumps, repeats
        itself or counts in other units, which is for `rheed_acquire.clocks.stamp_judge` to say.
        """
        by_ids = self._missing_ns > self._tolerance_ns
        first_ns, buffer, filled = self._first_timestamp_ns, self._buffer, self._filled
        if first_ns < 0 or timestamp_ns < 0:
            return by_ids
        if self._waits:
            return True
        assert buffer is not None
        slack_ns = self._tolerance_ns // 2
        passed_ns, moved_ns = now - buffer.host_cells[0], timestamp_ns - first_ns
        if moved_ns > self._due_ns[filled]:
            before_ns = buffer.timestamp_cells[filled - 1]
            since_ns = now - buffer.host_cells[filled - 1]
            # Where the frame before it stood off already and was left in its place, one of these stamps is
            # odd, and it may be the first frame's.
            was_even = before_ns - first_ns - self._due_ns[filled - 1] <= self._tolerance_ns
            believed = timestamp_ns > before_ns and (
                moved_ns <= passed_ns + slack_ns
                or (was_even and 0 <= before_ns >= timestamp_ns - since_ns - slack_ns)
            )
        else:
            # Not before some time has passed: a camera much faster than declared must not make a chunk of
            # every few frames.
            believed = self._tolerance_ns <= passed_ns < self._due_ns[filled] - slack_ns
        return believed or by_ids

    def _reject_shape(self, frame: Frame) -> None:
        pixels: Any = frame.pixels
        shape = getattr(pixels, "shape", None)
        what = f"{type(pixels).__name__} without a shape" if shape is None else f"{shape}"
        self._reject(
            f"{self._source} changed its frames from shape {self._layout} to {what} "
            f"at frame {self._position} of the run"
        )

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        self._closed = True
        self._on_error(CameraError(reason))
