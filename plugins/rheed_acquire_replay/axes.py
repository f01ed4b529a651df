"""Which axis of an array is which: frames one after another, rows, columns, colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LETTERS = "TYXS"
"""Frames, rows, columns, colours; any other letter is one more axis along which frames follow each other."""
_COLOURS = (3, 4)
_LEAST_SIDE, _MOST_RATIO = 16, 4.0
"""Frames that are narrower or longer are taken for frames only where nothing else can be meant."""
_SMOOTHER = 0.5
"""So much less the picture changes from frame to frame than from pixel to pixel, where that decides."""


class AxesError(ValueError):
    """It cannot be told which axis is which, or what was said of them does not fit."""


@dataclass(frozen=True, slots=True)
class Axes:
    """How frames lie in an array.

    Attributes
    ----------
    letters
        One for each axis of the array: ``Y`` and ``X``, ``S`` for colours, others for frames, of which those
        of the first follow each other slowest; ``_`` for an axis of length 1 that means nothing.
    shape
        Of the array.
    """

    letters: str
    shape: tuple[int, ...]

    @property
    def frame_axes(self) -> tuple[int, ...]:
        """The axes along which frames follow each other."""
        return tuple(place for place, letter in enumerate(self.letters) if letter not in "YXS_")

    @property
    def count(self) -> int:
        """How many frames there are."""
        return math.prod(self.shape[place] for place in self.frame_axes)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, S)."""
        return tuple(self.shape[self.letters.index(letter)] for letter in "YXS" if letter in self.letters)

    @property
    def fastest(self) -> int:
        """How many frames follow each other along the innermost of their axes."""
        axes = self.frame_axes
        return self.shape[axes[-1]] if axes else 1

    def frames_in_a_step(self, letter: str) -> int | None:
        """How many frames follow each other before the next step along an axis, 1 where there is no such one.

        None where its steps do not follow each other, as another axis lies around it.
        """
        steps = [
            (self.letters[place], self.shape[place]) for place in self.frame_axes if self.shape[place] > 1
        ]
        names = [name for name, _ in steps]
        if letter not in names:
            return 1
        return math.prod(size for _, size in steps[1:]) if names[0] == letter else None

    def read(self, array: Any, first: int, end: int) -> NDArray[Any]:
        """Read frames ``first`` to ``end``, which lie along the innermost axis: (N, *frame_shape)."""
        where: list[Any] = [slice(None)] * len(self.shape)
        axes = self.frame_axes
        for place, letter in enumerate(self.letters):
            if letter == "_":
                where[place] = 0
        if axes:
            *outer, inner = axes
            group, at = divmod(first, self.fastest)
            where[inner] = slice(at, at + end - first)
            if outer:
                shape = tuple(self.shape[place] for place in outer)
                for place, number in zip(outer, np.unravel_index(group, shape), strict=True):
                    where[place] = int(number)
        part = np.asarray(array[tuple(where)])
        left = "".join(letter for place, letter in enumerate(self.letters) if isinstance(where[place], slice))
        inner_letter = self.letters[axes[-1]] if axes else ""
        order = [left.index(letter) for letter in f"{inner_letter}YXS" if letter in left]
        part = part.transpose(order)
        return part if axes else part[np.newaxis]

    def __str__(self) -> str:
        """Say it to the user."""
        frames = f"{self.count} frame{'s' * (self.count != 1)}"
        size = " x ".join(str(self.shape[self.letters.index(letter)]) for letter in "XY")
        colours = f" with {self.frame_shape[2]} colours" if "S" in self.letters else ""
        shape = " x ".join(map(str, self.shape))
        return f"{self.letters.replace('_', '1')} of {shape}: {frames} of {size} pixels{colours}"


def named(letters: str, shape: Sequence[int], *, by: str) -> Axes:
    """Take axes as they are named.

    Parameters
    ----------
    letters
        One for each axis, or for each that is longer than 1. ``C`` is colours, unless frames have no other
        axis: programs that were not told what an axis is call it channels.
    by
        Who names them, for messages.

    Raises
    ------
    AxesError
        They do not fit the shape, or there is no picture in them.
    """
    letters, shape = letters.upper(), tuple(shape)
    long = [place for place, size in enumerate(shape) if size != 1]
    if len(letters) == len(shape):
        spelled = list(letters)
    elif len(letters) == len(long):
        spelled = ["_"] * len(shape)
        for place, letter in zip(long, letters, strict=True):
            spelled[place] = letter
    else:
        raise AxesError(f"{by} {letters}: the array has {len(shape)} axes, of {' x '.join(map(str, shape))}")
    if len(set(letters)) < len(letters) or not letters.isalpha():
        raise AxesError(f"{by} {letters}: each axis needs a letter of its own, such as TYX")
    for missing in "YX":
        if missing not in spelled:
            raise AxesError(f"{by} {letters}: one axis has to be {missing}, as in TYX")
    others = [
        letter for letter, size in zip(spelled, shape, strict=True) if letter not in "YXSC_" and size > 1
    ]
    for place, letter in enumerate(spelled):
        if shape[place] == 1 and letter not in "YXT":
            spelled[place] = "_"
        elif letter == "S" or (letter == "C" and others):
            if shape[place] not in _COLOURS:
                raise AxesError(
                    f"{by} {letters}: {shape[place]} channels are no colours, of which there are 3 or 4; "
                    "save "
                    "each as a recording of its own, or call them frames, T"
                )
            spelled[place] = "S"
    return Axes("".join(spelled), shape)


def understood(shape: Sequence[int], sample: Any = None) -> Axes:
    """Tell axes that nobody has named.

    Axes of length 1 mean nothing. Three are frames, rows and columns, unless the last has a length of 3 or 4,
    or the frames would be slivers and those along the last axis would not, or the picture says otherwise:
    from one frame to the next it changes less than from pixel to pixel. Four are that and colours.

    Parameters
    ----------
    sample
        The array, of which a part is read where only that can tell.

    Raises
    ------
    AxesError
        It cannot be told.
    """
    shape = tuple(shape)
    long = [place for place, size in enumerate(shape) if size != 1]
    letters = ["_"] * len(shape)

    def give(spelled: str) -> Axes:
        # Where a picture has a side of length 1, it is the axes themselves that count.
        places = long if len(long) == len(spelled) else range(len(shape))
        for place, letter in zip(places, spelled, strict=True):
            letters[place] = letter
        return Axes("".join(letters), shape)

    lengths = [shape[place] for place in long]
    if len(shape) == 3 and len(long) < 3 and shape[0] == 1:
        return Axes("TYX", shape)
    if len(long) == 3:
        if lengths[2] in _COLOURS and min(lengths[:2]) > max(_COLOURS):
            return give("YXS")
        return give("YXT" if _frames_are_last(shape, long, sample) else "TYX")
    if len(long) == 4:
        colours = [place for place, size in enumerate(lengths) if size in _COLOURS]
        for place, spelled in ((3, "TYXS"), (1, "TSYX"), (0, "STYX")):
            if colours == [place] or (place in colours and place == 3):
                return give(spelled)
    if len(long) == 2:
        return give("YX")
    if len(shape) in (2, 3) and len(long) < 3:
        return Axes("TYX"[-len(shape) :], shape)
    raise AxesError(
        f"an array of {' x '.join(map(str, shape))} can be read in several ways: say which axis is which "
        "with "
        "--replay.axes, such as TZYX"
    )


def _frames_are_last(shape: tuple[int, ...], long: list[int], sample: Any) -> bool:
    first, rows, last = (shape[place] for place in long)
    as_first, as_last = _is_picture(rows, last), _is_picture(first, rows)
    if as_first != as_last:
        return as_last
    return as_last and sample is not None and _smoother_along_last(shape, long, sample)


def _is_picture(height: int, width: int) -> bool:
    return min(height, width) >= _LEAST_SIDE and max(height, width) <= _MOST_RATIO * min(height, width)


def _smoother_along_last(shape: tuple[int, ...], long: list[int], sample: Any) -> bool:
    """Whether neighbours along the last axis are much more alike than those along the first and second."""
    where: list[Any] = [0] * len(shape)
    for place in long:
        # From the middle, where pictures are not black.
        size = min(shape[place], 32)
        begin = (shape[place] - size) // 2
        where[place] = slice(begin, begin + size)
    part = np.asarray(sample[tuple(where)], np.float64)
    steps = [
        float(np.mean(np.abs(np.diff(part, axis=axis)))) if part.shape[axis] > 1 else 0.0 for axis in range(3)
    ]
    return math.isfinite(sum(steps)) and 0.0 <= steps[2] < _SMOOTHER * min(steps[0], steps[1])
