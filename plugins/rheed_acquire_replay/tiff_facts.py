"""What a TIFF file says of its frames: depth, rate, times."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from rheed_acquire_replay.frame_times import plain_rate
from rheed_acquire_replay.moments import as_times, naive_moment_ns, seconds_in

if TYPE_CHECKING:
    from rheed_acquire_replay.recording import Recording

EPICS_EPOCH_S = 631_152_000
"""1990-01-01 in seconds since 1970: from where EPICS counts."""
_EPICS_TAGS = (65002, 65003)
"""Seconds and nanoseconds, as areaDetector's NDFileTIFF writes them."""


def take_facts(recording: Recording, file: Any, series: Any) -> None:
    """Take what the file says of the frames of a series."""
    page = series.keyframe
    if recording.bits is None:
        _take_max_sample(recording, page)
    else:
        recording.notes["depth"] = f"{recording.bits} bits, as they are packed"
    if series.kind == "ome" and file.ome_metadata:
        _take_ome(recording, file, series)
    elif series.kind == "imagej":
        _take_imagej(recording, file.imagej_metadata or {})
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
    stamp = tags.get(306)
    if stamp is not None:
        moment = naive_moment_ns(str(stamp.value))
        if moment is not None:
            return moment, "the tag DateTime, taken for this computer's local time"
    return None


def _take_max_sample(recording: Recording, page: Any) -> None:
    tag = page.tags.get(281)
    value = tag.value if tag is not None else None
    value = max(value) if isinstance(value, tuple) and value else value
    if isinstance(value, int) and 255 < value < 65_535:
        recording.bits = value.bit_length()
        recording.notes["depth"] = f"{recording.bits} bits, by the tag MaxSampleValue"


def _take_imagej(recording: Recording, metadata: dict[str, Any]) -> None:
    interval, rate = _number(metadata.get("finterval")), _number(metadata.get("fps"))
    if interval:
        unit = str(metadata.get("tunit", "sec"))
        recording.fps = plain_rate(1.0 / (interval * (seconds_in(unit) or 1.0)))
        recording.notes["rate"] = f"{recording.fps:.6g} frames/s, by ImageJ's finterval"
    elif rate:
        recording.fps = rate
        recording.notes["rate"] = f"{rate:.6g} frames/s, by ImageJ's fps"


def _take_ome(recording: Recording, file: Any, series: Any) -> None:
    try:
        root = ElementTree.fromstring(file.ome_metadata)  # noqa: S314
    except ElementTree.ParseError:
        return
    images = [node for node in root.iter() if _name(node) == "Image"]
    if not images:
        return
    image = images[min(_place(file, series), len(images) - 1)]
    pixels = next((node for node in image if _name(node) == "Pixels"), None)
    if pixels is None:
        return
    bits = pixels.get("SignificantBits", "")
    if bits.isdecimal() and 8 <= int(bits) <= 16:
        recording.bits = int(bits)
        recording.notes["depth"] = f"{bits} bits, by OME SignificantBits"
    interval = _number(pixels.get("TimeIncrement"))
    if interval:
        recording.fps = plain_rate(
            1.0 / (interval * (seconds_in(pixels.get("TimeIncrementUnit", "s")) or 1.0))
        )
        recording.notes["rate"] = f"{recording.fps:.6g} frames/s, by OME TimeIncrement"
    first_s = _take_delta_t(recording, pixels)
    date = next((node.text for node in image if _name(node) == "AcquisitionDate"), None)
    moment = naive_moment_ns(date or "")
    if moment is not None:
        recording.captured_ns = moment + round(first_s * 1e9)
        recording.notes["captured"] = "by OME AcquisitionDate" + (
            "" if (date or "").endswith("Z") else ", taken for this computer's local time"
        )


def _take_delta_t(recording: Recording, pixels: Any) -> float:
    """Take the time of each plane; return that of the first in seconds since the acquisition's date."""
    times: dict[tuple[int, int], float] = {}
    for plane in pixels:
        if _name(plane) != "Plane":
            continue
        delta = _number(plane.get("DeltaT"), zero=True)
        if delta is None:
            return 0.0
        place = int(plane.get("TheT", "0")), int(plane.get("TheZ", "0"))
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
