"""Pictures in files of their own: one frame each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_replay.ksa import KsaFrames
from rheed_acquire_replay.moments import EARLIEST_S, LATEST_S, naive_moment_ns
from rheed_acquire_replay.netpbm import decode_netpbm
from rheed_acquire_replay.orientation import exif_orientation, oriented
from rheed_acquire_replay.recording import MOST_PIXELS, reading
from rheed_acquire_replay.tiff import decode_page
from rheed_acquire_replay.tiff_facts import page_time_ns, told_bits

if TYPE_CHECKING:
    from PIL import Image as PillowImage

_COMMON = ("BMP", "JPEG", "PNG", "PPM")
_FORMATS = {
    ".webp": ("WEBP",),
    ".jp2": ("JPEG2000",),
    ".j2k": ("JPEG2000",),
    ".tga": ("TGA",),
    ".gif": ("GIF",),
}
"""Pillow's decoders that are tried on a file, by its name; on others the common ones."""
_MOVING = ("GIF", "PNG", "WEBP")
_DATES = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012))
"""EXIF: taken and digitised, each with its fraction of a second and its offset from UTC."""
_DEEP_COLOURS = (2, 4, 6)
"""Colour types of PNG that pillow cuts down to 8 bits: RGB, gray with opacity, RGB with opacity."""


PILLOW_SUFFIXES = (".bmp", ".jpg", ".jpeg", ".png", ".webp", ".jp2", ".j2k", ".tga")
NETPBM_SUFFIXES = (".pgm", ".ppm", ".pnm")
RAW_SUFFIXES = (
    *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".raf", ".rw2", ".rwl", ".orf", ".pef"),
    *(".srw", ".3fr", ".iiq", ".kdc", ".dcr", ".erf", ".mef", ".mos", ".mrw"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    pixels
        (H, W), or (H, W, 3) or (H, W, 4).
    bits
        Significant bits of a sample, where the file tells, and by what.
    captured_ns
        When it was captured, in nanoseconds since 1970 in UTC, where the file tells, and by what.
    """

    pixels: NDArray[Any]
    bits: tuple[int, str] | None = None
    captured_ns: tuple[int, str] | None = None


def decode(path: Path) -> Picture:
    """Decode the picture of a file, the way up that the file says.

    Raises
    ------
    CameraError
        It cannot be read, or holds several pictures.
    """
    with reading(path, "an image"):
        return DECODERS.get(path.suffix.lower(), _decode_with_pillow)(path)


def _decode_tiff(path: Path) -> Picture:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise CameraError(f"{path} holds {len(file.pages)} pages: a stack is replayed by itself")
        page = file.pages[0]
        return Picture(decode_page(page), told_bits(page), page_time_ns(page))


def _decode_netpbm(path: Path) -> Picture:
    pixels, bits = decode_netpbm(path.read_bytes())
    return Picture(pixels, None if bits is None else (bits, "by the greatest value in its header"))


def pillow_formats(path: Path) -> tuple[str, ...]:
    """Which of pillow's decoders are tried on a file: no others, whatever is in it."""
    return _FORMATS.get(path.suffix.lower(), _COMMON)


def _decode_with_pillow(path: Path) -> Picture:
    from PIL import Image

    with Image.open(path, formats=pillow_formats(path)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels")
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format in _MOVING:
            raise CameraError(f"{path} holds {count} pictures in one: convert it to a GIF or a video")
        exif = image.getexif()
        captured = exif_time_ns(exif)
        pixels = _deep_png(path) if image.format == "PNG" else None
        if image.format == "JPEG2000":  # of which pillow spreads the samples over 16 bits
            import imagecodecs

            pixels = np.asarray(imagecodecs.jpeg2k_decode(path.read_bytes()))
        pixels = _pixels(image) if pixels is None else pixels
    return Picture(oriented(pixels, exif_orientation(exif)), None, captured)


def _deep_png(path: Path) -> NDArray[Any] | None:
    """Decode a PNG of 16 bits that has colours or opacity; None for any other."""
    with path.open("rb") as file:
        head = file.read(26)
    if len(head) < 26 or head[24] != 16 or head[25] not in _DEEP_COLOURS:
        return None
    import imagecodecs

    pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 2 else pixels


def _pixels(image: PillowImage.Image) -> NDArray[Any]:
    if image.mode in ("1", "LA"):
        return np.asarray(image.convert("L"))
    if image.mode == "I":
        return np.asarray(image)
    if image.mode not in ("P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr"):
        return np.asarray(image)
    colours = np.asarray(image.convert("RGB"))
    # BMP keeps gray as a palette, which pillow recognises only where it is the full ramp.
    gray = image.mode in ("P", "PA") and bool((colours == colours[..., :1]).all())
    return colours[..., 0] if gray else colours


def exif_time_ns(exif: Any) -> tuple[int, str] | None:
    """When a picture was captured, in nanoseconds since 1970, and by what; None where EXIF does not tell."""
    details = exif.get_ifd(0x8769)
    for date, fraction, zone in _DATES:
        moment = _moment(details.get(date), details.get(fraction), details.get(zone))
        if moment is not None:
            return moment
    return _moment(exif.get(306), details.get(0x9290), details.get(0x9010))


def _moment(date: object, fraction: object, zone: object) -> tuple[int, str] | None:
    if not isinstance(date, str):
        return None
    text = date.strip("\0 ")
    digits = fraction.strip("\0 ") if isinstance(fraction, str) else ""
    text += f".{digits}" if digits.isdecimal() else ""
    known = isinstance(zone, str) and zone.strip("\0 ")
    moment = naive_moment_ns(text + (str(zone).strip("\0 ") if known else ""))
    return (
        None
        if moment is None
        else (moment, "EXIF" + ("" if known else ", taken for this computer's local time"))
    )


def _decode_ksa(path: Path) -> Picture:
    frames = KsaFrames(path)
    if frames.count != 1:
        raise CameraError(f"{path} holds {frames.count} frames: it is replayed by itself")
    (block,) = frames.blocks(0, 1)
    return Picture(
        block.pixels[0], None if frames.bits is None else (frames.bits, "by the header (inferred)")
    )


def _decode_raw(path: Path) -> Picture:
    """Develop a camera's raw picture: linear, no brightening, the colours weighed as the camera did."""
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            if raw.sizes.raw_width * raw.sizes.raw_height > MOST_PIXELS:
                raise ValueError(f"it has {raw.sizes.raw_width} x {raw.sizes.raw_height} pixels")
            moment = getattr(raw, "other", None)  # rawpy before 0.25 has none
            second = 0 if moment is None else _second_of(moment.timestamp)
            pixels = raw.postprocess(gamma=(1, 1), no_auto_bright=True, output_bps=16, use_camera_wb=True)
    except rawpy.LibRawError as error:
        raise ValueError(b" ".join(error.args).decode("utf-8", "replace")) from error
    dated = EARLIEST_S <= second <= LATEST_S
    by = "the date in the raw file, in whole seconds, taken for this computer's local time"
    depth = (16, "linear, as LibRaw develops it")
    return Picture(np.asarray(pixels), depth, (second * 1_000_000_000, by) if dated else None)


def _second_of(local: datetime) -> int:
    """Seconds since 1970 of a local time; 0 for none, for which Windows has no local time at all."""
    try:
        return round(local.timestamp())
    except (OSError, OverflowError, ValueError):
        return 0


DECODERS: dict[str, Callable[[Path], Picture]] = {
    **dict.fromkeys((".tif", ".tiff"), _decode_tiff),
    **dict.fromkeys(PILLOW_SUFFIXES, _decode_with_pillow),
    **dict.fromkeys(NETPBM_SUFFIXES, _decode_netpbm),
    ".img": _decode_ksa,
    **dict.fromkeys(RAW_SUFFIXES, _decode_raw),
}
"""By what a file's name ends in."""
