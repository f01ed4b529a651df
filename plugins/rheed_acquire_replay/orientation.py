"""Turning pictures the way up that their file says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TAG = 274
"""Of TIFF and EXIF."""
_SLANT = 0.02
"""So little of a display matrix is what is left of a turn that was computed."""


def page_orientation(page: Any) -> int:
    """The orientation of a TIFF page, 1 where it tells none."""
    tag = page.tags.get(TAG)
    return _known(None if tag is None else tag.value)


def exif_orientation(exif: Any) -> int:
    """The orientation that a picture's EXIF tells, 1 where it tells none."""
    return _known(exif.get(TAG))


def _known(value: object) -> int:
    return value if isinstance(value, int) else 1


def lies_on_its_side(orientation: int) -> bool:
    """Whether rows are to be seen as columns."""
    return orientation in (5, 6, 7, 8)


def oriented(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror a picture as the tag of TIFF and EXIF says; (H, W) or (H, W, S).

    Source: TIFF 6.0, "Orientation": where row 0 and column 0 are to be seen.
    """
    if lies_on_its_side(orientation):
        picture = picture.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture


def turned(matrix: tuple[int, int, int, int]) -> int | None:
    """Find the orientation that a display matrix stands for, of which a, b, c and d are given.

    Source: ISO/IEC 14496-12, "Track Header Box": x' = a x + c y and y' = b x + d y. None for what is no
    quarter turn and no mirror.
    """
    least = _SLANT * max(abs(value) for value in matrix)
    a, b, c, d = (0 if abs(value) <= least else int(np.sign(value)) for value in matrix)
    return {
        (1, 0, 0, 1): 1,
        (-1, 0, 0, 1): 2,
        (-1, 0, 0, -1): 3,
        (1, 0, 0, -1): 4,
        (0, 1, 1, 0): 5,
        (0, 1, -1, 0): 6,
        (0, -1, -1, 0): 7,
        (0, -1, 1, 0): 8,
    }.get((a, b, c, d))
