"""PFNC pixel formats: the copy into the ring, and what is made of it off the camera's thread.

In the camera's thread frames of every format are copied as they are, by one ``memcpy`` through `memoryview`,
which keeps the GIL: numpy releases it around every operation on more than a few hundred elements, and where
another Python thread is computing, getting it back takes up to one switch interval (5 ms by default). 8-bit
gray is made later, where somebody asks for it, in as few whole-frame calls as can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rheed_acquire.cameras.pixel_formats import (
    UINT8,
    UINT16,
    Layout,
    PixelFormat,
    find_pixel_format,
    frame_layout,
)
from rheed_acquire.errors import SettingsError

Converter: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], None]
"""Called as ``converter(source, destination)``; see `make_converter`, `make_copier`, `make_unpacker` and
`make_leveller`."""

# Luma of ITU-R BT.601 (2.5.1), 0.299 R + 0.587 G + 0.114 B, in 256ths. Their sum is 256, so gray stays gray.
_LUMA = {"R": 77, "G": 150, "B": 29}
_HALF = 128


def make_converter(pixel_format: str, height: int, width: int, bit_shift: int | None = None) -> Converter:
    """Make the function that turns frames of one format and size into 8-bit gray.

    Monochrome samples of more than 8 bits are shifted right, by default so far that the 8 most significant
    bits stay (Mono12: by 4). With `bit_shift` they are shifted by that many bits and what then exceeds 255
    becomes 255; so does, always, a sample with bits above those that its format declares.

    Colour becomes luma, (77 R + 150 G + 29 B + 128) >> 8: the weights of ITU-R BT.601 in 256ths, rounded.
    A Bayer mosaic becomes luma at full resolution: pixel (y, x) is (77 R + 75 G1 + 75 G2 + 29 B + 128) >> 8
    of the 2 x 2 pixels from (y, x) to (y + 1, x + 1), which hold each colour of the mosaic wherever they lie;
    the last row and column repeat their neighbours. No pixel is invented that way, at the price of a shift
    by half a pixel to the upper left and of a blur as wide. Of more than 8 bits luma is made at full depth,
    rounded, and then shifted as monochrome samples are.

    Parameters
    ----------
    pixel_format
        In PFNC spelling.
    height, width
        Of the image, in pixels.
    bit_shift
        How far to shift, 0 to the format's bits - 1; None for the default. Formats of 8 bits take None or 0.

    Returns
    -------
    Converter
        ``converter(source, destination)``. `source` is as `frame_layout` says, with any strides; it is only
        read. `destination` is a C-contiguous (H, W) uint8 array. It raises ValueError where either is not so,
        and allocates nothing of a frame's size. It uses memory of its own: call it from one thread at a time.

    Raises
    ------
    CameraSettingError
        As for `frame_layout`.
    SettingsError
        `bit_shift` does not suit the format.
    ValueError
        Height or width is not positive.
    """
    known = find_pixel_format(pixel_format)
    source_shape, source_dtype = frame_layout(pixel_format, height, width)
    shift = _checked_shift(known, bit_shift)
    if known.colours:
        convert = _coloured_converter(known, height, width, shift)
    elif known.is_packed:
        convert = _packed_converter(known, height, width, shift)
    elif known.bits == 8:
        convert = _copy
    else:
        convert = _narrowing_converter(np.empty((height, width), UINT16), shift)
    shape = (height, width)

    def converter(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
        if source.shape != source_shape or source.dtype != source_dtype:
            raise _other_pixels(known, height, width, source)
        if destination.shape != shape or destination.dtype != UINT8 or not destination.flags.c_contiguous:
            raise ValueError(
                f"the destination must be C-contiguous uint8 of shape {shape}, "
                f"not {destination.dtype} of shape {destination.shape} and strides {destination.strides}"
            )
        convert(source, destination)

    return converter


def make_copier(pixel_format: str, height: int, width: int) -> Converter:
    """Make the function that copies frames of one format and size as they are.

    Returns
    -------
    Converter
        ``copier(source, destination)``, both as `frame_layout` says; the source with any strides, the
        destination C-contiguous. Raises ValueError where the source is not so.

    Raises
    ------
    CameraSettingError
        As for `frame_layout`.
    """
    known = find_pixel_format(pixel_format)
    shape, dtype = frame_layout(pixel_format, height, width)

    def copier(source: NDArray[Any], destination: NDArray[Any]) -> None:
        if source.shape != shape or source.dtype != dtype:
            raise _other_pixels(known, height, width, source)
        _copy(source, destination)

    return copier


def _other_pixels(known: PixelFormat, height: int, width: int, source: NDArray[Any]) -> ValueError:
    shape, dtype = frame_layout(known.name, height, width)
    return ValueError(
        f"{known.name} pixels of {width} x {height} must be {dtype} of shape {shape}, "
        f"not {source.dtype} of shape {source.shape}"
    )


def make_unpacker(pixel_format: str, height: int, width: int) -> Converter:
    """Make the function that gives each sample of a packed frame an element of its own.

    Returns
    -------
    Converter
        ``unpacker(source, destination)``: the payload (bytes,) uint8, and (H, W) uint16 with the value in the
        low bits. It uses memory of its own: call it from one thread at a time.
    """
    return _sample_unpacker(find_pixel_format(pixel_format), height, width)


def make_leveller(pixel_format: str, height: int, width: int) -> Converter:
    """Make the function that gives the gray levels of frames at their own depth.

    Returns
    -------
    Converter
        ``leveller(source, destination)``: a frame as `frame_layout` says, and (H, W) uint8, or uint16 for
        more than 8 bits. Colour and mosaics become luma as in `make_converter`. It uses memory of its own:
        call it from one thread at a time.
    """
    known = find_pixel_format(pixel_format)
    if not known.colours:
        return _sample_unpacker(known, height, width) if known.is_packed else _copy
    luma = (_bayer_converter if known.is_mosaic else _colour_converter)(known, height, width)
    if not known.is_packed:
        return luma
    unpack, samples = _sample_unpacker(known, height, width), np.empty((height, width), UINT16)

    def leveller(source: NDArray[Any], destination: NDArray[Any]) -> None:
        unpack(source, samples)
        luma(samples, destination)

    return leveller


def _sample_unpacker(known: PixelFormat, height: int, width: int) -> Converter:
    unpack = _unpacker(known, height, width)
    down = 16 - known.bits

    def unpacker(source: NDArray[Any], destination: NDArray[Any]) -> None:
        np.right_shift(unpack(source), down, out=destination)

    return unpacker


def check_bit_shift(pixel_format: str, bit_shift: int | None) -> None:
    """Raise `SettingsError` where a shift does not suit the format; see `make_converter`."""
    _checked_shift(find_pixel_format(pixel_format), bit_shift)


def _checked_shift(known: PixelFormat, bit_shift: int | None) -> int:
    if bit_shift is None:
        return known.bits - 8
    if known.bits == 8 and bit_shift != 0:
        raise SettingsError(
            f"--bit-shift {bit_shift}: {known.name} has no more than 8 bits, so there is nothing to shift; "
            "leave it out, or choose a pixel format of more bits"
        )
    if not 0 <= bit_shift < known.bits:
        raise SettingsError(
            f"--bit-shift {bit_shift}: {known.name} has {known.bits} bits; choose 0 to {known.bits - 1}, "
            f"or leave it out for {known.bits - 8}, which keeps the 8 most significant"
        )
    return bit_shift


def _copy(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
    if source.flags.c_contiguous:
        # Not `destination[...] = source`: that gives the GIL away for the time of the copy.
        destination.data.cast("B")[:] = source.data.cast("B")
    else:
        destination[...] = source


def _narrowing_converter(samples: NDArray[np.uint16], shift: int) -> Converter:
    """Samples of uint16 -> uint8; of those above 255 a limited copy is made in `samples`."""
    limit = min((256 << shift) - 1, 0xFFFF)
    # As wide as the image: against a single number numpy's minimum takes five times as long.
    limits = np.full(samples.shape[1], limit, UINT16)

    def convert(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
        # Looking for the maximum takes a quarter of the time that limiting all samples does.
        if limit < 0xFFFF and source.max() > limit:
            source = np.minimum(source, limits, out=samples)
        np.right_shift(source, shift, out=destination, casting="unsafe")

    return convert


def _coloured_converter(known: PixelFormat, height: int, width: int, shift: int) -> Converter:
    """Colour or a mosaic -> uint8 (H, W)."""
    level = make_leveller(known.name, height, width)
    if known.bits == 8:
        return level
    levels = np.empty((height, width), UINT16)
    narrow = _narrowing_converter(levels, shift)

    def convert(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
        level(source, levels)
        narrow(levels, destination)

    return convert


def _packed_converter(known: PixelFormat, height: int, width: int, shift: int) -> Converter:
    """Packed payload (bytes,) -> uint8 (H, W)."""
    if known.layout is Layout.GIGE_PACKED and shift == known.bits - 8:
        return _gige_high_bits
    unpack = _unpacker(known, height, width)
    narrow = _narrowing_converter(np.empty((height, width), UINT16), shift + 16 - known.bits)

    def convert(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
        narrow(unpack(source), destination)

    return convert


def _unpacker(known: PixelFormat, height: int, width: int) -> Callable[[NDArray[Any]], NDArray[np.uint16]]:
    """Packed payload (bytes,) -> (H, W) uint16, samples in the top bits, valid until the next call."""
    pixels = height * width
    word, moves = _UNPACKING[known.layout, known.bits]
    words = np.empty(math.ceil(2 * pixels / word.itemsize), word)
    moved = np.empty_like(words)
    lanes = [(right, moved.view(lane)[::step], words.view(lane)[::step]) for right, lane, step in moves]
    group_bytes = known.bits * word.itemsize // 16
    lead = word.itemsize - group_bytes
    memory = np.zeros(lead + group_bytes * words.size, np.uint8)
    payload = memory[lead:][: math.ceil(known.bits * pixels / 8)]
    groups: NDArray[Any] = np.ndarray(words.shape, word, memory, strides=(group_bytes,))
    samples = words.view(UINT16)[:pixels].reshape(height, width)

    def unpack(source: NDArray[Any]) -> NDArray[np.uint16]:
        _copy(source, payload)
        words[:] = groups
        for right, moved_lane, lane in lanes:
            np.right_shift(words, right, out=moved)
            lane[:] = moved_lane
        return samples

    return unpack


# How packed pixels come to the top bits of a uint16 each; what is left in the bits below has no meaning.
# Words that end with a group of pixels, and begin before it, are gathered in one call; the group's last pixel
# is then in place. The others are moved there: the words are shifted right, and every so many of the smaller
# integers that the result is made of replace those of the words.
_UNPACKING: dict[tuple[Layout, int], tuple[np.dtype[Any], list[tuple[int, str, int]]]] = {
    # Four pixels in five bytes: the first two go to the lower half, then the first of each two.
    (Layout.LSB_PACKED, 10): (np.dtype("<u8"), [(12, "<u4", 2), (6, "<u2", 2)]),
    (Layout.LSB_PACKED, 12): (np.dtype("<u4"), [(4, "<u2", 2)]),
    # Byte 0 has bits 11..4 of the first pixel, byte 2 those of the second, and byte 1 bits 3..0 of the first
    # in its low half and of the second in its high half (Basler racer GigE manual AW001183, 9.2.3).
    (Layout.GIGE_PACKED, 12): (np.dtype("<u4"), [(12, "u1", 4)]),
}


def _gige_high_bits(source: NDArray[np.uint8], destination: NDArray[np.uint8]) -> None:
    flat = destination.reshape(-1)
    flat[0::2] = source[0::3]
    flat[1::2] = source[2::3]


def _room_for_sums(known: PixelFormat) -> Any:
    """Of samples times 256ths."""
    return UINT16 if known.bits == 8 else np.uint32


def _colour_converter(known: PixelFormat, height: int, width: int) -> Converter:
    sums = _room_for_sums(known)
    weights = [_LUMA[colour] for colour in known.colours]
    total = np.empty((height, width), sums)
    term = np.empty((height, width), sums)

    def convert(source: NDArray[Any], destination: NDArray[Any]) -> None:
        np.multiply(source[..., 0], weights[0], out=total, dtype=sums)
        np.add(total, _HALF, out=total)
        for channel in (1, 2):
            np.multiply(source[..., channel], weights[channel], out=term, dtype=sums)
            np.add(total, term, out=total)
        np.right_shift(total, 8, out=destination, casting="unsafe")

    return convert


def _bayer_converter(known: PixelFormat, height: int, width: int) -> Converter:
    # Any 2 x 2 pixels hold one red, one blue and two green, so weighting each pixel by its colour first makes
    # the same sum right at every phase of the mosaic. The two green pixels share the weight.
    sums = _room_for_sums(known)
    share = {colour: weight // known.colours.count(colour) for colour, weight in _LUMA.items()}
    tile = np.array([share[colour] for colour in known.colours], sums).reshape(2, 2)
    weights = tile[:, np.arange(width) % 2]
    weighted = np.empty((height, width), sums)
    # Rows one after the other are added fastest; the pair at the end of each, with a pixel of the next row,
    # ends up in the last column. numpy reads ahead of where it writes, so that in place needs no copy.
    left, right = weighted.reshape(-1)[:-1], weighted.reshape(-1)[1:]
    total, below = weighted[:-1], weighted[1:]

    def convert(source: NDArray[Any], destination: NDArray[Any]) -> None:
        for row in (0, 1):
            np.multiply(source[row::2], weights[row], out=weighted[row::2], dtype=sums)
        np.add(left, right, out=left)
        np.add(total, below, out=total)
        np.add(total, _HALF, out=total)
        np.right_shift(total, 8, out=destination[:-1], casting="unsafe")
        destination[:-1, -1] = destination[:-1, -2]
        destination[-1] = destination[-2]

    return convert
