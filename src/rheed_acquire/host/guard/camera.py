"""A camera that keeps to its contract whatever its plugin does: it raises nothing but a `CameraError`.

Frames do not come this way: a camera is started with the accumulator's own ``on_frame``.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CaptureRequest,
    DeviceInfo,
    OnFault,
    OnFrame,
    SettingReadback,
)
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.guard.calls import Patience, PluginCalls, kind_of
from rheed_acquire.host.guard.camera_numbers import plain_numbers
from rheed_acquire.host.guard.camera_texts import plain_texts
from rheed_acquire.text.told import told

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """How long calls into a camera may take, in seconds.

    Attributes
    ----------
    first_open_s
        With the user looking on: a long recording may have to be read through. Without a limit where the
        backend waits for what is not there yet.
    open_s
        Each later opening, and at least twice of what the first one took.
    call_s
        To stop and close, which takes a frame's time, seconds at the most; and to tell what it is.
    answer_s
        To tell its temperature, what can be changed of it, or whether a line is high.
    adjust_s
        To change exposure or gain.
    discover_s
        To list the devices that there are: some SDKs hang on a broken network.
    """

    first_open_s: float = 300.0
    open_s: float = 30.0
    start_s: float = 30.0
    call_s: float = 10.0
    answer_s: float = 1.0
    adjust_s: float = 5.0
    discover_s: float = 10.0


LIMITS = CameraLimits()


class CameraHangsError(CameraError):
    """A call into a camera did not return in time and was left behind."""


def guard_camera_backend(
    backend: CameraBackend, provenance: str, patience: Patience, limits: CameraLimits = LIMITS
) -> CameraBackend:
    """Make a backend whose calls return in time, return what they should, and raise only our errors.

    Parameters
    ----------
    provenance
        The plugin's distribution and its version.
    """
    who = f"camera {backend.name} ({provenance})"
    first_open_s: list[float] = []

    def discover(settings: Any) -> list[DeviceInfo]:
        calls = PluginCalls(who, CameraError, CameraHangsError, patience)
        try:
            return calls.within(
                limits.discover_s,
                "discover",
                lambda: _devices(backend.discover(settings), calls),
                lets=(RheedAcquireError,),
            )
        finally:
            calls.end()

    def open_camera(settings: Any, request: CaptureRequest) -> Camera:
        calls = PluginCalls(who, CameraError, CameraHangsError, patience)
        limit_s: float | None = limits.first_open_s
        if first_open_s:
            limit_s = max(limits.open_s, 2 * first_open_s[0])
        elif backend.waits_to_open:
            limit_s = None
        begun_s = time.monotonic()
        try:
            camera = calls.within(
                limit_s,
                "open",
                lambda: _opened(backend.open(settings, request), calls),
                lets=(RheedAcquireError,),
                on_late=lambda late: late.close(),
                give_up=request.given_up,
            )
        except BaseException:
            calls.end()
            raise
        if not first_open_s:
            first_open_s.append(time.monotonic() - begun_s)
        asking = PluginCalls(who, CameraError, CameraHangsError, patience)
        return GuardedCamera(camera, calls, asking, limits)

    def inspect(settings: Any) -> CameraInfo:
        tell = backend.inspect
        assert tell is not None
        calls = PluginCalls(who, CameraError, CameraHangsError, patience)
        try:
            return calls.within(
                limits.first_open_s,
                "inspect",
                lambda: _info(tell(settings), calls),
                lets=(RheedAcquireError,),
            )
        finally:
            calls.end()

    return replace(
        backend, discover=discover, open=open_camera, inspect=None if backend.inspect is None else inspect
    )


class GuardedCamera(Camera):
    """A plugin's camera; each method raises what `Camera` allows, or `CameraHangsError`.

    Parameters
    ----------
    camera
        The plugin's.
    calls
        For the calls that come one at a time.
    asking
        For what is told and changed of it at any time.
    """

    def __init__(
        self, camera: Camera, calls: PluginCalls, asking: PluginCalls, limits: CameraLimits = LIMITS
    ) -> None:
        self._camera, self._calls, self._asking = camera, calls, asking
        self._limits = limits

    @property
    def who(self) -> str:
        """As messages name the plugin."""
        return self._calls.who

    @property
    def info(self) -> CameraInfo:
        """See `Camera.info`."""
        return self._calls.within(self._limits.call_s, "info", lambda: _info(self._camera.info, self._calls))

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """See `Camera.start`."""

        def fault(error: object) -> None:
            if not isinstance(error, CameraError):
                what = told(error) if isinstance(error, BaseException) else kind_of(error)
                error = CameraError(f"{self._calls.who} reports as its fault {what}")
            on_fault(error)

        self._calls.within(self._limits.start_s, "start", lambda: self._camera.start(on_frame, fault))

    def stop(self) -> None:
        """See `Camera.stop`."""
        self._calls.within(self._limits.call_s, "stop", self._camera.stop)

    def close(self) -> None:
        """See `Camera.close`."""
        try:
            self._calls.within(self._limits.call_s, "close", self._camera.close)
        finally:
            self._calls.end()
            self._asking.end()

    def statistics(self) -> dict[str, int]:
        """See `Camera.statistics`."""
        return self._calls.within(
            self._limits.call_s, "statistics", lambda: _counts(self._camera.statistics(), self._calls)
        )

    def temperature_c(self) -> float | None:
        """See `Camera.temperature_c`."""
        return self._ask(
            self._limits.answer_s,
            "temperature_c",
            lambda: _temperature(self._camera.temperature_c(), self._asking),
        )

    def adjust(self, changes: Mapping[str, float]) -> dict[str, float]:
        """See `Camera.adjust`."""
        return self._ask(
            self._limits.adjust_s,
            "adjust",
            lambda: _adjusted(self._camera.adjust(dict(changes)), changes, self._asking),
        )

    def adjustable(self) -> dict[str, float]:
        """See `Camera.adjustable`."""
        return self._ask(
            self._limits.answer_s,
            "adjustable",
            lambda: _adjustable(self._camera.adjustable(), self._asking),
        )

    def line_is_high(self, line: str) -> bool:
        """See `Camera.line_is_high`."""
        return self._ask(
            self._limits.answer_s,
            "line_is_high",
            lambda: _level(self._camera.line_is_high(line), self._asking),
        )

    def _ask(self, limit_s: float, method: str, question: Callable[[], T]) -> T:
        """Make a call that may come at any time, as long as the one before has returned."""
        if self._asking.is_stuck:
            raise CameraHangsError(f"{self._asking.who} has not returned from an earlier call yet")
        return self._asking.within(limit_s, method, question)


def who_gives_frames(camera: Camera) -> str:
    """Name a camera where its frames cannot be used: by its plugin, where it is one's."""
    who = getattr(camera, "who", None)  # of a guarded one, or of one that is lent
    return who if isinstance(who, str) else "the camera"


def _opened(camera: object, calls: PluginCalls) -> Camera:
    if not isinstance(camera, Camera):
        raise calls.wrong("open", f"it returned {kind_of(camera)}, not a Camera")
    return camera


def _info(info: object, calls: PluginCalls) -> CameraInfo:
    if not isinstance(info, CameraInfo):
        raise calls.wrong("info", f"it returned {kind_of(info)}, not a CameraInfo")
    device: object = info.device
    settings: object = info.settings
    if not isinstance(device, DeviceInfo):
        raise calls.wrong("info", f"its device is {kind_of(device)}, not a DeviceInfo")
    if not isinstance(settings, Sequence) or not all(isinstance(one, SettingReadback) for one in settings):
        raise calls.wrong("info", "its settings are not a tuple of SettingReadback")
    try:
        info = plain_texts(plain_numbers(info))
    except ValueError as error:
        raise calls.wrong("info", str(error)) from None
    return replace(info, device=_plain_device(device), settings=tuple(map(_plain_readback, settings)))


def _plain_readback(readback: SettingReadback) -> SettingReadback:
    """Give the read-back of a setting in values that can be compared and shown."""
    try:
        if isinstance(readback.differs, bool) and str(readback.asked) and str(readback.actual):
            return replace(readback, name=str(readback.name))
    except Exception as error:  # noqa: BLE001 - numpy arrays do not say whether they are equal, for one
        return SettingReadback(str(readback.name), "unknown", f"unknown ({told(error)})")
    return replace(readback, name=str(readback.name))


def _devices(devices: object, calls: PluginCalls) -> list[DeviceInfo]:
    if isinstance(devices, str | bytes | Mapping) or not hasattr(devices, "__iter__"):
        raise calls.wrong("discover", f"it returned {kind_of(devices)}, not a list of DeviceInfo")
    found: list[object] = list(devices)
    for device in found:
        if not isinstance(device, DeviceInfo):
            raise calls.wrong("discover", f"it lists {kind_of(device)}, not a DeviceInfo")
    return [_plain_device(device) for device in found if isinstance(device, DeviceInfo)]


def _plain_device(device: DeviceInfo) -> DeviceInfo:
    """Make texts of what is none: a serial number that is a number, say."""
    values = {one.name: getattr(device, one.name) for one in fields(device)}
    texts = {name: "" if value is None else str(value) for name, value in values.items()}
    return device if texts == values else replace(device, **texts)


def _counts(counts: object, calls: PluginCalls) -> dict[str, int]:
    if not isinstance(counts, Mapping):
        raise calls.wrong("statistics", f"it returned {kind_of(counts)}, not a mapping of names to counts")
    plain: dict[str, int] = {}
    for name, count in counts.items():
        try:
            plain[str(name)] = operator.index(count)
        except TypeError:
            raise calls.wrong("statistics", f"{name} is {kind_of(count)}, not a whole number") from None
    return plain


def _adjusted(held: object, asked: Mapping[str, float], calls: PluginCalls) -> dict[str, float]:
    if not isinstance(held, Mapping):
        raise calls.wrong("adjust", f"it returned {kind_of(held)}, not a mapping of names to numbers")
    return {name: _number(held.get(name), "adjust", f"{name} is", calls) for name in asked}


def _adjustable(held: object, calls: PluginCalls) -> dict[str, float]:
    if not isinstance(held, Mapping):
        raise calls.wrong("adjustable", f"it returned {kind_of(held)}, not a mapping of names to numbers")
    numbers = {str(name): _number(value, "adjustable", f"{name} is", calls) for name, value in held.items()}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _level(is_high: object, calls: PluginCalls) -> bool:
    if not isinstance(is_high, bool):
        raise calls.wrong("line_is_high", f"it returned {kind_of(is_high)}, not True or False")
    return is_high


def _temperature(value: object, calls: PluginCalls) -> float | None:
    if value is None:
        return None
    number = _number(value, "temperature_c", "it returned", calls)
    return number if math.isfinite(number) else None


def _number(value: object, method: str, what: str, calls: PluginCalls) -> float:
    if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__"):
        raise calls.wrong(method, f"{what} {kind_of(value)}, not a number")
    return float(value)
