"""Which settings of a backend are tried, with which values, and how they have to be read back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rheed_acquire.cameras.camera import CameraInfo
from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.testing.rules import Rule, broken

CANDIDATES: Mapping[str, Any] = {"exposure_us": 1500.0, "width": 64, "height": 64, "buffers": 17}
"""Values for settings that cameras share, tried where the author gives none; a camera may refuse them."""
STEPS = 1e-3
"""A device has steps: by so much of it a number may differ from what was asked for."""
LEEWAY = 1.01
"""By so much devices round a rate."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value to try.

    Attributes
    ----------
    value
        As the settings model takes it.
    beside
        Settings without which it has no effect.
    spelt
        How the device spells the value, where that differs.
    """

    value: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    spelt: Any = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A `Change`, and whether the author or the kit has chosen it."""

    change: Change
    is_the_authors: bool


def tried_fields(points: Iterable[EntryPoint], backend: str) -> list[str]:
    """Name the settings of a backend; none where it is not registered, which another test tells."""
    found = PluginHost(sources=points).cameras.get(backend)
    return list(found.settings.model_fields) if found is not None else []


def tried_value(
    model: type[BaseModel], name: str, changes: Mapping[str, Any], settings: Mapping[str, Any]
) -> Tried | None:
    """Choose what a setting is tried with; None where there is nothing."""
    if name in changes or name in settings:
        value = changes.get(name, settings.get(name))
        return Tried(value if isinstance(value, Change) else Change(value), is_the_authors=True)
    if name in CANDIDATES:
        return Tried(Change(CANDIDATES[name]), is_the_authors=False)
    default = model.model_fields[name].get_default(call_default_factory=True)
    # The defaults of the shared settings stand for "as the device has it".
    shared = name in CameraSettings.model_fields and issubclass(model, CameraSettings)
    if shared or default in (None, PydanticUndefined, {}, (), []):
        return None
    return Tried(Change(default), is_the_authors=True)


def check_readback(info: CameraInfo, name: str, change: Change, *, exactly: bool) -> None:
    """Compare what was asked for with what the camera says that it holds.

    Parameters
    ----------
    exactly
        Whether the device has to hold the value, and not one that comes near.
    """
    read = _held(info, name)
    _check_asked(info, name, change)
    _check_exposure(info)
    if not read:
        broken(
            Rule.SETTINGS,
            f"{name}={change.value} was asked for and is not among info.settings (where the device has no "
            "such thing to hold, say so in `unread`)",
        )
    for entry, actual in read:
        value = change.value[entry.partition(".")[2]] if "." in entry else change.value
        expected = value if change.spelt is None else change.spelt
        if exactly and not _is_near(expected, actual):
            broken(Rule.SETTINGS, f"{name}={change.value} was asked for, and {entry} is {actual!r}")
    for one in ("width", "height", "pixel_format"):
        for _, actual in _held(info, one):
            if actual != getattr(info, one):
                broken(
                    Rule.SETTINGS,
                    f"{one} is read back as {actual}, but info.{one} is {getattr(info, one)}",
                )


def _check_asked(info: CameraInfo, name: str, change: Change) -> None:
    """Look whether what is said to have been asked for was."""
    for one in info.settings:
        if (
            one.name == name
            and not _is_near(change.value, one.asked)
            and not _is_near(change.spelt, one.asked)
        ):
            broken(
                Rule.SETTINGS,
                f"{name}={change.value} was asked for, and info.settings says that {one.asked!r} was",
            )


def _check_exposure(info: CameraInfo) -> None:
    """Hold the exposure that is read back against the rate: a frame takes as long as its exposure."""
    for _, actual in _held(info, "exposure_us"):
        if info.fps is not None and isinstance(actual, int | float) and actual * info.fps > 1e6 * LEEWAY:
            broken(
                Rule.SETTINGS,
                f"exposure_us is read back as {actual:g}, and info.fps is {info.fps:g}, which leaves no more "
                f"than {1e6 / info.fps:g} us for a frame",
            )


def _held(info: CameraInfo, name: str) -> list[tuple[str, Any]]:
    """Read a setting back: from the list of settings, or from what the frames will look like."""
    read = [(one.name, one.actual) for one in info.settings if one.name.split(".")[0] == name]
    if not read and name in ("width", "height", "pixel_format"):
        read = [(name, getattr(info, name))]
    return read


def _is_near(expected: Any, actual: Any) -> bool:
    if isinstance(expected, float) and isinstance(actual, int | float):
        return math.isclose(expected, actual, rel_tol=STEPS)
    return bool(expected == actual) or str(expected) == str(actual)  # a path may be read back as text
