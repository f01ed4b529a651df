"""``rheed-acquire cameras``: the devices that every usable backend finds, asked in parallel."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import BaseModel

from rheed_acquire.camera import DeviceInfo
from rheed_acquire.commands.host import answered, load
from rheed_acquire.commands.table import print_table
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.plugins import missing_requirement

TIMEOUT_S = 10.0
"""A backend that has not answered by then is left behind: some SDKs hang on a broken network."""

Discovery = tuple[list[DeviceInfo], str | None]


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` an object of devices and failures."""
    if answered(arguments, "cameras [--json] [FLAGS]", "List the devices that can be opened now."):
        return 0
    host, settings = load(arguments)
    found = discover(
        {name: (backend, settings.backend(name)) for name, backend in sorted(host.cameras.items())}
    )
    devices = [device for listed, _ in found.values() for device in listed]
    failures = {name: failure for name, (_, failure) in found.items() if failure is not None}
    if settings.run.json_report:
        print(json.dumps({"devices": [asdict(device) for device in devices], "failures": failures}, indent=2))
        return 0
    if devices:
        print_table(
            ("camera", "model", "vendor", "serial", "user id", "address"),
            [(d.backend, d.model, d.vendor, d.serial, d.user_id, d.address) for d in devices],
        )
    for name, (listed, failure) in found.items():
        if failure is not None:
            print(f"{name}: {failure}")
        elif not listed:
            print(f"{name}: no device found")
    return 0


def discover(
    backends: Mapping[str, tuple[CameraBackend, BaseModel]], timeout_s: float = TIMEOUT_S
) -> dict[str, Discovery]:
    """Ask each backend for its devices; by name, what it found and why it found nothing.

    A backend that takes longer than ``timeout_s`` seconds goes on in a thread that nobody waits for.
    """
    answers: queue.SimpleQueue[tuple[str, Discovery]] = queue.SimpleQueue()
    found: dict[str, Discovery] = {}
    waiting = set()
    for name, (backend, settings) in backends.items():
        missing = missing_requirement(backend)
        if missing is not None:
            found[name] = ([], missing)
            continue
        waiting.add(name)
        threading.Thread(
            target=lambda name=name, backend=backend, settings=settings: answers.put(
                (name, _ask(backend, settings))
            ),
            name=f"discover-{name}",
            daemon=True,
        ).start()
    deadline = time.monotonic() + timeout_s
    while waiting:
        try:
            name, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = answer
        waiting.discard(name)
    for name in waiting:
        found[name] = ([], f"did not answer within {timeout_s:g} s")
    return {name: found[name] for name in backends}


def _ask(backend: CameraBackend, settings: BaseModel) -> Discovery:
    try:
        return list(backend.discover(settings)), None
    except RheedAcquireError as error:
        return [], str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        # Foreign code: one backend's bug must not hide the others' devices.
        return [], " ".join(f"{type(error).__name__}: {error}".split())
