"""Which GenICam cameras there are, and which one the settings choose."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from rheed_acquire import CameraNotFoundError, DeviceInfo
from rheed_acquire.cameras.genapi.choosing import choose_one, each_once
from rheed_acquire.cameras.genapi.configure import flag
from rheed_acquire_genicam.producers import SEARCH_PATH, Lease, Producer, find_producers
from rheed_acquire_genicam.settings import GenicamSettings

logger = logging.getLogger(__name__)

_BY = ("serial", "user_id", "model", "vendor")


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A camera as a producer lists it: ours to show, harvesters' to open, and the use of its producer.

    Whoever has it ends ``lease``.
    """

    info: DeviceInfo
    device: Any
    tl_type: str
    lease: Lease


@dataclass(frozen=True, slots=True)
class _Listed:
    """A camera in a producer's list."""

    info: DeviceInfo
    device: Any
    producer: Producer


def discover(settings: GenicamSettings) -> list[DeviceInfo]:
    """List the cameras that the producers see."""
    lease = Lease(find_producers(settings.cti))
    try:
        found = _find_all(lease)
        _warn(lease)
        return [listed.info for listed in found]
    finally:
        lease.release()


def choose(settings: GenicamSettings) -> FoundDevice:
    """Find the one camera that the settings choose, or the only one.

    Raises
    ------
    CameraNotFoundError
        There is no producer, no camera, or none that fits.
    AmbiguousCameraError
        Several fit.
    """
    paths = find_producers(settings.cti)
    if not paths:
        raise CameraNotFoundError(
            "no GenTL producer found: install the camera vendor's GenTL driver, or name its .cti file with "
            f"{flag('genicam', 'cti')} or its folder in {SEARCH_PATH}"
        )
    lease = Lease(paths)
    try:
        listed = _choose(lease, settings)
        tl_type = _text(listed.device, "tl_type")
        lease.keep_only(listed.producer)
    except BaseException:
        lease.release()
        raise
    return FoundDevice(listed.info, listed.device, tl_type, lease)


def _choose(lease: Lease, settings: GenicamSettings) -> _Listed:
    found = _find_all(lease)
    if not found:
        asked = {name: value for name in _BY if (value := getattr(settings, name)) is not None}
        chosen = " ".join(f"{flag('genicam', name)} {value}" for name, value in asked.items())
        wanted = f" ({chosen} was asked for)" if chosen else ""
        searched = ", ".join(str(producer.path) for producer in lease.producers)
        looked = f" by {searched}" if searched else ": no GenTL producer can be used"
        raise CameraNotFoundError(
            f"no GenICam camera found{looked}{wanted}. See that it is powered and connected, and that no "
            f"other program has it{_failures(lease)}"
        )
    _warn(lease)
    return choose_one(
        found,
        settings,
        settings.index,
        backend="genicam",
        kind="GenICam camera",
        by={name: name for name in _BY},
        also=_failures(lease),
    )


def _find_all(lease: Lease) -> list[_Listed]:
    """List the cameras; one that several producers see, as two GigE drivers do, counts for the first."""
    found = []
    for producer, device in lease.devices():
        info = DeviceInfo(
            backend="genicam",
            serial=_text(device, "serial_number"),
            model=_text(device, "model"),
            vendor=_text(device, "vendor"),
            user_id=_text(device, "user_defined_name"),
        )
        found.append(_Listed(info, device, producer))
    once = each_once(found)
    for listed in found:
        if not any(listed is kept for kept in once):
            logger.info("%s is seen by %s too; the first is used", listed.info, listed.producer.path)
    return once


def _text(device: Any, name: str) -> str:
    return str(device.property_dict.get(name) or "")


def _warn(lease: Lease) -> None:
    for failure in lease.failures:
        logger.warning("a GenTL producer cannot be used and is passed over: %s", failure)


def _failures(lease: Lease) -> str:
    listed = "".join(f"\n  cannot be used: {failure}" for failure in lease.failures)
    return f"; of the GenTL producers{listed}" if listed else ""
