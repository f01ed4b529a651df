"""GenTL producers: where they lie, and one opening of each, shared by all cameras of the process.

The GenTL standard lets a process initialise a producer once (GCInitLib says "resource in use" the second
time), so a Harvester per camera, each with producers of its own, could not open two cameras; and one
Harvester for all would invalidate every camera in use whenever it looks for new ones. So the producers are
opened here, counted, and each camera gets a Harvester without producers, which makes its acquirer and nothing
else.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rheed_acquire_genicam.loading import loadable
from rheed_acquire_genicam.sdk import SDK_ERRORS, core, gentl, reason

logger = logging.getLogger(__name__)

SEARCH_PATH = "GENICAM_GENTL64_PATH"
UPDATE_LIMIT_MS = 2000
"""How long a producer may look for interfaces, and for the devices on one: GigE discovery takes a second."""

# Where vendors install their producers, for shells in which the installer's GENICAM_GENTL64_PATH is not set.
_LINUX_FOLDERS = (
    "/opt/pylon*/lib/gentlproducer/gtl",
    "/opt/VimbaX*/cti",
    "/opt/mvIMPACT_Acquire/lib/x86_64",
    "/opt/ImpactAcquire/lib/x86_64",
    "/opt/ids-peak*/lib/ids/cti",
    "/usr/lib/ids/cti",
    "/opt/spinnaker/lib/spinnaker-gentl",
    "/opt/spinnaker/lib/flir-gentl",
    "/opt/cvb*/drivers/genicam",
    "/opt/MVS/lib/64",
    "/usr/lib/*-linux-gnu/gentl",
)
_WINDOWS_FOLDERS = (
    "Allied Vision/Vimba X/cti",
    "MATRIX VISION/mvIMPACT Acquire/bin/x64",
    "Balluff/ImpactAcquire/bin/x64",
    "IDS/ids_peak/ids_u3vgentlk/64",
    "IDS/ids_peak/ids_gevgentlk/64",
    "Teledyne/Spinnaker/cti64/*",
    "FLIR Systems/Spinnaker/cti64/*",
    "STEMMER IMAGING/Common Vision Blox/Drivers/GenICam",
    "The Imaging Source Europe GmbH/*/bin",
    "Common Files/MVS/Runtime/Win64_x64",
)
_MAC_FOLDERS = ("Library/Application Support/Allied Vision/Vimba X/cti",)


def find_producers(named: Sequence[Path]) -> list[Path]:
    """List the producers' files: those named, or else all in the search path and the vendors' folders."""
    if named:
        return list(dict.fromkeys(path.expanduser().absolute() for path in named))
    found: dict[Path, None] = {}
    for folder in (*_search_path(), *_vendor_folders()):
        found.update(dict.fromkeys(path.resolve() for path in sorted(folder.glob("*.cti"))))
    return list(found)


def _search_path() -> Iterator[Path]:
    for part in os.environ.get(SEARCH_PATH, "").split(os.pathsep):
        if part.strip():
            yield Path(part.strip())


def _vendor_folders() -> Iterator[Path]:
    if sys.platform == "win32":
        root, patterns = Path(os.environ.get("PROGRAMFILES", "C:/Program Files")), _WINDOWS_FOLDERS
    elif sys.platform == "darwin":
        root, patterns = Path("/"), _MAC_FOLDERS
    else:
        root, patterns = Path("/"), _LINUX_FOLDERS
    for pattern in patterns:
        yield from sorted(root.glob(pattern.lstrip("/")))


@dataclass(slots=True)
class Producer:
    """One opened producer, its system and its interfaces."""

    path: Path
    producer: Any
    system: Any
    interfaces: dict[str, Any] = field(default_factory=dict)
    users: int = 0

    def devices(self) -> list[Any]:
        """Look for devices now; gives harvesters' ``DeviceInfo`` objects. Devices in use are not disturbed.

        Raises
        ------
        GenericException
            The producer cannot look for them.
        """
        self.system.update_interface_info_list(UPDATE_LIMIT_MS)
        for info in self.system.interface_info_list:
            if info.id_ not in self.interfaces:
                raw = info.create_interface()
                try:
                    raw.open()
                except gentl.GenericException as error:
                    logger.warning(
                        "interface %s of %s is passed over: %s", info.id_, self.path, reason(error)
                    )
                    continue
                self.interfaces[info.id_] = core.Interface(module=raw, parent=self.system)
        found = []
        for interface in self.interfaces.values():
            interface.update_device_info_list(UPDATE_LIMIT_MS)
            infos = interface.device_info_list
            found += [core.DeviceInfo(module=info, parent=interface) for info in infos]
        return found

    def close(self) -> None:
        """Close all, from the interfaces up; what cannot be closed is logged."""
        for module in (*self.interfaces.values(), self.system, self.producer):
            try:
                if module.is_open():
                    module.close()
            except gentl.GenericException as error:
                logger.debug("closing %s: %s", self.path, reason(error))
        self.interfaces.clear()


_lock = threading.RLock()
_opened: dict[Path, Producer] = {}


class Lease:
    """The use of some producers: those that cannot be opened are named in `failures`, with the reason.

    Parameters
    ----------
    paths
        Of the producers.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.producers: list[Producer] = []
        self.failures: list[str] = []
        for path in paths:
            try:
                with _lock:
                    producer = _opened.get(path) or _open(path)
                    producer.users += 1
            except (*SDK_ERRORS, OSError) as error:
                self.failures.append(f"{path}: {reason(error)}")
            else:
                self.producers.append(producer)

    def devices(self) -> list[tuple[Producer, Any]]:
        """Look for devices now, with every producer; one that cannot is added to `failures`."""
        found: list[tuple[Producer, Any]] = []
        for producer in self.producers:
            try:
                with _lock:
                    found += [(producer, device) for device in producer.devices()]
            except gentl.GenericException as error:
                self.failures.append(f"{producer.path}: {reason(error)}")
        return found

    def keep_only(self, kept: Producer) -> None:
        """Give the other producers back."""
        for producer in self.producers:
            if producer is not kept:
                _give_back(producer)
        self.producers = [kept]

    def release(self) -> None:
        """Give all producers back; a second time does nothing."""
        producers, self.producers = self.producers, []
        for producer in producers:
            _give_back(producer)


def _open(path: Path) -> Producer:
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    raw = gentl.GenTLProducer.create_producer()
    raw.open(loadable(path))
    opened = core.Producer(module=raw)
    try:
        system = opened.create_system()
        system.open()
        opened_producer = Producer(path, opened, core.System(module=system, parent=opened))
    except BaseException:
        opened.close()
        raise
    _opened[path] = opened_producer
    return opened_producer


def _give_back(producer: Producer) -> None:
    with _lock:
        producer.users -= 1
        if producer.users == 0:
            _opened.pop(producer.path, None)
            producer.close()
