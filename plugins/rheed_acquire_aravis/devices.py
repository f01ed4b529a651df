"""Which cameras Aravis sees, and which one the settings choose."""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass

from rheed_acquire import CameraNotFoundError, DeviceInfo
from rheed_acquire.cameras.genapi.choosing import choose_one, each_once
from rheed_acquire.cameras.genapi.configure import flag
from rheed_acquire_aravis.library import Library
from rheed_acquire_aravis.settings import AravisSettings

GIGE = "GigEVision"

_BY = ("serial", "model", "vendor", "address")

SEARCHING = threading.Lock()
"""Held while the library's one list of devices is made or read, and while a device of it is opened."""


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A camera as Aravis lists it, or as a user names one that it does not list.

    Attributes
    ----------
    name
        By which the library opens it.
    protocol
        As the library spells it; empty for a camera that is not in the list.
    others
        What was found beside, for the message that this one is not there.
    """

    info: DeviceInfo
    name: str
    protocol: str
    others: tuple[DeviceInfo, ...] = ()


def find_all(library: Library, *, fake: bool) -> list[FoundDevice]:
    """Look for cameras on every network port and USB bus, which takes a second."""
    with SEARCHING:
        (library.arv_enable_interface if fake else library.arv_disable_interface)(b"Fake")
        library.arv_update_device_list()
        return each_once([_found(library, place) for place in range(library.arv_get_n_devices())])


def choose(library: Library, settings: AravisSettings) -> FoundDevice:
    """Find the one camera that the settings choose, or the only one.

    One that an IP address alone chooses is not searched for.

    Raises
    ------
    CameraNotFoundError
        There is none, or none that fits.
    AmbiguousCameraError
        Several fit.
    """
    if settings.address is not None and _is_ip(settings.address) and _chooses(settings) == ["address"]:
        info = DeviceInfo("aravis", address=settings.address)
        return FoundDevice(info, settings.address, "")
    found = find_all(library, fake=settings.fake)
    if settings.user_id is not None:
        # The library opens a device by the name that a user gave it, and does not tell the names.
        info = DeviceInfo("aravis", user_id=settings.user_id)
        return FoundDevice(info, settings.user_id, "", tuple(one.info for one in found))
    if not found:
        chosen = " ".join(f"{flag('aravis', name)} {getattr(settings, name)}" for name in _chooses(settings))
        wanted = f" ({chosen} was asked for)" if chosen else ""
        raise CameraNotFoundError(
            f"no GigE or USB3 camera found by Aravis {library.version}{wanted}: see that it is powered and "
            "connected; for GigE that its address is in the subnet of this computer's port, and that the "
            "firewall lets its answers in; for USB that you may open USB devices (on Linux a udev rule). To "
            f"try without a camera, give {flag('aravis', 'fake')}"
        )
    by = {name: name for name in _BY}
    return choose_one(found, settings, settings.index, backend="aravis", kind="camera", by=by)


def _chooses(settings: AravisSettings) -> list[str]:
    return [name for name in (*_BY, "user_id", "index") if getattr(settings, name) is not None]


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _found(library: Library, place: int) -> FoundDevice:
    def told(what: str) -> str:
        return (getattr(library, f"arv_get_device_{what}")(place) or b"").decode(errors="replace")

    protocol = told("protocol")
    address = "" if protocol == "Fake" else told("address")
    info = DeviceInfo(
        backend="aravis",
        serial=told("serial_nbr"),
        model=told("model"),
        vendor=told("vendor"),
        address=address,
    )
    # Two cameras without serial numbers have one id; of two with one address only one could be reached.
    return FoundDevice(info, address if protocol == GIGE and address else told("id"), protocol)
