"""Which GenICam cameras there are, and which one the settings choose."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from rheed_acquire import AmbiguousCameraError, CameraNotFoundError, DeviceInfo
from rheed_acquire.genapi.configure import flag
from rheed_acquire_genicam.producers import SEARCH_PATH, Lease, Producer, find_producers
from rheed_acquire_genicam.settings import GenicamSettings

logger = logging.getLogger(__name__)

_CHOICES = ("serial", "user_id", "model", "vendor")


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A camera as a producer lists it: ours to show, harvesters' to open, and the use of its producer.

    Whoever has it ends ``lease``.
    """

    info: DeviceInfo
    device: Any
    tl_type: str
    lease: Lease


def discover(settings: GenicamSettings) -> list[DeviceInfo]:
    """List the cameras that the producers see."""
    lease = Lease(find_producers(settings.cti))
    try:
        found = _find_all(lease)
        _warn(lease)
        return [info for info, _, _ in found]
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
        info, device, producer = _choose(lease, settings)
        tl_type = _text(device, "tl_type")
        lease.keep_only(producer)
    except BaseException:
        lease.release()
        raise
    return FoundDevice(info, device, tl_type, lease)


def _choose(lease: Lease, settings: GenicamSettings) -> tuple[DeviceInfo, Any, Producer]:
    found = _find_all(lease)
    asked = {name: value for name in _CHOICES if (value := getattr(settings, name)) is not None}
    chosen = " ".join(f"{flag('genicam', name)} {value}" for name, value in asked.items())
    if not found:
        wanted = f" ({chosen} was asked for)" if chosen else ""
        searched = ", ".join(str(producer.path) for producer in lease.producers)
        looked = f" by {searched}" if searched else ": no GenTL producer can be used"
        raise CameraNotFoundError(
            f"no GenICam camera found{looked}{wanted}. See that it is powered and connected, and that no "
            f"other program has it{_failures(lease)}"
        )
    _warn(lease)
    fitting = [entry for entry in found if all(getattr(entry[0], name) == asked[name] for name in asked)]
    if settings.index is not None:
        index = flag("genicam", "index")
        if settings.index >= len(fitting):
            fit = f" that fit {chosen}" if chosen else ""
            raise CameraNotFoundError(
                f"{index} {settings.index}: there are {len(fitting)} GenICam cameras{fit}: "
                f"{_listed(fitting or found)}{_failures(lease)}"
            )
        return fitting[settings.index]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CameraNotFoundError(
            f"no GenICam camera with {chosen}; there is {_listed(found)}{_failures(lease)}"
        )
    why = f"several GenICam cameras fit {chosen}" if chosen else "several GenICam cameras are there"
    flags = ", ".join(flag("genicam", name) for name in (*_CHOICES, "index"))
    raise AmbiguousCameraError(f"{why}: {_listed(fitting)}; choose one with {flags}")


def _find_all(lease: Lease) -> list[tuple[DeviceInfo, Any, Producer]]:
    """List the cameras; one that several producers see, as two GigE drivers do, counts for the first."""
    found: list[tuple[DeviceInfo, Any, Producer]] = []
    seen: dict[tuple[str, str, str], Producer] = {}
    for producer, device in lease.devices():
        info = DeviceInfo(
            backend="genicam",
            serial=_text(device, "serial_number"),
            model=_text(device, "model"),
            vendor=_text(device, "vendor"),
            user_id=_text(device, "user_defined_name"),
        )
        key = (info.vendor, info.model, info.serial)
        if info.serial and seen.setdefault(key, producer) is not producer:
            logger.info("%s is seen by %s too; the first is used", info, producer.path)
            continue
        found.append((info, device, producer))
    return found


def _text(device: Any, name: str) -> str:
    return str(device.property_dict.get(name) or "")


def _warn(lease: Lease) -> None:
    for failure in lease.failures:
        logger.warning("a GenTL producer cannot be used and is passed over: %s", failure)


def _failures(lease: Lease) -> str:
    listed = "".join(f"\n  cannot be used: {failure}" for failure in lease.failures)
    return f"; of the GenTL producers{listed}" if listed else ""


def _listed(found: list[tuple[DeviceInfo, Any, Producer]]) -> str:
    return "; ".join(str(info) for info, _, _ in found)
