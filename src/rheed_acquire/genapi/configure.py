"""From the user's settings to a camera's features, in the order in which the features depend on each other.

Each list of names holds what one thing is called on different generations of cameras. The older names come
first where a device may have both, because then it is the older one that works: pylon's camera emulation has
an ``ExposureTime`` without effect beside its ``ExposureTimeAbs``, and SFNC cameras have no ``...Abs`` at all.
"""

from __future__ import annotations

from rheed_acquire import CameraSettingError, CameraSettings, CaptureRequest, Trigger, TriggerEdge
from rheed_acquire.genapi.features import FeatureWriter, NodeKind, NodeRefusalError

EXPOSURE_US = ("ExposureTimeAbs", "ExposureTime")
EXPOSURE_RAW = "ExposureTimeRaw"
EXPOSURE_RAW_UNIT_US = "ExposureTimeBaseAbs"
GAIN = ("Gain", "GainAbs", "GainRaw")
FRAME_RATE = ("AcquisitionFrameRateAbs", "AcquisitionFrameRate")
FRAME_RATE_ENABLE = "AcquisitionFrameRateEnable"
BINNING = {"binning_horizontal": "BinningHorizontal", "binning_vertical": "BinningVertical"}
TRIGGERED_BY_EDGE = {TriggerEdge.RISING: "RisingEdge", TriggerEdge.FALLING: "FallingEdge"}

# What older cameras call a PFNC pixel format.
OLDER_PIXEL_FORMATS = {
    "RGB8": "RGB8Packed",
    "BGR8": "BGR8Packed",
    "BGRa8": "BGRA8Packed",
    "RGB16": "RGB16Packed",
}


def flag(backend: str, setting: str) -> str:
    """Name the flag of a setting, as the user types it."""
    if setting.startswith("features."):
        return f"--{backend}.{setting}"
    return f"--{backend}.{setting.replace('_', '-')}"


def pfnc_name(pixel_format: str) -> str:
    """Spell a camera's pixel format as PFNC does."""
    newer = {older: name for name, older in OLDER_PIXEL_FORMATS.items()}
    return newer.get(pixel_format, pixel_format)


def apply_settings(
    writer: FeatureWriter, backend: str, settings: CameraSettings, request: CaptureRequest
) -> None:
    """Set all that was asked for. What was refused is in ``writer.problems``.

    Parameters
    ----------
    writer
        The camera's features.
    backend
        Whose flags the messages name: ``--basler.exposure-us``.
    settings, request
        What was asked for; what is None keeps the camera's own value.

    Raises
    ------
    CameraSettingError
        The settings contradict each other.
    """
    if settings.trigger is Trigger.SOFTWARE and request.fps is None:
        raise CameraSettingError(
            f"{flag(backend, 'trigger')} software fires at the frame rate asked for, and none was: give --fps"
        )
    writer.prepare("AcquisitionMode", "Continuous")
    if settings.pixel_format is not None:
        _set_pixel_format(writer, backend, settings.pixel_format)
    for setting, feature in BINNING.items():
        asked = getattr(settings, setting)
        if asked is not None:
            writer.put(setting, flag(backend, setting), (feature,), asked)
    width, offset_x = settings.width, settings.offset_x
    _set_region(writer, backend, "width", "Width", width, "offset_x", "OffsetX", offset_x)
    _set_region(
        writer, backend, "height", "Height", settings.height, "offset_y", "OffsetY", settings.offset_y
    )
    if settings.exposure_us is not None:
        writer.prepare("ExposureAuto", "Off")
        _set_exposure(writer, backend, settings.exposure_us)
    if settings.gain is not None:
        writer.prepare("GainAuto", "Off")
        writer.put("gain", flag(backend, "gain"), GAIN, settings.gain)
    _set_trigger(writer, backend, settings)
    if settings.trigger is not Trigger.OFF:
        writer.prepare(FRAME_RATE_ENABLE, False)  # it would hold a trigger back
    elif request.fps is not None:
        writer.prepare(FRAME_RATE_ENABLE, True)
        # A rate past the limit becomes the limit: `CameraInfo.fps` then says so, and the run judges it.
        writer.put("fps", "--fps", FRAME_RATE, request.fps, clamp=True)
    for name, value in settings.features.items():
        setting = f"features.{name}"
        writer.put(setting, flag(backend, setting), (name,), value)


def _set_pixel_format(writer: FeatureWriter, backend: str, asked: str) -> None:
    node = writer.first("PixelFormat")
    choices = node.choices() if node is not None else ()
    older = OLDER_PIXEL_FORMATS.get(asked)
    if older in choices and asked not in choices:
        writer.put("pixel_format", flag(backend, "pixel_format"), ("PixelFormat",), older or asked)
    else:
        writer.put("pixel_format", flag(backend, "pixel_format"), ("PixelFormat",), asked)


def _set_region(
    writer: FeatureWriter,
    backend: str,
    size_setting: str,
    size_feature: str,
    size: int | None,
    offset_setting: str,
    offset_feature: str,
    offset: int | None,
) -> None:
    """Set one axis of the region of interest, whatever the region was before.

    Size and offset limit each other (size + offset is at most the sensor's), so the offset goes out of the
    way first. An offset that was not asked for comes back as far as the new size lets it.
    """
    if size is None and offset is None:
        return
    if offset is not None:
        centring = writer.first("CenterX" if offset_feature == "OffsetX" else "CenterY")
        if centring is not None and centring.kind is NodeKind.BOOLEAN:
            writer.prepare(centring.name, False)  # while it is on the offset cannot be set
    if size is not None:
        node = writer.first(offset_feature)
        before = writer.number(offset_feature)
        movable = node is not None and before and writer.prepare(offset_feature, int(node.limits().minimum))
        writer.put(size_setting, flag(backend, size_setting), (size_feature,), size)
        if offset is None and movable and node is not None and before:
            limits = node.limits()
            steps = limits.increment or 1
            writer.prepare(offset_feature, min(int(before), int(limits.maximum)) // steps * steps)
    if offset is not None:
        writer.put(offset_setting, flag(backend, offset_setting), (offset_feature,), offset)


def _set_exposure(writer: FeatureWriter, backend: str, exposure_us: float) -> None:
    if writer.first(*EXPOSURE_US) is None and writer.first(EXPOSURE_RAW) is not None:
        unit_us = writer.number(EXPOSURE_RAW_UNIT_US) or 1.0
        writer.put("exposure_us", flag(backend, "exposure_us"), (EXPOSURE_RAW,), exposure_us, scale=unit_us)
    else:
        writer.put("exposure_us", flag(backend, "exposure_us"), EXPOSURE_US, exposure_us)


def _set_trigger(writer: FeatureWriter, backend: str, settings: CameraSettings) -> None:
    """Switch every trigger off, then on the one asked for.

    A camera keeps its triggers from the program before, and one left on would hold every frame back.
    """
    selector = writer.first("TriggerSelector")
    selectors = selector.choices() if selector is not None else ()
    for choice in selectors:
        if writer.prepare("TriggerSelector", choice):
            writer.prepare("TriggerMode", "Off")
    if not selectors:
        writer.prepare("TriggerMode", "Off")
    if settings.trigger is Trigger.OFF:
        return
    for choice in ("FrameStart", "AcquisitionStart"):
        if choice in selectors and writer.prepare("TriggerSelector", choice):
            break
    trigger = flag(backend, "trigger")
    if not writer.prepare("TriggerMode", "On"):
        writer.problems.append(f"{trigger} {settings.trigger}: it has no TriggerMode that can be set to On")
    elif settings.trigger is Trigger.SOFTWARE:
        writer.put("trigger", trigger, ("TriggerSource",), "Software", late=False)
    else:
        edge = TRIGGERED_BY_EDGE[settings.trigger_edge]
        line = flag(backend, "trigger_line")
        writer.put("trigger_line", line, ("TriggerSource",), settings.trigger_line, late=False)
        writer.put("trigger_edge", flag(backend, "trigger_edge"), ("TriggerActivation",), edge, late=False)


def trigger_is_on(writer: FeatureWriter) -> bool:
    """Say whether the trigger that is selected now waits for something."""
    try:
        return writer.value("TriggerMode") == "On"
    except NodeRefusalError:
        return False
