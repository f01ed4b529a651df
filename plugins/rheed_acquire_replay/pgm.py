"""Portable graymaps, plain (P2) and raw (P5), of 8 to 16 bits.

Format: https://netpbm.sourceforge.net/doc/pgm.html
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPACE = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])"
_HEADER = re.compile(rb"(P[25])%b+(\d{1,7})%b+(\d{1,7})%b+(\d{1,5})" % (_SPACE, _SPACE, _SPACE))
HEADER_BYTES = 4096


def read_pgm_header(content: bytes) -> tuple[str, int, int, int, int]:
    """Read kind, height, width, the greatest value, and where the pixels begin.

    Raises
    ------
    ValueError
        It is no PGM.
    """
    found = _HEADER.match(content)
    if found is None:
        raise ValueError("it has no PGM header (P2 or P5)")
    kind, width, height, greatest = found.groups()
    if not (int(width) and int(height) and 0 < int(greatest) < 65_536):
        raise ValueError(f"its header says {int(width)} x {int(height)} pixels up to {int(greatest)}")
    # A single white space ends the header of raw pixels.
    return kind.decode(), int(height), int(width), int(greatest), found.end() + 1


def decode_pgm(content: bytes) -> tuple[NDArray[Any], int | None]:
    """Decode a picture, (H, W) uint8 or uint16, and its bits, None for those of its type.

    Values above the greatest that the header names are kept: cameras write a counter into the first pixel.

    Raises
    ------
    ValueError
        It is no PGM, or ends too early.
    """
    kind, height, width, greatest, begin = read_pgm_header(content)
    deep = greatest > 255
    count = height * width
    if kind == "P5":
        dtype = np.dtype(">u2" if deep else "u1")
        if len(content) - begin < count * dtype.itemsize:
            raise ValueError("it ends before its last pixel")
        picture = np.frombuffer(content, dtype, count, begin).astype(dtype.newbyteorder("="))
    else:
        plain = re.sub(rb"#[^\r\n]*", b"", content[begin - 1 :]).split()[:count]
        if len(plain) < count:
            raise ValueError("it ends before its last pixel")
        values = np.array(plain).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError("it holds values beyond 16 bits")
        deep = deep or int(values.max()) > 255
        picture = values.astype(np.uint16 if deep else np.uint8)
    # All 16 bits is what programs write that know of no depth.
    bits = max(greatest.bit_length(), 9) if deep and greatest < 65_535 else None
    return picture.reshape(height, width), bits
