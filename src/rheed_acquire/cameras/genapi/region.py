"""One axis of a camera's region of interest."""

from __future__ import annotations

from typing import Literal

from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.nodes import NodeKind

_FEATURES = {"X": ("Width", "OffsetX", "CenterX"), "Y": ("Height", "OffsetY", "CenterY")}
_SETTINGS = {"X": ("width", "offset_x"), "Y": ("height", "offset_y")}


def set_axis(
    writer: FeatureWriter,
    axis: Literal["X", "Y"],
    flags: tuple[str, str],
    asked: tuple[int | None, int | None],
) -> None:
    """Set size and offset along one axis, whatever the region was before.

    They limit each other (size + offset is at most the sensor's), so the offset goes out of the way first. An
    offset that was not asked for comes back as far as the new size lets it.

    Parameters
    ----------
    flags, asked
        Of the size and of the offset, in pixels; what is None was not asked for.
    """
    size_feature, offset_feature, centring = _FEATURES[axis]
    size_setting, offset_setting = _SETTINGS[axis]
    size, offset = asked
    if offset is not None:
        node = writer.first(centring)
        if node is not None and node.kind is NodeKind.BOOLEAN:
            writer.prepare(centring, False)  # while it is on the offset cannot be set
    if size is not None:
        node = writer.first(offset_feature)
        before = writer.number(offset_feature)
        movable = node is not None and before and writer.force(offset_feature, int(node.limits().minimum))
        writer.put(size_setting, flags[0], (size_feature,), size)
        if offset is None and movable and node is not None and before:
            limits = node.limits()
            steps = limits.increment or 1
            writer.force(offset_feature, min(int(before), int(limits.maximum)) // steps * steps)
    if offset is not None:
        writer.put(offset_setting, flags[1], (offset_feature,), offset)
