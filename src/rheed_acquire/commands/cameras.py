"""``rheed-acquire cameras``: the devices that every usable backend finds, asked in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from pydantic import BaseModel

from rheed_acquire.cameras.camera import DeviceInfo
from rheed_acquire.commands.host import answered, load
from rheed_acquire.commands.table import print_table
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.plugins import missing_requirement
from rheed_acquire.system.terminal import write_json, write_line

Discovery = tuple[list[DeviceInfo], str | None]


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` an object of devices and failures."""
    if answered(arguments, "cameras [--json] [FLAGS]", "List the devices that can be opened now."):
        return 0
    host, settings = load(arguments)
    backends = dict(sorted(host.cameras.items()))
    found = discover(backends, settings.backend)
    for (kind, name), why in host.ambiguous.items():
        if kind == "camera":
            found[name] = ([], why)
    devices = [device for listed, _ in found.values() for device in listed]
    failures = {name: failure for name, (_, failure) in found.items() if failure is not None}
    if settings.run.json_report:
        write_json({"devices": [asdict(device) for device in devices], "failures": failures}, indent=2)
        return 0
    if devices:
        print_table(
            ("camera", "model", "vendor", "serial", "user id", "address"),
            [(d.backend, d.model, d.vendor, d.serial, d.user_id, d.address) for d in devices],
        )
    for name, (listed, failure) in found.items():
        if failure is not None:
            write_line(f"{name}: {failure}")
        elif not listed:
            write_line(f"{name}: no device found ({backends[name].description})")
    return 0


def discover(
    backends: Mapping[str, CameraBackend], settings_of: Callable[[str], BaseModel]
) -> dict[str, Discovery]:
    """Ask each backend for its devices, all at once; by name, what it found and why it found nothing."""
    found: dict[str, Discovery] = {
        name: ([], missing_requirement(backend)) for name, backend in backends.items()
    }

    def ask(name: str) -> None:
        try:
            found[name] = (list(backends[name].discover(settings_of(name))), None)
        except RheedAcquireError as error:
            found[name] = ([], str(error))

    threads = [
        threading.Thread(target=ask, args=(name,), name=f"discover-{name}", daemon=True)
        for name, (_, missing) in found.items()
        if missing is None
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
