"""What a camera is to this project: the contract that every backend fulfils.

A backend opens a device and returns a `Camera`. From `Camera.start` on, the camera calls ``on_frame`` from
one thread, in order, with a `Frame` that it lends for the time of the call. Nothing here imports numpy or an
SDK, so that listing backends and printing help stay fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from rheed_acquire.errors import RheedAcquireError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CameraError(RheedAcquireError):
    """A camera could not be opened, configured or read."""


class CameraNotFoundError(CameraError):
    """No device answers to what was asked for; the message lists the devices that were found."""


class CameraLostError(CameraError):
    """The device was there and is gone: unplugged, powered off, or taken by another program."""


class CameraEndedError(CameraError):
    """The source has come to its end, as a recording does: not a failure, the run ends like any other."""


class CameraSettingError(CameraError, SettingsError):
    """The device has no such feature or refuses the value; the message says which and what it allows."""

    exit_code = 2


class AmbiguousCameraError(CameraError, SettingsError):
    """Several devices fit and none was chosen; the message lists them and the flags that choose."""

    exit_code = 2


class Frame:
    """One image as the camera delivered it, lent for the time of one ``on_frame`` call.

    A backend may hand out the same `Frame` object for every frame with its attributes set anew: whoever
    receives it keeps neither the object nor `pixels`.

    Attributes
    ----------
    pixels
        The SDK's own buffer, not a copy. Shape (H, W) for monochrome and Bayer formats, uint8 or uint16;
        (H, W, 3) of the same in colour; (payload bytes,) uint8 for packed ones. `CameraInfo.pixel_format`
        names the format in PFNC spelling.
    id
        The camera's own frame counter as it counts it (see `CameraInfo.frame_id_cycle`), or None where it
        has none. A jump means that frames were lost.
    timestamp_ns
        Start of exposure, or what the device has that comes nearest, on the camera's own clock in
        nanoseconds from any origin; None where it has none.
    """

    __slots__ = ("id", "pixels", "timestamp_ns")

    def __init__(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        id: int | None,  # noqa: A002
        timestamp_ns: int | None,
    ) -> None:
        self.pixels = pixels
        self.id = id
        self.timestamp_ns = timestamp_ns


OnFrame: TypeAlias = Callable[[Frame], None]
OnFault: TypeAlias = Callable[[CameraError], None]


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device that a backend can see, opened or not. Unknown texts are empty.

    Attributes
    ----------
    backend
        The name that the plugin registers.
    serial, model, vendor
        As the device spells them.
    user_id
        The name that its user has given it.
    address
        Where it is: an IP address, a port, a path.
    """

    backend: str
    serial: str = ""
    model: str = ""
    vendor: str = ""
    user_id: str = ""
    address: str = ""

    def __str__(self) -> str:
        """Name the device as an error message would, with what tells it from its neighbours."""
        known = {"serial": self.serial, "user id": self.user_id, "address": self.address}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
        name = " ".join(part for part in (self.vendor, self.model) if part) or self.backend
        return f"{name} ({details})" if details else name


@dataclass(frozen=True, slots=True)
class SettingReadback:
    """One setting as it was asked for and as the device holds it now.

    Attributes
    ----------
    name
        Of the backend's setting: ``exposure_us``, or ``features.ReverseX`` for one of a mapping.
    asked
        As the user gave it.
    actual
        As it was read back from the device.
    """

    name: str
    asked: Any
    actual: Any

    @property
    def differs(self) -> bool:
        """Whether the device rounded or changed what was asked for."""
        if isinstance(self.asked, float) and isinstance(self.actual, int | float):
            return abs(self.asked - self.actual) > 1e-6 * max(1.0, abs(self.asked))
        return bool(self.asked != self.actual)


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """An opened and configured camera: what its frames will look like and how fast they will come.

    Attributes
    ----------
    device
        Which device it is, as `CameraBackend.discover` lists it.
    width, height
        Of one frame, in pixels.
    pixel_format
        In PFNC spelling: ``Mono8``, ``Mono12p``, ``BayerRG8`` ... (see `rheed_acquire.frames.pixels`).
    fps
        The rate the camera will really deliver with its present settings, in frames per second; None where
        only an outside trigger knows, and where the camera does not tell it. A bound is no rate: one frame
        per exposure is in `fps_at_most`.
    fps_limited_by
        What keeps `fps` from being higher, in words for the user ("the exposure time of 10000 us"), where
        the device can tell.
    fps_at_most
        Where `fps` is None, what the rate cannot exceed with the present settings, if that is known.
    frame_id_cycle
        After how many frames `Frame.id` starts again: 65535 on GigE Vision 1.x (ids 1 to 65535), None for a
        counter that never wraps.
    timestamp_wraps_ns
        After how many nanoseconds `Frame.timestamp_ns` starts again at 0 (``2**32`` ticks on older GigE
        cameras), None for a clock that never does.
    ptp_synchronized
        Whether the device says that its clock is synchronised by PTP (IEEE 1588): `Frame.timestamp_ns` is
        then TAI since 1970.
    utc_timestamps
        Whether `Frame.timestamp_ns` is UTC since 1970 and true as it stands: the stream takes it over
        without a correction by any other clock.
    recorded
        Whether the frames were taken earlier, as those of a recording. Such a source can wait: ``on_frame``
        returns only when there is room for the frame, and none is dropped. It never counts as lost for its
        silence, and is not opened again after a fault, since it would begin with its first frame once more;
        and a pause in its stamps is no loss of the run.
    waits
        Whether the source keeps its frames until they are taken, as a file does to which another program
        writes. Such a source can wait as a recording can, and none of its frames is dropped; its silence is
        for itself to judge. It is opened again after a fault.
    firmware
        As the device spells it.
    settings
        Every setting that was asked for, as the device took it.
    notes
        What the source is, in words for the user, each by a short name: ``("rate", "20 frames/s, by
        OME-XML")``. The run prints them before it begins.
    warnings
        What the user should know of the source before its frames are taken, one sentence each.
    captured_unix_ns
        When the first frame of a recording was captured, in nanoseconds since 1970 in UTC, where the stream
        is dated so; the run bears that date then.
    ended_unix_ns
        When its last frame was captured, likewise.
    frames
        How many frames a recording has, where that is known.
    """

    device: DeviceInfo
    width: int
    height: int
    pixel_format: str
    fps: float | None
    fps_limited_by: str | None = None
    fps_at_most: float | None = None
    frame_id_cycle: int | None = None
    timestamp_wraps_ns: int | None = None
    ptp_synchronized: bool = False
    utc_timestamps: bool = False
    recorded: bool = False
    waits: bool = False
    firmware: str = ""
    settings: tuple[SettingReadback, ...] = field(default=())
    notes: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    captured_unix_ns: int | None = None
    ended_unix_ns: int | None = None
    frames: int | None = None

    @property
    def can_wait(self) -> bool:
        """Whether ``on_frame`` may return only when there is room for the frame, so that none is dropped."""
        return self.recorded or self.waits


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What the run wants of any camera; what only one backend knows is in that backend's own settings.

    Attributes
    ----------
    fps
        Frames per second asked for, or None for what the camera does by itself.
    rotations_per_min
        Of the sample stage; 0 for a stationary one. Only a source that makes its own pictures needs it.
    given_up
        Whether the run has no use for the camera any more, for a backend that takes long to open one.
    """

    fps: float | None = None
    rotations_per_min: float = 0.0
    given_up: Callable[[], bool] = field(default=lambda: False, compare=False, repr=False)


class Camera(ABC):
    """One opened device.

    The rules, which `rheed_acquire` relies on:

    - `start` returns at once; from then on ``on_frame`` is called from one thread, in order, one call at a
      time. ``on_frame`` never raises.
    - ``frame.pixels`` is valid until ``on_frame`` returns, and the backend reuses the memory only then.
    - ``on_fault`` is called, from any thread but not from within `stop`, when the device is gone or its
      stream broke. The camera is useless from then on but for `stop` and `close`. A source that has an end
      says so with a `CameraEndedError`, after the last ``on_frame`` has returned.
    - When `stop` returns no callback is running and none comes any more. `start` may then be called again.
    - `stop` on a stopped camera and `close` on a closed one do nothing. `close` stops first.
    """

    @property
    @abstractmethod
    def info(self) -> CameraInfo:
        """The camera with its present settings."""

    @abstractmethod
    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """Begin to deliver frames.

        Raises
        ------
        CameraError
            The device refuses to stream.
        """

    @abstractmethod
    def stop(self) -> None:
        """End delivery; see the rules above."""

    @abstractmethod
    def close(self) -> None:
        """Give the device back."""

    def statistics(self) -> Mapping[str, int]:
        """Counters of the device and its driver since `start`, by name, for the report.

        ``frames_lost`` has a meaning: frames that the camera took and the driver did not deliver. It is
        believed only where the camera has no frame ids, because else the jump in the ids says the same.
        So has ``frames_above_depth``: frames of which samples were cut, since their source tells less depth.
        """
        return {}

    def temperature_c(self) -> float | None:
        """The device's temperature now, in degrees Celsius; None where it has none, or cannot tell.

        Called every few seconds while somebody looks on, from a thread that is left behind where the call
        hangs; it may come at the same time as any other call.
        """
        return None

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain while frames come, where the device can, and return what it holds then.

        Called seldom, from a thread that is left behind where the call hangs; it may come at the same time
        as any call but `close`. What would change the frames' size or format, or make them fewer, is refused.

        Parameters
        ----------
        changes
            ``exposure_us``, in microseconds, and ``gain``, as the setting of that name; one of them or both.

        Returns
        -------
        Mapping of str to float
            The same names, with what the device has made of them.

        Raises
        ------
        CameraSettingError
            It cannot be done, and all is as before; the message names what the device allows.
        """
        what = " or ".join(changes)
        raise CameraSettingError(f"{self.info.device}: its backend changes no {what} while it runs")

    def adjustable(self) -> Mapping[str, float]:
        """What `adjust` can change, each by its name, as the device holds it now; empty for nothing.

        Called as `temperature_c` is.
        """
        return {}

    def line_is_high(self, line: str) -> bool:
        """Whether a line of the device, an input or an output, is high just now.

        Called ten times a second while a run waits for it, else as `temperature_c` is.

        Parameters
        ----------
        line
            Its name as the device spells it, in any case of letters.

        Raises
        ------
        CameraSettingError
            The device has no such line, or tells of none; the message names those that it has.
        """
        raise CameraSettingError(f"{self.info.device}: its backend tells of no line, {line} or other")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
