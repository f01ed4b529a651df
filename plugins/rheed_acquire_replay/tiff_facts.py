"""What a TIFF file says of its frames: depth, rate, times."""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from rheed_acquire_replay.frame_times import take_period, take_times
from rheed_acquire_replay.micro_manager import TAG as MICRO_MANAGER_TAG
from rheed_acquire_replay.micro_manager import image_time_ns
from rheed_acquire_replay.moments import as_times, naive_moment_ns, seconds_in

if TYPE_CHECKING:
    from rheed_acquire_replay.axes import Axes
    from rheed_acquire_replay.recording import Recording

EPICS_EPOCH_S = 631_152_000
"""1990-01-01 in seconds since 1970: from where EPICS counts."""
_PACKED_BITS = (10, 12, 14)
"""Samples that a file packs: read, they are in the low bits of 16."""
_MOSAIC = 32_803
"""The photometric interpretation of a colour filter array."""
_MOST_XML_BYTES = 256 << 20
_EPICS_TAGS = (65002, 65003)
"""Seconds and nanoseconds, as areaDetector's NDFileTIFF writes them."""


def take_facts(recording: Recording, file: Any, series: Any, axes: Axes | None) -> None:
    """Take what the file says of the frames of a series, which lie along the axes."""
    page = series.keyframe
    if page.photometric == _MOSAIC:
        recording.warnings.append(
            "its pixels lie behind a mosaic of colours, and are taken for gray as they are: a raw file is "
            "developed where its name ends in .dng"
        )
    told = told_bits(page)
    if told is not None:
        recording.bits, by = told
        recording.notes["depth"] = f"{recording.bits} bits, {by}"
    if file.is_ome and file.ome_metadata:
        _take_ome(recording, file, _place(file, series), axes)
    elif series.kind == "imagej":
        _take_imagej(recording, file.imagej_metadata or {}, axes)
    elif series.kind == "shaped":
        metadata: tuple[dict[str, Any], ...] = file.shaped_metadata or ({},)
        own = metadata[min(_place(file, series), len(metadata) - 1)]
        rate = _number(own.get("fps"))
        if rate:
            recording.fps = rate
            recording.notes["rate"] = f"{rate:.6g} frames/s, by the file's metadata"
        _take_own_times(recording, own.get("time_unix_ms"))
    if recording.captured_ns is None:
        captured = page_time_ns(page)
        if captured is not None:
            recording.captured_ns, by = captured
            recording.notes["captured"] = f"by {by}"
            if recording.times_ns is None and recording.fps is None:
                _take_page_times(recording, series, by)


def _take_page_times(recording: Recording, series: Any, by: str) -> None:
    """Take the time that each page has, where the second one has one too: looking at all takes long."""
    pages = [page for page in series.pages if page is not None]
    if (
        len(pages) != recording.count
        or len(pages) < 2
        or pages[1].is_virtual
        or page_time_ns(pages[1]) is None
    ):
        return
    times = [page_time_ns(page) for page in pages]
    take_times(recording, [None if time is None else time[0] for time in times], by)


def _take_own_times(recording: Recording, times_ms: Any) -> None:
    """Take what ``show --export`` writes."""
    if not isinstance(times_ms, list) or len(times_ms) != recording.count:
        return
    with contextlib.suppress(TypeError, ValueError):
        taken = as_times(np.array(times_ms, np.float64), "ms")
        if taken is not None:
            recording.times_ns, recording.captured_ns, _ = taken
            recording.notes["times"] = "of each frame, by the file's metadata"
            recording.notes["captured"] = "by the file's metadata"


def page_time_ns(page: Any) -> tuple[int, str] | None:
    """When a page was captured, in nanoseconds since 1970, and by what; None where it does not tell."""
    tags = page.aspage().tags
    seconds, nanoseconds = (tags.get(code) for code in _EPICS_TAGS)
    if seconds is not None and isinstance(seconds.value, int) and seconds.value > 0:
        part = nanoseconds.value if nanoseconds is not None and isinstance(nanoseconds.value, int) else 0
        return (seconds.value + EPICS_EPOCH_S) * 1_000_000_000 + part, "areaDetector's EPICS time"
    by_micro_manager = tags.get(MICRO_MANAGER_TAG)
    if by_micro_manager is not None:
        received_ns = image_time_ns(by_micro_manager.value)
        if received_ns is not None:
            return received_ns, "Micro-Manager"
    stamp = tags.get(306)
    if stamp is not None:
        moment = naive_moment_ns(str(stamp.value))
        if moment is not None:
            return moment, "the tag DateTime, taken for this computer's local time"
    return None


def told_bits(page: Any) -> tuple[int, str] | None:
    """How many bits of a sample are significant, and by what; None where the page does not tell."""
    packed = packed_bits(page)
    if packed is not None:
        return packed, "as they are packed"
    tag = page.tags.get(281)
    value = tag.value if tag is not None else None
    value = max(value) if isinstance(value, tuple) and value else value
    bits = bits_of_greatest(value) if isinstance(value, int) else None
    return None if bits is None else (bits, "by the tag MaxSampleValue")


def bits_of_greatest(value: int) -> int | None:
    """How many bits of a sample of 16 are significant, by MaxSampleValue; None where that does not tell.

    By the letter of TIFF 6.0 it is the greatest value that is used, and some programs write that of a dark
    first picture: it tells a depth only where it is the greatest of one.
    """
    return value.bit_length() if 255 < value < 65_535 and value & (value + 1) == 0 else None


def packed_bits(page: Any) -> int | None:
    """How many bits a page packs a sample into; None where it does not pack them."""
    bits = page.bitspersample
    return bits if bits in _PACKED_BITS else None


def _take_imagej(recording: Recording, metadata: dict[str, Any], axes: Axes | None) -> None:
    interval, rate = _number(metadata.get("finterval")), _number(metadata.get("fps"))
    if interval:
        unit = str(metadata.get("tunit", "sec"))
        take_period(recording, interval * (seconds_in(unit) or 1.0), axes, "ImageJ's finterval")
    elif rate:
        recording.fps = rate
        recording.notes["rate"] = f"{rate:.6g} frames/s, by ImageJ's fps"


def take_set_facts(recording: Recording, path: Path) -> None:
    """Take what one of several OME-TIFF, of a frame each, says of all of them."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if file.is_ome and file.ome_metadata:
            _take_ome(recording, file, 0, None)


def _take_ome(recording: Recording, file: Any, place: int, axes: Axes | None) -> None:
    root = _parsed(file.ome_metadata)
    if root is None:
        return
    elsewhere = next((node.get("MetadataFile") for node in root if _name(node) == "BinaryOnly"), None)
    if elsewhere is not None:
        root = _companion(recording, Path(file.filehandle.dirname), elsewhere)
        if root is None:
            return
    images = [node for node in root.iter() if _name(node) == "Image"]
    if not images:
        return
    image = images[min(place, len(images) - 1)]
    pixels = next((node for node in image if _name(node) == "Pixels"), None)
    if pixels is None:
        return
    bits = pixels.get("SignificantBits", "")
    # All 16 bits is what programs write that know of no depth.
    if bits.isdecimal() and 8 <= int(bits) < 16:
        recording.bits = int(bits)
        recording.notes["depth"] = f"{bits} bits, by OME SignificantBits"
    interval = _number(pixels.get("TimeIncrement"))
    if interval:
        unit_s = seconds_in(pixels.get("TimeIncrementUnit", "s")) or 1.0
        take_period(recording, interval * unit_s, axes, "OME TimeIncrement")
    first_s = _take_delta_t(recording, pixels, axes)
    date = next((node.text for node in image if _name(node) == "AcquisitionDate"), None)
    moment = naive_moment_ns(date or "")
    if moment is not None:
        recording.captured_ns = moment + round(first_s * 1e9)
        recording.notes["captured"] = "by OME AcquisitionDate" + (
            "" if (date or "").endswith("Z") else ", taken for this computer's local time"
        )


def _companion(recording: Recording, folder: Path, name: str) -> Any:
    """Read the file of metadata that lies beside the pixels; say where it is not there."""
    # Of a path only the name counts: what a file says leads nowhere else.
    path = folder / PurePath(name.replace("\\", "/")).name
    root = None
    with contextlib.suppress(OSError):
        if path.stat().st_size <= _MOST_XML_BYTES:
            root = _parsed(path.read_bytes())
    if root is None:
        recording.warnings.append(
            f"its depth, rate and times are told by {path.name}, which is not there or cannot be read; its "
            "frames come in the order of their pages or names"
        )
    return root


def _parsed(text: str | bytes) -> Any:
    try:
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError:
        return None


def _take_delta_t(recording: Recording, pixels: Any, axes: Axes | None) -> float:
    """Take the time of each plane; return that of the first in seconds since the acquisition's date."""
    # Frames follow each other as their axes do, the last of them fastest.
    letters = "TZ" if axes is None else [axes.letters[place] for place in axes.frame_axes]
    times: dict[tuple[int, ...], float] = {}
    for plane in pixels:
        if _name(plane) != "Plane":
            continue
        delta = _number(plane.get("DeltaT"), zero=True)
        if delta is None:
            return 0.0
        place = tuple(int(plane.get(f"The{letter}", "0")) for letter in letters)
        times.setdefault(place, delta * (seconds_in(plane.get("DeltaTUnit", "s")) or 1.0))
    if not times or len(times) != recording.count:
        return 0.0
    seconds = np.array([times[place] for place in sorted(times)])
    recording.times_ns = np.round((seconds - seconds[0]) * 1e9).astype(np.int64)
    recording.notes["times"] = "of each frame, by OME DeltaT"
    return float(seconds[0])


def _place(file: Any, series: Any) -> int:
    return next((place for place, one in enumerate(file.series) if one is series), 0)


def _name(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _number(value: Any, *, zero: bool = False) -> float | None:
    """Read a positive number; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and (number > 0 or (zero and number == 0)) else None
