"""Portable graymaps and pixmaps, plain (P2, P3) and raw (P5, P6), of 8 to 16 bits.

Format: https://netpbm.sourceforge.net/doc/pgm.html and https://netpbm.sourceforge.net/doc/ppm.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPACE = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])"
_HEADER = re.compile(rb"(P[2356])%b+(\d{1,7})%b+(\d{1,7})%b+(\d{1,5})" % (_SPACE, _SPACE, _SPACE))
_NEXT = re.compile(rb"\s*P[1-7]\s")
HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class NetpbmHeader:
    """What the header says.

    Attributes
    ----------
    greatest
        Value of a sample.
    pixels_at
        Where the pixels begin.
    """

    is_raw: bool
    is_colour: bool
    height: int
    width: int
    greatest: int
    pixels_at: int

    @property
    def is_deep(self) -> bool:
        """Whether samples have more than 8 bits."""
        return self.greatest > 255

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3)."""
        return (self.height, self.width, 3) if self.is_colour else (self.height, self.width)


def read_header(content: bytes) -> NetpbmHeader:
    """Read the header.

    Raises
    ------
    ValueError
        It is none.
    """
    found = _HEADER.match(content)
    if found is None:
        raise ValueError("it has no header of a graymap (P2 or P5) or pixmap (P3 or P6)")
    kind, width, height, greatest = found.groups()
    if not (int(width) and int(height) and 0 < int(greatest) < 65_536):
        raise ValueError(f"its header says {int(width)} x {int(height)} pixels up to {int(greatest)}")
    # A single white space ends the header of raw pixels.
    raw, colour = kind in (b"P5", b"P6"), kind in (b"P3", b"P6")
    return NetpbmHeader(raw, colour, int(height), int(width), int(greatest), found.end() + 1)


def decode_netpbm(content: bytes) -> tuple[NDArray[Any], int | None]:
    """Decode a picture, (H, W) or (H, W, 3) of uint8 or uint16, and its bits, None where it tells none.

    Values above the greatest that the header names are kept: cameras write a counter into the first pixel.

    Raises
    ------
    ValueError
        It is none, ends too early, or is followed by another one.
    """
    header = read_header(content)
    count = header.height * header.width * (3 if header.is_colour else 1)
    deep = header.is_deep
    if header.is_raw:
        dtype = np.dtype(">u2" if deep else "u1")
        end = header.pixels_at + count * dtype.itemsize
        if len(content) < end:
            raise ValueError("it ends before its last pixel")
        if _NEXT.match(content[end : end + 16]):
            raise ValueError("it holds several pictures one behind another: save each in a file of its own")
        picture = np.frombuffer(content, dtype, count, header.pixels_at).astype(dtype.newbyteorder("="))
    else:
        plain = re.sub(rb"#[^\r\n]*", b"", content[header.pixels_at - 1 :]).split()[:count]
        if len(plain) < count:
            raise ValueError("it ends before its last pixel")
        values = np.array(plain).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError("it holds values beyond 16 bits")
        deep = deep or int(values.max()) > 255
        picture = values.astype(np.uint16 if deep else np.uint8)
    # All 16 bits is what programs write that know of no depth.
    bits = max(header.greatest.bit_length(), 9) if deep and header.greatest < 65_535 else None
    return picture.reshape(header.shape), bits
