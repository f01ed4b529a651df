"""What a device that is configured says of itself, as every backend of GenICam devices tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rheed_acquire.cameras.camera import CameraError, CameraInfo, DeviceInfo, SettingReadback
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate import FrameRate
from rheed_acquire.cameras.genapi.image_layout import check_pixel_format
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError
from rheed_acquire.cameras.genapi.ptp import is_ptp_synchronized

# SFNC's names, then what makers call them.
_EXTENDED_ID = ("GevGVSPExtendedIDMode", "DeviceStreamChannelExtendedIDMode", "BslGevGVSPExtendedIDMode")
_TICK_HZ = ("GevTimestampTickFrequency", "DeviceTimestampFrequency", "TimestampTickFrequency")
NARROW_IDS = 65535
"""The highest frame id of a GigE camera without 64-bit ones, after which it begins again at 1."""


@contextmanager
def configuring(
    device: DeviceInfo,
    give_back: Callable[[], object],
    sdk_errors: tuple[type[Exception], ...],
    reason: Callable[[Exception], object] = str,
) -> Iterator[None]:
    """Give a device back where configuring it fails, and say why in one sentence.

    Parameters
    ----------
    sdk_errors
        What the SDK raises; ``reason`` says it in words.

    Raises
    ------
    CameraError
        The SDK or the device refused.
    """
    refusals: tuple[type[Exception], ...] = (*sdk_errors, NodeRefusalError)
    try:
        yield
    except refusals as error:
        give_back()
        raise CameraError(f"{device} cannot be configured: {reason(error)}") from None
    except BaseException:
        give_back()
        raise


def describe_device(
    writer: FeatureWriter,
    backend: str,
    device: DeviceInfo,
    rate: FrameRate,
    *,
    frame_id_cycle: int | None,
    settings: tuple[SettingReadback, ...],
    notes: tuple[tuple[str, str], ...] = (),
) -> CameraInfo:
    """Read from a device what a run has to know of it.

    Parameters
    ----------
    writer
        That its settings were made with.
    backend
        Its name, for messages.
    rate
        That is expected of it.
    frame_id_cycle
        See `rheed_acquire.CameraInfo`.
    settings
        What was read back beside the writer's own.

    Raises
    ------
    CameraError
        It does not tell the size of its frames, or delivers them in a format that is not known.
    """
    return CameraInfo(
        device=device,
        width=required_number(writer, device, "Width"),
        height=required_number(writer, device, "Height"),
        pixel_format=check_pixel_format(writer, backend, device),
        fps=rate.fps,
        fps_limited_by=rate.limited_by,
        fps_at_most=rate.at_most,
        frame_id_cycle=frame_id_cycle,
        ptp_synchronized=is_ptp_synchronized(writer),
        firmware=str(writer.value("DeviceFirmwareVersion", "DeviceVersion") or ""),
        settings=(*writer.readbacks(), *settings),
        notes=notes,
    )


def required_number(writer: FeatureWriter, device: DeviceInfo, name: str) -> int:
    """Read a number that every device has.

    Raises
    ------
    CameraError
        This one does not tell it, or says 0.
    """
    number = writer.number(name)
    if not number:
        raise CameraError(f"{device} does not tell its {name}")
    return int(number)


def tick_hz(writer: FeatureWriter) -> int:
    """How many ticks of its clock a device makes a second; nanoseconds where it does not tell."""
    return int(writer.number(*_TICK_HZ) or 1_000_000_000)


def ask_for_wide_ids(writer: FeatureWriter) -> bool | None:
    """Ask a GigE camera for 64-bit frame ids, and say whether it gives them; None where it knows of none.

    One whose GigE Vision version is below 2 does not: its ids are 16 bits wide, 1 to `NARROW_IDS`.
    """
    for name in _EXTENDED_ID:
        writer.prepare(name, "On")
    mode = writer.value(*_EXTENDED_ID)
    return None if mode is None else mode == "On"
