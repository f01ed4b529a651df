"""Makes of the camera's chunks those of the stream, off the camera's thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.frames.frame_groups import groups, mean
from rheed_acquire.frames.gray_frames import GrayRooms
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.frames.ring import Chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StreamChunks:
    """Makes of each chunk of the camera the chunk that the stream has of it, with the same index.

    The camera's chunk keeps its buffer until the stream's is released: what is in the ring is still all that
    a later recovery needs.

    Parameters
    ----------
    reduction
        How frames are made.
    fps
        Frames per second that the stream declares.
    capacity
        Frames that a full chunk of the stream has. Room for so many is kept for each chunk of the camera's
        ring that is under way, so that there is never more of it than an N-th of the ring.
    """

    def __init__(self, reduction: Reduction, fps: float, capacity: int) -> None:
        self._reduction, self._period_ns, self._capacity = reduction, 1e9 / fps, capacity
        self._lock = threading.Lock()
        self._free: list[NDArray[Any]] = []
        self._gray_rooms = GrayRooms(capacity)

    def of(self, chunk: Chunk) -> Chunk:
        """Make the stream's chunk, which becomes the owner of the camera's.

        Raises
        ------
        MemoryError
            There is no room for its frames; the chunk is still the caller's.
        """
        if self._reduction.frames == 1:
            return chunk
        firsts, size = groups(chunk.frame_ids, chunk.timestamps_ns, self._reduction)
        # A mean is made of samples at their full depth, before any of them is reduced to 8 bits.
        form = chunk.form.unpacked() if self._reduction.is_mean else chunk.form
        unpack = chunk.form.samples_of() if form != chunk.form else None
        room = self._take(form)
        frames = room[: len(firsts)]
        for first, frame in zip(firsts.tolist(), frames, strict=True):
            group = chunk.pixels[first : first + size]
            if unpack is not None:
                group = unpack(group)
            if size == 1:
                frame[...] = group[0]
            else:
                mean(group, frame)
        since_ns = chunk.host_ns - chunk.host_ns[0] if chunk.since_ns is None else chunk.since_ns
        start_ms = chunk.capture_start_ms_utc
        if start_ms is not None and firsts[0]:
            start_ms += int(since_ns[firsts[0]]) / 1e6
        since_ns = since_ns[firsts] - since_ns[firsts[0]]
        held = chunk.hand_over()

        def give_back() -> None:
            held.release()
            self._put(room)

        def set_aside() -> None:
            held.set_aside()
            self._put(room)

        return Chunk(
            index=chunk.index,
            pixels=frames,
            form=form,
            rooms=self._gray_rooms,
            frame_ids=chunk.frame_ids[firsts],
            timestamps_ns=chunk.timestamps_ns[firsts],
            host_ns=chunk.host_ns[firsts],
            gaps=chunk.gaps,
            capture_start_ms_utc=start_ms,
            after_overrun=chunk.after_overrun,
            time_base=chunk.time_base,
            since_ns=since_ns,
            is_stamped=chunk.is_stamped,
            moved_ns=chunk.moved_ns,
            growth=chunk.growth,
            fps=self._fps(chunk.fps, since_ns),
            on_release=give_back,
            on_set_aside=set_aside,
        )

    def _fps(self, of_camera: float | None, since_ns: NDArray[np.int64]) -> float | None:
        """The rate by which the frames are evenly spaced, where it is not the declared one.

        Where groups are missing the frames that follow come later than they would by the declared rate.
        """
        fps = None if of_camera is None else of_camera / self._reduction.frames
        period_ns = self._period_ns if fps is None else 1e9 / fps
        steps, last_ns = len(since_ns) - 1, int(since_ns[-1])
        if steps and last_ns - steps * period_ns > self._period_ns:
            return steps * 1e9 / last_ns
        return fps

    def _take(self, form: FrameForm) -> NDArray[Any]:
        """Room for a chunk of the stream's frames."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return np.empty((self._capacity, *form.shape), form.dtype)

    def _put(self, room: NDArray[Any]) -> None:
        with self._lock:
            self._free.append(room)
