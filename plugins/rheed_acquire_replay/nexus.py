"""What NeXus says of an HDF5 file: which dataset is the one to plot, when it was begun, and along what.

Source: https://manual.nexusformat.org/datarules.html, "Find the plottable data".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rheed_acquire_replay.hdf5_attributes import attribute
from rheed_acquire_replay.moments import naive_moment_ns

_MOST_STEPS = 8
"""From a default to the next."""
_MOST_TEXT = 256


def signal(file: Any) -> Any:
    """Find the dataset that a file says is to be plotted; None where it says none or several."""
    import h5py

    node = file
    for _ in range(_MOST_STEPS):
        default = _text(attribute(node, "default"))
        if not default or not isinstance(node, h5py.Group) or default not in node:
            break
        node = node[default]
    found = list(_signals(node))
    if not found:
        file.visititems(lambda _, item: found.extend(_signals(item)))
    return found[0] if found and all(one == found[0] for one in found) else None


def _signals(item: Any) -> Iterator[Any]:
    import h5py

    if isinstance(item, h5py.Dataset):
        if _text(attribute(item, "signal")) == "1" and len(item.shape or ()) > 1:
            yield item
    elif _text(attribute(item, "NX_class")) == "NXdata":
        one = item.get(_text(attribute(item, "signal")) or "", None)
        if isinstance(one, h5py.Dataset) and len(one.shape or ()) > 1:
            yield one


def first_axis(dataset: Any) -> str | None:
    """The name of the dataset that an NXdata says its signal's first axis is along."""
    axes = attribute(dataset.parent, "axes")
    if axes is None or isinstance(axes, bytes | str):
        return _text(axes)
    return next((_text(axis) for axis in axes), None)


def start_ns(dataset: Any) -> int | None:
    """When the entry of a dataset was begun, in nanoseconds since 1970 in UTC; None where nothing tells."""
    group = dataset.parent
    for _ in range(_MOST_STEPS):
        if "start_time" in group:
            try:
                told = group["start_time"]
                return naive_moment_ns(_text(told[()]) or "") if _is_short(told) else None
            except (OSError, TypeError, KeyError):
                return None
        if group.name == "/":
            return None
        group = group.parent
    return None


def _is_short(told: Any) -> bool:
    """Whether a text is as short as a date: HDF5 takes memory for any length that a damaged one claims."""
    import h5py

    kind = h5py.check_string_dtype(told.dtype)
    if kind is None or told.size != 1:
        return False
    if kind.length is not None:
        return bool(kind.length <= _MOST_TEXT)
    at = told.id.get_offset()
    if at is None:
        return False
    with open(told.file.filename, "rb") as file:  # noqa: PTH123
        file.seek(at)
        # Of a text of any length the length comes first.
        return int.from_bytes(file.read(4), "little") <= _MOST_TEXT


def _text(value: Any) -> str | None:
    """Text, however h5py gives it; None for none."""
    if hasattr(value, "reshape"):
        value = value.reshape(-1)[0] if value.size else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
