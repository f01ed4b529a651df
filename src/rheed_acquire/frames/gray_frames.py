"""8-bit gray of the frames in a chunk: made once, when somebody first asks for it, on all processors.

Not in the camera's thread: there a frame is copied as it is (`rheed_acquire.frames.pixels.make_copier`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.frames.pixels import make_converter
from rheed_acquire.system.shares import in_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.frame_form import FrameForm

LEAST_SHARE = 32
"""Frames that are worth a thread."""


class GrayRooms:
    """Memory for the gray frames of chunks: made when it is first needed, and used again.

    Parameters
    ----------
    capacity
        Frames of a full chunk; there are never more rooms than chunks at once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._free: list[NDArray[np.uint8]] = []

    def take(self, height: int, width: int) -> NDArray[np.uint8]:
        """Room for a chunk, (capacity, H, W)."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return np.empty((self.capacity, height, width), np.uint8)

    def put(self, room: NDArray[np.uint8]) -> None:
        """Take room back."""
        with self._lock:
            self._free.append(room)


class GrayFrames:
    """The gray of one chunk's frames; any thread may ask for it.

    Parameters
    ----------
    pixels
        (N, ...) as the form says.
    form
        Of the frames.
    rooms
        Where the memory comes from, and goes to by `give_back`; None for memory of its own.
    is_read_only
        Whether nobody may write to it.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        form: FrameForm,
        rooms: GrayRooms | None = None,
        *,
        is_read_only: bool = False,
    ) -> None:
        self._pixels, self._form, self._rooms = pixels, form, rooms
        self._is_read_only = is_read_only
        self._lock = threading.Lock()
        self._room: NDArray[np.uint8] | None = None
        self._made: NDArray[np.uint8] | None = pixels if form.is_gray8 else None

    def frames(self) -> NDArray[np.uint8]:
        """(N, H, W) uint8, C-contiguous, valid until `give_back`; the first call makes it.

        Raises
        ------
        MemoryError
            There is no room for it; another call may find some.
        """
        with self._lock:
            if self._made is None:
                count, form = len(self._pixels), self._form
                rooms = self._rooms or GrayRooms(count)
                room = rooms.take(form.height, form.width)
                make_gray(self._pixels, form, room[:count])
                self._room, self._made = room, room[:count]
                if self._is_read_only:
                    self._made = read_only_view(room[:count])
            return self._made

    def frame(self, place: int) -> NDArray[np.uint8]:
        """One frame, (H, W) uint8, without making the others; not to be kept beyond `give_back`."""
        with self._lock:
            made = self._made
        one: NDArray[np.uint8]
        if made is not None:
            one = made[place]
        else:
            one = np.empty((self._form.height, self._form.width), np.uint8)
            make_gray(self._pixels[place][np.newaxis], self._form, one[np.newaxis])
        return one

    def give_back(self) -> None:
        """Let the memory go round; only the first call does anything."""
        with self._lock:
            room, self._room = self._room, None
            if room is None:
                return
            self._made = None
        if self._rooms is not None:
            self._rooms.put(room)


def read_only_view(array: NDArray[Any]) -> NDArray[Any]:
    """An array behind a buffer that says it is read-only: numpy's own flag could be set again."""
    return np.frombuffer(array.reshape(-1).data.toreadonly(), array.dtype).reshape(array.shape)


def make_gray(pixels: NDArray[Any], form: FrameForm, out: NDArray[np.uint8]) -> None:
    """Write the gray of frames (N, ...) to ``out``, (N, H, W), on as many processors as it is worth.

    The GIL is released while numpy works.
    """

    def convert(begin: int, end: int) -> None:
        converter = make_converter(form.pixel_format, form.height, form.width, form.bit_shift)
        for place in range(begin, end):
            converter(pixels[place], out[place])

    in_shares(len(pixels), LEAST_SHARE, convert)
