"""How fast a camera will really go, and what keeps it from going faster."""

from __future__ import annotations

from dataclasses import dataclass

from rheed_acquire import CameraSettings, CaptureRequest, Trigger
from rheed_acquire.genapi.configure import (
    EXPOSURE_RAW,
    EXPOSURE_RAW_UNIT_US,
    EXPOSURE_US,
    FRAME_RATE,
    trigger_is_on,
)
from rheed_acquire.genapi.configure import FRAME_RATE_ENABLE as ENABLE
from rheed_acquire.genapi.features import FeatureWriter

RESULTING_FRAME_RATE = (
    "ResultingFrameRateAbs",
    "ResultingFrameRate",
    "BslResultingAcquisitionFrameRate",
    "AcquisitionResultingFrameRate",
)

# Closer than this two rates count as the same, so that the one is the reason for the other.
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class FrameRate:
    """A rate in frames per second, None where it cannot be known, and its limit in words."""

    fps: float | None
    limited_by: str | None


def exposure_us(writer: FeatureWriter) -> float | None:
    """Read the present exposure time in microseconds."""
    exposure = writer.number(*EXPOSURE_US)
    if exposure is None:
        raw = writer.number(EXPOSURE_RAW)
        return None if raw is None else raw * (writer.number(EXPOSURE_RAW_UNIT_US) or 1.0)
    return exposure


def expected_rate(writer: FeatureWriter, settings: CameraSettings, request: CaptureRequest) -> FrameRate:
    """Tell the rate at which frames will come, from a camera on which all settings are set."""
    if settings.trigger is Trigger.SOFTWARE:
        return free_running(writer, request.fps, paced=True)
    if settings.trigger is Trigger.LINE:
        return FrameRate(None, f"the trigger on {settings.trigger_line}")
    if trigger_is_on(writer):  # by way of `CameraSettings.features`
        return FrameRate(None, f"the trigger from {writer.value('TriggerSource')}")
    return free_running(writer, request.fps)


def free_running(writer: FeatureWriter, asked: float | None, *, paced: bool = False) -> FrameRate:
    """Tell the rate at which the camera will deliver frames with its present settings.

    The camera's own resulting frame rate is believed, but never past one frame per exposure: a pixel is
    exposed for one frame at a time, so 1 / exposure bounds every camera, and pylon's camera emulation does
    not take it into account.

    Parameters
    ----------
    writer
        The camera's features, all set.
    asked
        What `CaptureRequest.fps` asked for.
    paced
        Whether software triggers at the rate ``asked`` set the pace, and not the camera.
    """
    reasons: list[tuple[float, str]] = []
    exposure = exposure_us(writer)
    if exposure:
        reasons.append((1e6 / exposure, f"the exposure time of {exposure:.10g} us"))
    enabled = writer.value(ENABLE)
    rate = writer.number(*FRAME_RATE)
    if rate is not None and not paced and enabled is not False:
        reasons.append((rate, _rate_setting(rate, asked)))
    resulting = writer.number(*RESULTING_FRAME_RATE)
    bounds = [bound for bound, _ in reasons]
    if resulting:
        bounds.append(resulting)
    if paced and asked is not None:
        if bounds and min(bounds) < asked:
            return FrameRate(min(bounds), _why(writer, min(bounds), reasons))
        return FrameRate(asked, f"the software trigger at {asked:.10g} fps")
    if not bounds:
        return FrameRate(None, None)
    fps = min(bounds)
    return FrameRate(fps, _why(writer, fps, reasons))


def _rate_setting(rate: float, asked: float | None) -> str:
    if asked is not None and rate < asked * (1 - _SAME):
        return f"the highest frame rate that the camera allows with its present settings, {rate:.10g} fps"
    return f"its frame rate setting of {rate:.10g} fps"


def _why(writer: FeatureWriter, fps: float, reasons: list[tuple[float, str]]) -> str:
    """Name the settings that allow just this rate, or what is left: the link, or the sensor's readout."""
    near = [text for bound, text in reasons if abs(bound - fps) <= _SAME * fps]
    if near:
        return " and ".join(near)
    payload = writer.number("PayloadSize")
    link = writer.number("DeviceLinkThroughputLimit")
    if payload and link and writer.value("DeviceLinkThroughputLimitMode") != "Off":
        bound = link / payload
        # The limit counts the link's own overhead too, a few per cent of the payload.
        if fps <= bound * (1 + _SAME) and fps >= bound * 0.9:
            return f"the bandwidth limit DeviceLinkThroughputLimit of {link / 1e6:.4g} MB/s"
    width, height = writer.number("Width"), writer.number("Height")
    region = f" of {width:.0f} x {height:.0f} pixels" if width and height else ""
    return f"the sensor's readout or the link's bandwidth, for a region of interest{region}"
