"""Zarr arrays, alone, in a group, or as OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rheed_acquire import CameraError
from rheed_acquire_replay.arrays import ArrayRecording, check_chunks, choose, find_axes
from rheed_acquire_replay.axes import Axes
from rheed_acquire_replay.frame_times import take_period, tell_unused
from rheed_acquire_replay.moments import as_times, seconds_in
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.recording import Recording, reading
from rheed_acquire_replay.zarr_run import ZarrRun

_METADATA = ("zarr.json", ".zgroup", ".zarray")
_TIMES = ("timestamps", "timestamp", "times", "time", "t")


class ZarrArray(ArrayRecording):
    """Any Zarr array of frames."""

    kind: ClassVar[str] = "a Zarr array"

    def __init__(self, path: Path, array: Any, axes: Axes) -> None:
        # Of a sharded array the inner chunks count: one can be read without the rest of its shard.
        inner = axes.frame_axes[-1:]
        super().__init__(path, array, axes, stored=array.chunks[inner[0]] if inner else 1)


def find_zarr(folder: Path) -> Path | None:
    """Find the Zarr group or array that a folder is, or that the folder of a run holds."""
    for candidate in (folder, folder / "frames.zarr"):
        if any((candidate / name).is_file() for name in _METADATA):
            return candidate
    return None


def open_zarr(path: Path, options: Options) -> Recording:
    """Open a Zarr array, or a group that holds one; raises as `open_recording`."""
    with reading(path, "Zarr"):
        import zarr

        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _of(path, node, options, _named_dimensions(node))
        if options.dataset in (None, "frames") and "data_id" in node.attrs:
            if "frames" not in node:
                raise CameraError(f"{path} holds no frame")
            return ZarrRun(path)
        attributes: Mapping[str, Any] = dict(node.attrs)
        pyramid = _pyramid(attributes)
        if pyramid is not None and options.dataset is None:
            letters, level, period_s = pyramid
            array: Any = node[level]
            recording = _of(path, array, options, letters, "OME-Zarr's axes")
            recording.notes["dataset"] = f"{level}, of OME-Zarr"
            if period_s is not None:
                take_period(recording, period_s, recording.axes, "OME-Zarr's scale of time")
            return recording
        arrays = {
            name: member
            for name, member in node.members(max_depth=None)
            if isinstance(member, zarr.Array) and np.dtype(member.dtype).kind in "buif"
        }
        name = choose(path, options.dataset, {name: tuple(array.shape) for name, array in arrays.items()})
        recording = _of(path, arrays[name], options, _named_dimensions(arrays[name]))
        recording.notes["dataset"] = name
        _take_times(recording, arrays, name)
        return recording


def _of(
    path: Path, array: Any, options: Options, letters: str | None, by: str = "the array's axes"
) -> ZarrArray:
    check_chunks(path, array.chunks, np.dtype(array.dtype))
    recording = ZarrArray(path, array, find_axes(path, array.shape, options.axes, letters, by, array))
    rate = array.attrs.get("fps")
    if isinstance(rate, int | float) and rate > 0:
        recording.fps = float(rate)
        recording.notes["rate"] = f"{rate:.6g} frames/s, by the array's attribute fps"
    return recording


def _named_dimensions(array: Any) -> str | None:
    """Give axes by the array's names of its dimensions, where they are those of pictures."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not names or any(not isinstance(name, str) or not name for name in names):
        return None
    known = {
        "time": "T",
        "frame": "T",
        "frames": "T",
        "channel": "C",
        "color": "C",
        "colour": "C",
        "row": "Y",
    }
    known |= {"column": "X", "height": "Y", "width": "X", "rows": "Y", "columns": "X", "t": "T", "c": "C"}
    known |= {"y": "Y", "x": "X", "z": "Z"}
    letters = "".join(known.get(name.lower(), "?") for name in names)
    return (
        letters
        if set("YX") <= set(letters) and letters.isalpha() and len(set(letters)) == len(letters)
        else None
    )


def _pyramid(attributes: Mapping[str, Any]) -> tuple[str | None, str, float | None] | None:
    """Find, in OME-Zarr's metadata (0.4, 0.5), the axes, the level of full size, and the s of a frame."""
    described = attributes.get("ome", attributes)
    scales = described.get("multiscales") if isinstance(described, Mapping) else None
    try:
        first = scales[0]  # type: ignore[index]
        axes = first.get("axes")
        level = first["datasets"][0]
        names = [axis["name"] if isinstance(axis, Mapping) else axis for axis in axes] if axes else []
        letters = "".join(str(name)[:1].upper() for name in names) or None
        period_s = None
        for place, axis in enumerate(axes or ()):
            if not (isinstance(axis, Mapping) and axis.get("type") == "time"):
                continue
            for transformation in level.get("coordinateTransformations", ()):
                if transformation.get("type") != "scale":
                    continue
                step = float(transformation["scale"][place])
                # A step of 1 without a unit is what is written where nothing is known.
                unit = axis.get("unit") or ("second" if step != 1 else "")
                unit_s = seconds_in(str(unit))
                period_s = step * unit_s if unit_s and step > 0 else None
        return letters, str(level["path"]), period_s
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None


def _take_times(recording: Recording, arrays: Mapping[str, Any], name: str) -> None:
    beside = name.rpartition("/")[0]
    there = [f"{beside}/{leaf}".lstrip("/") for leaf in _TIMES]
    there = [other for other in there if other in arrays and other != name]
    for other in there:
        if tuple(arrays[other].shape) != (recording.count,):
            continue
        unit = arrays[other].attrs.get("units") or arrays[other].attrs.get("unit")
        taken = as_times(np.asarray(arrays[other][:]), None if unit is None else str(unit))
        if taken is not None:
            recording.times_ns, captured_ns, how = taken
            recording.notes["times"] = f"of each frame, by {other} ({how})"
            if captured_ns is not None:
                recording.captured_ns = captured_ns
                recording.notes["captured"] = f"by {other}"
            return
    if there:
        tell_unused(recording, there[0], arrays[there[0]].shape)
