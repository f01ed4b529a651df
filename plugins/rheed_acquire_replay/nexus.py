"""What NeXus says of an HDF5 file: which dataset is the one to plot, when it was begun, and along what.

Source: https://manual.nexusformat.org/datarules.html, "Find the plottable data".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rheed_acquire_replay.hdf5_attributes import attribute
from rheed_acquire_replay.hdf5_texts import texts
from rheed_acquire_replay.moments import naive_moment_ns

_MOST_STEPS = 8
"""From a default to the next."""


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
                told = texts(group["start_time"], 1)
                return naive_moment_ns(told[0]) if told else None
            except (OSError, TypeError, KeyError, AttributeError):
                return None
        if group.name == "/":
            return None
        group = group.parent
    return None


def _text(value: Any) -> str | None:
    """Text, however h5py gives it; None for none."""
    if hasattr(value, "reshape"):
        value = value.reshape(-1)[0] if value.size else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
