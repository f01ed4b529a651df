"""Frames of kSA 400 (k-Space Associates): ``.img``, one of them, and ``.imm``, many one behind another.

There is no public description. What is certain comes from public readers: the magic, width and height, and
where the pixels begin. The rest is inferred from real files of 2017 to 2023 and believed where it is
plausible. Numbers are big endian but for the exposure and the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire_replay.frame_times import take_times
from rheed_acquire_replay.moments import EARLIEST_S, LATEST_S
from rheed_acquire_replay.recording import MOST_PIXELS, Block, Recording, reading

MAGIC = b"KSA00"
MAGIC_AT = 39
_KNOWN = b"FJ"
HEADER_BYTES, _MORE_BYTES = 640, 15
_GRAY, _COLOUR = 2, 12
"""Bytes of a pixel: 16 bits, or 32 each of blue, green and red."""


@dataclass(frozen=True, slots=True)
class KsaHeader:
    """What the header of a frame says; None for what it says nothing plausible of.

    Attributes
    ----------
    letter
        Of the format, after the magic.
    header_bytes
        Before the pixels.
    bits
        Significant bits of a sample.
    captured_ns
        In nanoseconds since 1970 in UTC.
    exposure_s
        In seconds.
    """

    letter: str
    height: int
    width: int
    header_bytes: int
    bits: int | None
    captured_ns: int | None
    exposure_s: float | None

    def frame_bytes(self, pixel_bytes: int) -> int:
        """Of the header and the pixels."""
        return self.header_bytes + self.height * self.width * pixel_bytes


def read_header(content: bytes) -> KsaHeader:
    """Read a header.

    Raises
    ------
    ValueError
        It is none.
    """
    if len(content) < HEADER_BYTES:
        raise ValueError("it ends within its header")
    if content[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        raise ValueError(f"it has no {MAGIC.decode()} at byte {MAGIC_AT}")
    (width,), (height,) = struct.unpack_from(">H", content, 49), struct.unpack_from(">H", content, 321)
    if not (width and height) or width * height > MOST_PIXELS:
        raise ValueError(f"its header says {width} x {height} pixels")
    (top,), (bits,) = struct.unpack_from(">H", content, 310), struct.unpack_from(">H", content, 333)
    second, millisecond = struct.unpack_from(">IH", content, 323)
    (exposure_s,) = struct.unpack_from("<f", content, 352)
    if not 8 <= bits <= 16:
        # The top level is 2^bits, or one less.
        bits = (top - 1).bit_length() if top >= 255 else None
    dated = EARLIEST_S <= second <= LATEST_S and millisecond < 1000
    letter = content[MAGIC_AT + len(MAGIC) : MAGIC_AT + len(MAGIC) + 1].decode("latin-1")
    return KsaHeader(
        letter if letter.isprintable() else "?",
        height,
        width,
        HEADER_BYTES + _MORE_BYTES * content[22],
        bits,
        second * 1_000_000_000 + millisecond * 1_000_000 if dated else None,
        exposure_s if 1e-7 < exposure_s < 1e4 else None,
    )


def read_pixels(content: bytes, header: KsaHeader, pixel_bytes: int) -> NDArray[Any]:
    """Decode what follows the header: (H, W) uint16, or (H, W, 3) uint32 in the order red, green, blue."""
    count = header.height * header.width
    if pixel_bytes == _COLOUR:
        colours = np.frombuffer(content, "<u4", 3 * count).reshape(header.height, header.width, 3)
        return np.asarray(colours[..., ::-1])
    return np.frombuffer(content, "<u2", count).reshape(header.height, header.width)


class KsaFrames(Recording):
    """The frames of a file, each behind its header: all headers are read at first, pixels frame by frame."""

    kind: ClassVar[str] = "a kSA 400 file"
    path: Path

    def __init__(self, path: Path) -> None:
        with reading(path, self.kind), path.open("rb") as file:
            size = path.stat().st_size
            first = read_header(file.read(HEADER_BYTES))
            pixel_bytes = _pixel_bytes(file, first, size)
            offsets, times, broken = _walk(file, first, pixel_bytes, size)
        shape: tuple[int, ...] = (first.height, first.width)
        if pixel_bytes == _COLOUR:
            shape = (*shape, 3)
        super().__init__(path, shape, np.dtype("<u4" if pixel_bytes == _COLOUR else "<u2"), len(offsets))
        self._first, self._pixel_bytes, self._offsets, self.broken = first, pixel_bytes, offsets, broken
        self._take(first, times)

    def _take(self, first: KsaHeader, times: list[int | None]) -> None:
        self.bits = first.bits
        colours = " in colour" if self._pixel_bytes == _COLOUR else ""
        self.notes["format"] = (
            f"{MAGIC.decode()}{first.letter}{colours}; not publicly described, so in part inferred"
        )
        if first.letter.encode() not in _KNOWN:
            self.warnings.append(
                f"its format {MAGIC.decode()}{first.letter} was never seen: taken for KSA00F"
            )
        if first.bits is not None:
            self.notes["depth"] = f"{first.bits} bits, by the header (inferred)"
        if first.exposure_s is not None:
            self.notes["exposure"] = f"{first.exposure_s:.6g} s, by the header (inferred)"
        take_times(self, times, "the headers (inferred)")

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        with reading(self.path, self.kind), self.path.open("rb") as file:
            for number in range(first, len(self._offsets) if end is None else end):
                file.seek(self._offsets[number])
                size = self._first.height * self._first.width * self._pixel_bytes
                content = file.read(size)
                if len(content) < size:
                    raise ValueError(f"it ends within frame {number}")
                yield Block(
                    [number], self._clipped(read_pixels(content, self._first, self._pixel_bytes))[np.newaxis]
                )

    def _clipped(self, pixels: NDArray[Any]) -> NDArray[Any]:
        # Saturated samples of 12 bits are 4096.
        if self.bits is None or pixels.dtype.itemsize > 2:
            return pixels
        return np.asarray(np.minimum(pixels, np.uint16((1 << self.bits) - 1)))


def _pixel_bytes(file: IO[bytes], first: KsaHeader, size: int) -> int:
    """Tell gray from colour: by the size, or by where the next header stands."""
    for pixel_bytes in (_GRAY, _COLOUR):
        if size == first.frame_bytes(pixel_bytes):
            return pixel_bytes
    for pixel_bytes in (_GRAY, _COLOUR):
        file.seek(first.frame_bytes(pixel_bytes) + MAGIC_AT)
        if file.read(len(MAGIC)) == MAGIC:
            return pixel_bytes
    if size < first.frame_bytes(_GRAY):
        raise ValueError("it ends before its first frame is whole")
    return _GRAY


def _walk(
    file: IO[bytes], first: KsaHeader, pixel_bytes: int, size: int
) -> tuple[list[int], list[int | None], str | None]:
    """Go from header to header: where pixels begin, when they were captured, and what keeps from going on."""
    offsets: list[int] = []
    times: list[int | None] = []
    at = 0
    while at < size:
        number = len(offsets)
        file.seek(at)
        try:
            header = read_header(file.read(HEADER_BYTES))
        except ValueError as error:
            return offsets, times, f"{file.name} breaks off at frame {number}: {error}"
        if (header.height, header.width) != (first.height, first.width):
            broken = (
                f"{file.name} changes at frame {number} from {first.width} x {first.height} pixels to "
                f"{header.width} x {header.height}: all frames of a stream have one size"
            )
            return offsets, times, broken
        end = at + header.frame_bytes(pixel_bytes)
        if end > size:
            return offsets, times, f"{file.name} ends within frame {number}: is it cut off?"
        offsets.append(at + header.header_bytes)
        times.append(header.captured_ns)
        at = end
    return offsets, times, None
