"""Which Basler cameras there are, and which one the settings choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pypylon import genicam, pylon

from rheed_acquire import CameraError, CameraNotFoundError, DeviceInfo
from rheed_acquire.cameras.genapi.choosing import choose_one, each_once
from rheed_acquire.cameras.genapi.configure import flag
from rheed_acquire_basler.pylon_nodes import reason
from rheed_acquire_basler.settings import BaslerSettings

GIGE = "BaslerGigE"

_IN_USE = re.compile(r"another application|exclusive|in use|already open|access denied", re.IGNORECASE)
_BY = {"serial": "serial", "user_id": "user_id", "ip": "address"}


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A camera as pylon enumerates it: ours to show, pylon's to open, and the class of its transport."""

    info: DeviceInfo
    pylon_info: Any
    device_class: str


def find_all() -> list[FoundDevice]:
    """Enumerate the cameras that pylon sees, each once.

    Raises
    ------
    CameraError
        pylon cannot look for cameras.
    """
    try:
        devices = pylon.TlFactory.GetInstance().EnumerateDevices()
    except genicam.GenericException as error:
        raise CameraError(f"pylon cannot look for cameras: {reason(error)}") from None
    return each_once([_found(device) for device in devices])


def discover() -> list[DeviceInfo]:
    """List the cameras that pylon sees."""
    return [found.info for found in find_all()]


def choose(settings: BaslerSettings) -> FoundDevice:
    """Find the one camera that the settings choose, or the only one.

    Raises
    ------
    CameraNotFoundError
        There is none, or none that fits.
    AmbiguousCameraError
        Several fit.
    """
    found = find_all()
    if not found:
        asked = {name: value for name in _BY if (value := getattr(settings, name)) is not None}
        chosen = " ".join(f"{flag('basler', name)} {value}" for name, value in asked.items())
        wanted = f" ({chosen} was asked for)" if chosen else ""
        raise CameraNotFoundError(
            f"no Basler camera found{wanted}: see that it is powered and connected, that pylon Viewer sees "
            "it, and for GigE that its IP address is in the subnet of this computer's port. To try without "
            "a camera, set PYLON_CAMEMU=1 in the environment"
        )
    return choose_one(found, settings, settings.index, backend="basler", kind="Basler camera", by=_BY)


def open_device(found: FoundDevice) -> Any:
    """Open the camera; return pylon's ``InstantCamera``.

    Raises
    ------
    CameraError
        Another program has it, or it does not answer.
    """
    factory = pylon.TlFactory.GetInstance()
    try:
        if not factory.IsDeviceAccessible(found.pylon_info):
            raise CameraError(_held(found, "another program has it open, or it does not answer"))
        camera = pylon.InstantCamera(factory.CreateDevice(found.pylon_info))
    except genicam.GenericException as error:
        raise CameraError(_unavailable(found, error)) from None
    try:
        camera.Open()
    except genicam.GenericException as error:
        camera.DestroyDevice()
        raise CameraError(_unavailable(found, error)) from None
    return camera


def _unavailable(found: FoundDevice, error: Exception) -> str:
    why = reason(error)
    # pylon has one type of exception for all that can go wrong here, and tells them apart in words only.
    if isinstance(error, genicam.AccessException) or _IN_USE.search(why):
        return _held(found, why)
    return f"{found.info} cannot be opened: {why}"


def _held(found: FoundDevice, why: str) -> str:
    wait = (
        "; after a crash of that program a GigE camera is free again once its heartbeat has timed out, "
        "within a minute or so"
        if found.device_class == GIGE
        else ""
    )
    return f"{found.info} cannot be opened: {why}. Close any other program that uses it (pylon Viewer?){wait}"


def _found(device: Any) -> FoundDevice:
    info = DeviceInfo(
        backend="basler",
        serial=_property(device, "SerialNumber"),
        model=_property(device, "ModelName"),
        vendor=_property(device, "VendorName"),
        user_id=_property(device, "UserDefinedName"),
        address=_property(device, "IpAddress"),
    )
    return FoundDevice(info, device, _property(device, "DeviceClass"))


def _property(device: Any, name: str) -> str:
    available, value = device.GetPropertyValue(name)
    return str(value) if available else ""
