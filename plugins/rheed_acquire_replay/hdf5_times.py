"""When the frames of an HDF5 file were captured, and how fast, by what lies beside them."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from rheed_acquire_replay.frame_times import tell_unused
from rheed_acquire_replay.hdf5_attributes import attribute
from rheed_acquire_replay.hdf5_texts import is_text, texts
from rheed_acquire_replay.moments import as_times, seconds_in
from rheed_acquire_replay.nexus import first_axis, start_ns
from rheed_acquire_replay.recording import Recording
from rheed_acquire_replay.tiff_facts import EPICS_EPOCH_S

_RATES = ("fps", "frame_rate", "framerate", "FrameRate", "frames_per_second", "AcquisitionFrameRate")
TIMES = (
    "NDArrayTimeStamp",
    "timestamps",
    "timestamp",
    "frame_times",
    "frame_timestamps",
    "time_stamps",
    "times",
    "time",
    "t",
)
"""What a dataset of one number for each frame is called where those are times, in lower or upper case."""
TIME_NAMES = frozenset(leaf.lower() for leaf in TIMES)
EPICS = ("NDArrayEpicsTSSec", "NDArrayEpicsTSnSec")
"""areaDetector's times: seconds since 1990, and nanoseconds."""
_UNIQUE_ID = "NDArrayUniqueId"
_UNITS = ("units", "unit", "Units")


def take_times(recording: Recording, found: dict[str, Any], name: str, count: int) -> None:
    """Take one number for each frame that lies beside them or among areaDetector's attributes.

    ``count`` is how many frames there is room for.
    """
    beside = name.rpartition("/")[0]
    begun_ns = start_ns(found[name])
    if begun_ns is not None:
        recording.captured_ns = begun_ns
        recording.notes["captured"] = "by start_time"
    fitting = {
        other: dataset
        for other, dataset in found.items()
        if other != name and dataset.shape in ((count,), (count, 1), (1, count))
    }
    by_leaf: dict[str, str] = {}
    for other in sorted(fitting, key=lambda one: one.rpartition("/")[0] != beside):
        by_leaf.setdefault(other.rpartition("/")[2], other)
    _tell_jumps(recording, fitting.get(by_leaf.get(_UNIQUE_ID, "")))
    if all(leaf in by_leaf for leaf in EPICS):
        second, nanosecond = (
            np.asarray(_values(fitting[by_leaf[leaf]], recording), np.int64) for leaf in EPICS
        )
        taken = second * 1_000_000_000 + nanosecond
        if (np.diff(taken) > 0).all():  # else a driver without EPICS times
            keep_times(recording, taken, "ns", by_leaf[EPICS[0]], EPICS_EPOCH_S)
            return
    lower = {leaf.lower(): other for leaf, other in by_leaf.items()}
    along = fitting.get(by_leaf.get(first_axis(found[name]) or "", ""))
    if (
        along is not None
        and seconds_in(unit_of(along) or "") is not None
        and keep_times(recording, _values(along, recording), unit_of(along), along.name.lstrip("/"), 0)
    ):
        return
    for leaf in TIMES:
        if leaf.lower() not in lower:
            continue
        other = lower[leaf.lower()]
        dataset = fitting[other]
        unit = unit_of(dataset)
        epics = leaf == "NDArrayTimeStamp"
        epoch_s = EPICS_EPOCH_S if epics else 0
        if keep_times(recording, _values(dataset, recording), "s" if epics else unit, other, epoch_s):
            return
    _tell_unused(recording, found, name, beside)


def _values(dataset: Any, recording: Recording) -> Any:
    """One number or text for each frame; none where texts are longer than dates."""
    if is_text(dataset):
        return np.array(texts(dataset, recording.count or 0) or [], np.str_)
    taken = dataset[: recording.count] if dataset.ndim == 1 else dataset[()].reshape(-1)[: recording.count]
    return np.asarray(taken).reshape(-1)


def _tell_unused(recording: Recording, found: dict[str, Any], name: str, beside: str) -> None:
    """Say of what lies beside frames and is called times that it is not taken for theirs."""
    for other, dataset in found.items():
        folder, _, leaf = other.rpartition("/")
        if folder == beside and other != name and leaf.lower() in TIME_NAMES and dataset.size > 1:
            tell_unused(recording, other, dataset.shape)
            return


def unit_of(dataset: Any) -> str | None:
    """Give the unit that a dataset says its numbers have."""
    return next((_text(told) for key in _UNITS if (told := attribute(dataset, key)) is not None), None)


def _tell_jumps(recording: Recording, numbers: Any) -> None:
    """Say where areaDetector's numbers of the frames jump."""
    if numbers is None or numbers.dtype.kind not in "ui":
        return
    steps = np.diff(np.asarray(numbers[: recording.count], np.int64).reshape(-1))
    missing = int((steps[steps > 1] - 1).sum())
    if missing and (steps > 0).all():
        recording.warnings.append(
            f"the camera's numbers of its frames ({_UNIQUE_ID}) jump {int((steps > 1).sum())} times: "
            f"{missing} frames may be missing"
        )


def keep_times(recording: Recording, values: Any, unit: str | None, name: str, epoch_s: int) -> bool:
    """Let a recording have the times that numbers or texts mean; whether they mean any."""
    taken = as_times(values, unit, epoch_s)
    if taken is None:
        return False
    recording.times_ns, captured_ns, how = taken
    recording.notes["times"] = f"of each frame, by {name} ({how})"
    if captured_ns is not None:
        recording.captured_ns = captured_ns
        recording.notes["captured"] = f"by {name}"
    return True


def take_rate(recording: Recording, dataset: Any) -> None:
    """Take the rate that an attribute tells."""
    for holder, where in (
        (dataset, "the dataset"),
        (dataset.parent, "its group"),
        (dataset.file, "the file"),
    ):
        for key in _RATES:
            told = attribute(holder, key)
            if told is None:
                continue
            with contextlib.suppress(TypeError, ValueError):
                rate = float(np.asarray(told).reshape(-1)[0])
                if np.isfinite(rate) and rate > 0:
                    recording.fps = rate
                    recording.notes["rate"] = f"{rate:.6g} frames/s, by the attribute {key} of {where}"
                    return


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
