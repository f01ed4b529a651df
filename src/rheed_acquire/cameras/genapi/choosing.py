"""Which of the devices that an SDK lists the settings choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from rheed_acquire.cameras.camera import AmbiguousCameraError, CameraNotFoundError, DeviceInfo
from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.cameras.genapi.configure import flag


class Found(Protocol):
    """A device as an SDK lists it."""

    @property
    def info(self) -> DeviceInfo:
        """What tells it from its neighbours."""


F = TypeVar("F", bound=Found)


def each_once(found: Sequence[F]) -> list[F]:
    """Leave out devices that were listed before, as one is that two network ports or two drivers reach.

    Devices are the same where all that is told of both is equal. Without a serial number nobody can say so.
    """
    kept: list[F] = []
    for device in found:
        if not any(_same(device.info, other.info) for other in kept):
            kept.append(device)
    return kept


def _same(one: DeviceInfo, other: DeviceInfo) -> bool:
    def agree(a: str, b: str) -> bool:
        return a == b or not a or not b  # drivers differ in what they tell

    return bool(
        one.serial
        and (one.serial, one.model, one.vendor) == (other.serial, other.model, other.vendor)
        and agree(one.user_id, other.user_id)
        and agree(one.address, other.address)
    )


def choose_one(
    found: Sequence[F],
    settings: CameraSettings,
    index: int | None,
    *,
    backend: str,
    kind: str,
    by: Mapping[str, str],
    also: str = "",
) -> F:
    """Find the one device that the settings choose, or the only one.

    Parameters
    ----------
    found
        At least one.
    settings
        Of the backend; those that are None choose nothing.
    index
        The place, from 0, among those that fit otherwise.
    backend, kind
        The backend's name, for flags, and what its devices are called: "Basler camera".
    by
        The settings that choose, and what of `DeviceInfo` each must equal.
    also
        What an error ends with, such as producers that could not be used.

    Raises
    ------
    CameraNotFoundError
        None fits.
    AmbiguousCameraError
        Several fit.
    """
    asked = {name: value for name in by if (value := getattr(settings, name)) is not None}
    chosen = " ".join(f"{flag(backend, name)} {value}" for name, value in asked.items())
    fitting = [
        device for device in found if all(getattr(device.info, by[name]) == asked[name] for name in asked)
    ]
    if index is not None:
        if index < len(fitting):
            return fitting[index]
        fit = f" that fit {chosen}" if chosen else ""
        raise CameraNotFoundError(
            f"{flag(backend, 'index')} {index}: there are {len(fitting)} {kind}s{fit}: "
            f"{_listed(fitting or found)}{also}"
        )
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CameraNotFoundError(f"no {kind} with {chosen}; there is {_listed(found)}{also}")
    why = f"several {kind}s fit {chosen}" if chosen else f"several {kind}s are there"
    flags = ", ".join(flag(backend, name) for name in (*by, "index"))
    raise AmbiguousCameraError(f"{why}: {_listed(fitting)}; choose one with {flags}")


def _listed(found: Sequence[Found]) -> str:
    return "; ".join(str(device.info) for device in found)
