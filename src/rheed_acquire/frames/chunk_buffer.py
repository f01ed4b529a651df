"""Room for one chunk in one piece of memory, laid out so that another process can make sense of it.

The piece may be a memory-mapped file (see `rheed_acquire.frames.ring_files`): then what a camera's callback
has written is in the operating system's hands, and survives the death of this process at any instruction.
Layout, all numbers little-endian int64::

    cell 0        MAGIC                      cell 5   frames committed
    cell 1        layout version             cell 6   index of the chunk, or FREE
    cells 2 to 4  capacity, height, width    cell 7   capture start in ns UTC, or UNKNOWN
    cell 9        of which boot              cell 8   what turns arrival times into ns UTC
    cell 10       frames that one of the stream stands for; cell 11: whether it is their mean
    cells 12, 13  pixel format, as ASCII with zeros behind it; none stands for Mono8
    cell 14       how far samples are shifted right to be 8 bits, or UNKNOWN for the format's significant ones
    cell 15       bytes of one element of a frame's array; cell 16: bytes of a frame
    cells 17, 18  whether the stream has the chunk safely, and whether the archive has it
    byte 512      frame ids, camera stamps, arrival times: capacity numbers each
    next page     frames as the camera delivered them: capacity times so many bytes

A frame counts as committed only when its pixels and numbers are in place: cell 5 is written last. Version 1
had none of the cells from 10 on: its frames are Mono8, and its stream has all of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm, FrameForm
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.system.shares import in_shares

if TYPE_CHECKING:
    from mmap import mmap

    from numpy.typing import NDArray

MAGIC = int.from_bytes(b"RHEEDRNG", "little")
VERSION = 2
READABLE = (1, VERSION)
FREE = -1
UNKNOWN = -1
NO_ID = -1
"""Stands for the id of a frame whose camera counts none."""
NO_TIMESTAMP = -1
"""Stands for the stamp of a frame whose camera has no clock."""

CAPACITY, COMMITTED, CHUNK_INDEX, CAPTURE_START_NS, UTC_OFFSET_NS, BOOT = 2, 5, 6, 7, 8, 9
REDUCED_FRAMES, REDUCED_BY_MEAN, PIXEL_FORMAT, BIT_SHIFT, ELEMENT_BYTES, FRAME_BYTES = 10, 11, 12, 14, 15, 16
_NAME_BYTES = 16
_CLOCK_IS_SET_NS = 30_000_000_000
_CLOCKS_DIFFER = 5_000
"""By how much the clock of the day may be set while a computer runs, which takes longer to start anew; and by
which part of the time a clock that is kept right moves against the counter."""
_LEAST_SHARE_BYTES, _COPIERS = 4 << 20, 4
"""Of a copy, that are worth a thread; and how many threads fill the memory's bandwidth."""


class Taker(IntEnum):
    """Who a chunk is for, by the cell that says whether it has the chunk safely."""

    STREAM = 17
    ARCHIVE = 18


HEADER_BYTES = 512
PAGE_BYTES = 4096


def memory_needed(capacity: int, height: int, width: int, pixel_format: str = "Mono8") -> int:
    """Bytes that a chunk of ``capacity`` frames of ``height`` x ``width`` takes, numbers included."""
    return _frames_offset(capacity) + capacity * FrameForm(height, width, pixel_format).frame_bytes


def _frames_offset(capacity: int) -> int:
    end = HEADER_BYTES + 3 * 8 * capacity
    return -(-end // PAGE_BYTES) * PAGE_BYTES


@cache
def this_boot() -> int:
    """A number that Linux and macOS make anew at every boot; 0 where the system has none."""
    try:
        return uuid.UUID(_boot_id().strip()).int & (2**63 - 1)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _boot_id() -> str:
    if sys.platform == "darwin":
        asked = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5.0).stdout  # noqa: S603
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")


class ChunkBuffer:
    """One chunk's room.

    Parameters
    ----------
    memory
        Of at least `memory_needed` bytes.
    capacity, height, width
        Of the frames; left out, they are read from memory that another process laid out.
    utc_offset_ns
        What added to ``time.perf_counter_ns`` gives nanoseconds since 1970 in UTC.
    cut_short
        Whether memory that another process laid out is taken as far as it goes.
    form
        What the frames are, and how the stream's are made of them.

    Attributes
    ----------
    frames
        (capacity, ...), C-contiguous: as the camera delivers them (see
        `rheed_acquire.cameras.pixel_formats.frame_layout`).
    slots
        One view of `frames` for each frame, made once.
    frame_form
        What the frames are.
    frame_ids, timestamps_ns, host_ns
        (capacity,) int64 each: the camera's counter, the camera's clock, and this computer's
        ``time.perf_counter_ns`` when the frame arrived.
    reduction
        How the stream's frames are made of these.
    cells
        The header; the frame path writes ``cells[COMMITTED]``.
    id_cells, timestamp_cells, host_cells
        The same memory as the three arrays, as memoryviews: writing one number costs a third of numpy's.

    Raises
    ------
    ValueError
        The memory is too small, or was not laid out by this class.
    """

    __slots__ = (
        "cells",
        "frame_form",
        "frame_ids",
        "frames",
        "host_cells",
        "host_ns",
        "id_cells",
        "reduction",
        "slots",
        "timestamp_cells",
        "timestamps_ns",
    )

    def __init__(
        self,
        memory: mmap | bytearray,
        capacity: int | None = None,
        height: int = 0,
        width: int = 0,
        utc_offset_ns: int = 0,
        *,
        cut_short: bool = False,
        form: ChunkForm = PLAIN,
    ) -> None:
        if len(memory) < HEADER_BYTES:
            raise ValueError(f"{len(memory)} bytes are too few for a chunk buffer")
        header: NDArray[np.int64] = np.frombuffer(memory, np.int64, HEADER_BYTES // 8)
        self.cells = header.data
        if capacity is None:
            magic, version, capacity, height, width = header[:5].tolist()
            if magic != MAGIC or version not in READABLE or min(capacity, height, width) < 1:
                raise ValueError("this is not a chunk buffer of this version")
            form = PLAIN if version == 1 else _form_in(header)
        self.frame_form, self.reduction = form.frame(height, width), form.reduction
        frame_bytes = self.frame_form.frame_bytes
        if header[0] == MAGIC and header[1] > 1 and header[FRAME_BYTES] not in (0, frame_bytes):
            raise ValueError("no chunk buffer has frames of another size than their pixel format has")
        needed, whole = _frames_offset(capacity) + capacity * frame_bytes, capacity
        if len(memory) < needed:
            if not cut_short:
                raise ValueError(f"{len(memory)} bytes are too few for a chunk buffer that needs {needed}")
            whole = max(0, len(memory) - _frames_offset(capacity)) // frame_bytes
        if header[0] != MAGIC:
            header[:10] = (0, VERSION, capacity, height, width, 0, FREE, UNKNOWN, utc_offset_ns, this_boot())
            _write_form(header, form, self.frame_form)
            header[0] = MAGIC

        def numbers(place: int) -> NDArray[np.int64]:
            if not whole:
                return np.empty(0, np.int64)
            return np.frombuffer(memory, np.int64, whole, HEADER_BYTES + 8 * capacity * place)

        self.frame_ids, self.timestamps_ns, self.host_ns = numbers(0), numbers(1), numbers(2)
        self.id_cells = self.frame_ids.data
        self.timestamp_cells = self.timestamps_ns.data
        self.host_cells = self.host_ns.data
        place = _frames_offset(capacity) if whole else 0
        dtype = self.frame_form.dtype
        pixels = np.frombuffer(memory, dtype, whole * frame_bytes // dtype.itemsize, place)
        self.frames: NDArray[Any] = pixels.reshape(whole, *self.frame_form.shape)
        self.slots: list[NDArray[Any]] = list(self.frames)

    def begin(self, chunk_index: int) -> None:
        """Make room for a new chunk; what the buffer held counts no more."""
        cells = self.cells
        cells[COMMITTED] = 0
        cells[CAPTURE_START_NS] = UNKNOWN
        cells[Taker.STREAM] = cells[Taker.ARCHIVE] = 0
        cells[CHUNK_INDEX] = chunk_index

    def append(self, frames: NDArray[Any]) -> None:
        """Copy frames of shape (N, ...) that no camera has numbered or stamped behind those committed.

        Raises
        ------
        ValueError
            There is no room for them, or they are of another size.
        """
        start, end = self.committed, self.committed + len(frames)
        if end > len(self.frames):
            raise ValueError(f"{len(frames)} frames do not fit behind {start} of {len(self.frames)}")
        room = self.frames[start:end]
        least = -(-_LEAST_SHARE_BYTES // max(1, self.frame_form.frame_bytes))
        in_shares(len(frames), least, lambda a, b: np.copyto(room[a:b], frames[a:b]), _COPIERS)
        self.frame_ids[start:end] = NO_ID
        self.timestamps_ns[start:end] = NO_TIMESTAMP
        self.host_ns[start:end] = time.perf_counter_ns()
        self.cells[COMMITTED] = end

    def clear(self) -> None:
        """Say that the chunk is safe elsewhere."""
        self.cells[CHUNK_INDEX] = FREE

    def is_safe_with(self, taker: Taker) -> bool:
        """Whether the chunk is safe with one of those that it is for."""
        return bool(self.cells[taker])

    def say_safe_with(self, taker: Taker) -> None:
        """Say that the chunk is, also to whoever finds it without this process."""
        self.cells[taker] = 1

    @property
    def capacity(self) -> int:
        """Frames that there is room for, where the memory was not cut short."""
        return int(self.cells[CAPACITY])

    @property
    def committed(self) -> int:
        """Frames that are in place."""
        return min(self.promised, len(self.frames))

    @property
    def promised(self) -> int:
        """Frames that were once in place: more than are, where the memory was cut short."""
        return int(self.cells[COMMITTED])

    @property
    def chunk_index(self) -> int:
        """Which chunk the buffer holds, or `FREE`."""
        return int(self.cells[CHUNK_INDEX])

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the computer has not been restarted since the buffer was made.

        Only then are the pages of a file on disk sure to be what was written, each of them: after a loss of
        power the header may be there without the pixels.
        """
        known = int(self.cells[BOOT])
        if known and this_boot():
            return known == this_boot()
        # The counter begins anew with each boot, and by the clock of the day at another time.
        now_ns, arrived_ns = time.perf_counter_ns(), self.host_ns[: self.committed]
        offset_ns = self.utc_offset_ns
        moved_ns = time.time_ns() - now_ns - offset_ns if offset_ns else 0
        # Between two boots lies at least what the first had lasted when the last frame came: a clock that is
        # set meanwhile is seldom taken for one.
        least_ns = max(_CLOCK_IS_SET_NS + now_ns // _CLOCKS_DIFFER, int(arrived_ns.max(initial=0)))
        # A number that is not there has not reached the disk, and then nobody knows what else has not.
        return moved_ns < least_ns and bool(np.all((arrived_ns > 0) & (arrived_ns <= now_ns)))

    @property
    def utc_offset_ns(self) -> int:
        """What turns `host_ns` into nanoseconds since 1970 in UTC."""
        return int(self.cells[UTC_OFFSET_NS])

    @property
    def capture_start_ns(self) -> int | None:
        """When the chunk's first frame was captured, in ns since 1970 in UTC; None where nobody said so."""
        start = int(self.cells[CAPTURE_START_NS])
        return None if start == UNKNOWN else start


def _form_in(header: NDArray[np.int64]) -> ChunkForm:
    """Read what the frames are from a header of version 2."""
    name = header[PIXEL_FORMAT : PIXEL_FORMAT + 2].tobytes().rstrip(b"\0")
    shift = int(header[BIT_SHIFT])
    reduced, by_mean = header[[REDUCED_FRAMES, REDUCED_BY_MEAN]].tolist()
    if reduced < 1:
        raise ValueError(f"no chunk buffer has {reduced} frames for one of the stream")
    reduction = Reduction(reduced, bool(by_mean))
    if not name:
        return ChunkForm(reduction=reduction)
    form = ChunkForm(name.decode("ascii", "replace"), None if shift == UNKNOWN else shift, reduction)
    try:
        form.frame(2, 2).shape  # noqa: B018
    except RheedAcquireError:
        raise ValueError(
            f"a chunk buffer of the pixel format {form.pixel_format!r} is not known here"
        ) from None
    return form


def _write_form(header: NDArray[np.int64], form: ChunkForm, frame: FrameForm) -> None:
    header[REDUCED_FRAMES], header[REDUCED_BY_MEAN] = form.reduction.frames, form.reduction.is_mean
    name = form.pixel_format.encode("ascii").ljust(_NAME_BYTES, b"\0")
    header[PIXEL_FORMAT : PIXEL_FORMAT + 2] = np.frombuffer(name, "<i8")
    header[BIT_SHIFT] = UNKNOWN if form.bit_shift is None else form.bit_shift
    header[ELEMENT_BYTES], header[FRAME_BYTES] = frame.dtype.itemsize, frame.frame_bytes
