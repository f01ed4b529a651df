"""How fast a camera will really go, and what keeps it from going faster."""

from __future__ import annotations

from dataclasses import dataclass

from rheed_acquire.cameras.camera import CaptureRequest
from rheed_acquire.cameras.camera_settings import CameraSettings, Trigger
from rheed_acquire.cameras.genapi.configure import (
    EXPOSURE_RAW,
    EXPOSURE_RAW_UNIT_US,
    EXPOSURE_US,
    trigger_is_on,
)
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate_nodes import frame_rate_resulting, frame_rate_set

# Closer than this two rates count as the same, so that the one is the reason for the other.
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class FrameRate:
    """How fast frames will come.

    Attributes
    ----------
    fps
        In frames per second; None where nothing tells.
    limited_by
        What keeps `fps`, or else `at_most`, from being higher, in words.
    at_most
        Where `fps` is None, what it cannot exceed, if that is known.
    """

    fps: float | None
    limited_by: str | None
    at_most: float | None = None


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

    What the camera tells is believed, but never past one frame per exposure: a pixel is exposed for one frame
    at a time, so 1 / exposure bounds every camera, and pylon's camera emulation does not take it into
    account. A bound is no rate: where the camera tells none, none is known.

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
    rate = None if paced else frame_rate_set(writer)
    if rate is not None:
        reasons.append((rate, _rate_setting(rate, asked)))
    resulting = frame_rate_resulting(writer)
    bounds = [bound for bound, _ in reasons]
    if resulting is not None:
        bounds.append(resulting)
    if paced and asked is not None:
        if bounds and min(bounds) < asked:
            return FrameRate(min(bounds), _why(writer, min(bounds), reasons))
        return FrameRate(asked, f"the software trigger at {asked:.10g} fps")
    if rate is None and resulting is None:
        at_most = min(bounds, default=None)
        return FrameRate(None, _why(writer, at_most, reasons) if at_most else None, at_most)
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
