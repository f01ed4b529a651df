"""Files of nothing but pixels, described by the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.recording import BLOCK_BYTES, Block, Recording, reading
from rheed_acquire_replay.settings import RAW_FORM

_TYPES = {
    "u8": "u1",
    "i8": "i1",
    **{
        f"{kind}{8 * size}{order}": f"{'>' if order == 'be' else '<'}{kind}{size}"
        for kind, sizes in (("u", (2, 4)), ("i", (2, 4)), ("f", (4, 8)))
        for size in sizes
        for order in ("le", "be")
    },
}


@dataclass(frozen=True, slots=True)
class RawLayout:
    """How frames lie in a file.

    Attributes
    ----------
    dtype
        Of a sample.
    offset
        Bytes before the first frame.
    stride
        Bytes from the beginning of a frame to that of the next.
    """

    height: int
    width: int
    dtype: np.dtype[np.generic]
    offset: int
    stride: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the user writes.

        Raises
        ------
        ValueError
            It is no layout.
        """
        found = re.fullmatch(RAW_FORM, text.strip(), re.IGNORECASE)
        if found is None:
            raise ValueError("is not spelled as it must be")
        width, height, type_, offset, stride = found.groups()
        code = _TYPES.get(type_.lower())
        if code is None:
            raise ValueError(f"{type_} is no type; there are {', '.join(_TYPES)} (le: low byte first)")
        dtype = np.dtype(code)
        size = int(width) * int(height) * dtype.itemsize
        if not size:
            raise ValueError("a frame of no pixels")
        if stride is not None and int(stride) < size:
            raise ValueError(f"a stride of {stride} bytes, where a frame has {size}")
        return cls(int(height), int(width), dtype, int(offset or 0), int(stride or size))

    @property
    def frame_bytes(self) -> int:
        """Of the pixels."""
        return self.height * self.width * self.dtype.itemsize


class RawFile(Recording):
    """Frames at equal distances in a file."""

    kind: ClassVar[str] = "a raw file"
    path: Path

    def __init__(self, path: Path, layout: RawLayout) -> None:
        with reading(path, self.kind):
            size = path.stat().st_size - layout.offset
        count, left = divmod(max(size, 0), layout.stride)
        if left >= layout.frame_bytes:  # nothing need follow the last frame
            count, left = count + 1, 0
        if count == 0:
            raise CameraSettingError(
                f"{path} has {max(size, 0)} bytes behind the offset, and one frame of --replay.raw "
                f"{layout.frame_bytes}"
            )
        super().__init__(path, (layout.height, layout.width), layout.dtype, count)
        self._layout = layout
        self.notes["frames"] = (
            f"{count} of {layout.width} x {layout.height} pixels, {layout.dtype.str}, by --replay.raw"
        )
        if left:
            self.warnings.append(f"{left} bytes are left behind its last whole frame: is --replay.raw right?")

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        layout, end = self._layout, self.count if end is None else end
        step = max(1, BLOCK_BYTES // layout.stride)
        with reading(self.path, f"{self.kind}, from frame {first} on"), self.path.open("rb") as file:
            while first < end:
                until = min(end, first + step)
                file.seek(layout.offset + first * layout.stride)
                wanted = (until - first - 1) * layout.stride + layout.frame_bytes
                content = file.read(wanted)
                if len(content) < wanted:
                    raise CameraError(f"{self.path} ends before frame {until - 1}")
                frames = np.ndarray(
                    (until - first, layout.height, layout.width),
                    layout.dtype,
                    content,
                    strides=(layout.stride, layout.width * layout.dtype.itemsize, layout.dtype.itemsize),
                )
                yield Block(list(range(first, until)), frames)
                first = until
