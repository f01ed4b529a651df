"""One opened device: its features, whether it is still ours, and how it is given back."""

from __future__ import annotations

import logging
from dataclasses import replace

from rheed_acquire import CameraError, CameraNotFoundError, DeviceInfo
from rheed_acquire_aravis.devices import SEARCHING, FoundDevice
from rheed_acquire_aravis.functions import (
    CONTROL_LOST_HANDLER,
    DEVICE_ACCESS_DENIED,
    DEVICE_BUSY,
    DEVICE_ERROR,
    DEVICE_NOT_CONTROLLER,
    DEVICE_NOT_FOUND,
)
from rheed_acquire_aravis.library import AravisError, Library
from rheed_acquire_aravis.nodes import AravisNodeMap

logger = logging.getLogger(__name__)

_HELD_BY_ANOTHER = (DEVICE_NOT_CONTROLLER, DEVICE_ACCESS_DENIED, DEVICE_BUSY)


class Connection:
    """An opened device.

    Parameters
    ----------
    library
        That opens it.
    found
        What to open.

    Attributes
    ----------
    info
        What is known of the device, also where it was named by a user and not found by a search.
    camera, device
        An ``ArvCamera`` and its ``ArvDevice``.
    is_gige, is_usb
        Whether it is a GigE Vision or a USB3 Vision camera; Aravis's fake one is neither.
    lost
        Whether the library has lost the control of the device, which it tells from a thread of its own.

    Raises
    ------
    CameraNotFoundError
        No device answers to the name.
    CameraError
        Another program has the device, or it does not answer.
    """

    def __init__(self, library: Library, found: FoundDevice) -> None:
        self.library, self.info = library, found.info
        self.lost = False
        with SEARCHING:
            self.camera: int | None = _open(library, found)
        try:
            self.device: int = library.arv_camera_get_device(self.camera)
            self.is_gige = bool(library.arv_camera_is_gv_device(self.camera))
            self.is_usb = bool(library.arv_camera_is_uv_device(self.camera))
            if not found.protocol:
                self.info = self._who_it_is()
            self._check_control()
            self.nodes = AravisNodeMap(library, self.device)
            # The handler must be there as long as the device is.
            self._on_control_lost = CONTROL_LOST_HANDLER(self._control_lost)
            self._handler = library.g_signal_connect_data(
                self.device, b"control-lost", self._on_control_lost, None, None, 0
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the device back; a second time does nothing."""
        camera, self.camera = self.camera, None
        if camera is None:
            return
        if hasattr(self, "_handler"):
            self.library.g_signal_handler_disconnect(self.device, self._handler)
        self.library.g_object_unref(camera)

    def _check_control(self) -> None:
        if self.is_gige and not self.library.arv_gv_device_is_controller(self.device):
            raise CameraError(_held(self.info, "another program controls it"))

    def _control_lost(self, device: int, data: int) -> None:  # noqa: ARG002 - the signal's signature
        self.lost = True

    def _who_it_is(self) -> DeviceInfo:
        def told(what: str) -> str:
            try:
                text = getattr(self.library, f"arv_camera_get_{what}")(self.camera)
            except AravisError as error:
                logger.debug("no %s of %s: %s", what, self.info, error)
                return ""
            return (text or b"").decode(errors="replace")

        return replace(
            self.info,
            serial=told("device_serial_number"),
            model=told("model_name"),
            vendor=told("vendor_name"),
        )


def _open(library: Library, found: FoundDevice) -> int:
    try:
        camera: int | None = library.arv_camera_new(found.name.encode())
    except AravisError as error:
        if error.domain == DEVICE_ERROR and error.code == DEVICE_NOT_FOUND:
            there = "; ".join(str(info) for info in found.others)
            listed = f"; there is {there}" if there else ""
            raise CameraNotFoundError(f"no camera answers to {found.name}: {error}{listed}") from None
        if error.domain == DEVICE_ERROR and error.code in _HELD_BY_ANOTHER:
            raise CameraError(_held(found.info, str(error))) from None
        raise CameraError(f"{found.info} cannot be opened: {error}{_usb_hint(found)}") from None
    if camera is None:
        raise CameraError(f"{found.info} cannot be opened: Aravis does not say why")
    return camera


def _usb_hint(found: FoundDevice) -> str:
    if found.protocol != "USB3Vision":
        return ""
    return ". See that no other program has it, and that you may open USB devices (on Linux a udev rule)"


def _held(info: DeviceInfo, why: str) -> str:
    return (
        f"{info} cannot be opened: {why}. Close any other program that uses it; after a crash of that "
        "program a GigE camera is free again once its heartbeat has timed out"
    )
