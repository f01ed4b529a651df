"""Exposure and gain of a GenICam camera changed while it streams: all that is asked for, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.cameras.genapi.configure import GAIN, put_exposure, put_gain
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate import exposure_us
from rheed_acquire.cameras.genapi.frame_rate_nodes import frame_rate_resulting
from rheed_acquire.cameras.genapi.nodes import NodeMap, NodeRefusalError

_AUTOMATIC = ("ExposureAuto", "GainAuto")
_SLOWER = 0.99
"""A rate below so much of the declared one is another rate."""


def adjust(nodes: NodeMap, device: str, fps: float | None, changes: Mapping[str, float]) -> dict[str, float]:
    """Change ``exposure_us`` and ``gain`` of a camera, and say what it holds then; see `Camera.adjust`.

    Parameters
    ----------
    nodes
        The device's features.
    device
        As messages name it.
    fps
        Frames per second that were declared; None where only a trigger knows.

    Raises
    ------
    CameraSettingError
        The camera refuses a value, or would give fewer frames; the message names its bounds. It is as before.
    CameraError
        It does not answer.
    """
    if fps is not None and changes.get("exposure_us", 0.0) * fps * _SLOWER > 1e6:
        raise CameraSettingError(
            f"{device} refuses exposure_us {changes['exposure_us']:g}: at {fps:.6g} frames/s it is at most "
            f"{1e6 / fps:.10g}"
        )
    try:
        return _adjusted(nodes, device, fps, changes)
    except NodeRefusalError as error:
        raise CameraError(f"{device} cannot be adjusted: {error}") from error


def _adjusted(
    nodes: NodeMap, device: str, fps: float | None, changes: Mapping[str, float]
) -> dict[str, float]:
    before = present(FeatureWriter(nodes))
    automatic = {name: FeatureWriter(nodes).value(name) for name in _AUTOMATIC}
    writer = _put(nodes, changes)
    rate = frame_rate_resulting(writer)
    is_slower = rate is not None and fps is not None and rate < _SLOWER * fps
    if not writer.problems and not is_slower:
        return {name: value for name, value in present(writer).items() if name in changes}
    _put(nodes, {name: before[name] for name in changes if name in before})
    for name, value in automatic.items():
        if value is not None:
            writer.force(name, value)
    writer.raise_problems(device)
    asked = ", ".join(f"{name} {value:g}" for name, value in changes.items())
    raise CameraSettingError(f"{device} refuses {asked}: it would give {rate:.6g} frames/s, not {fps:.6g}")


def present(writer: FeatureWriter) -> dict[str, float]:
    """Read exposure and gain as they are now, of these what the camera has."""
    found = {"exposure_us": exposure_us(writer), "gain": writer.number(*GAIN)}
    return {name: value for name, value in found.items() if value is not None}


def _put(nodes: NodeMap, changes: Mapping[str, float]) -> FeatureWriter:
    writer = FeatureWriter(nodes)
    if "exposure_us" in changes:
        put_exposure(writer, "exposure_us", changes["exposure_us"])
    if "gain" in changes:
        put_gain(writer, "gain", changes["gain"])
    return writer
