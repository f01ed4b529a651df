"""From the user's settings to a camera's features, whatever order the features depend on each other in.

Each list of names holds what one thing is called on different generations of cameras. The older names come
first where a device may have both, because then it is the older one that works: pylon's camera emulation has
an ``ExposureTime`` without effect beside its ``ExposureTimeAbs``, and SFNC cameras have no ``...Abs`` at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rheed_acquire.cameras.camera import CameraSettingError, CaptureRequest
from rheed_acquire.cameras.camera_settings import CameraSettings, Trigger, TriggerEdge
from rheed_acquire.cameras.genapi.feature_name import FeatureName, parse_feature_name
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate_nodes import put_frame_rate, release_frame_rate
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError
from rheed_acquire.cameras.genapi.region import set_axis
from rheed_acquire.cameras.genapi.settling import Step, settle
from rheed_acquire.cameras.genapi.values import PLAIN, Notation, Scaled, as_boolean

EXPOSURE_US = ("ExposureTimeAbs", "ExposureTime")
EXPOSURE_RAW = "ExposureTimeRaw"
EXPOSURE_RAW_UNIT_US = "ExposureTimeBaseAbs"
GAIN = ("Gain", "GainAbs", "GainRaw")
BINNING = {"binning_horizontal": "BinningHorizontal", "binning_vertical": "BinningVertical"}
TRIGGERED_BY_EDGE = {TriggerEdge.RISING: "RisingEdge", TriggerEdge.FALLING: "FallingEdge"}
OWN_PACE = ("Freerun", "FixedRate")  # sources of Allied Vision's GigE cameras that are no trigger
LOAD_USER_SET, SAVE_USER_SET = "usersetload", "usersetsave"

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

    A user set is loaded first of all, since it overwrites everything, and saved last. Then features are set
    in the order given, then the other settings, and whatever waits for another, or was undone by another,
    again until nothing changes. A feature that is asked for by its own name wins over what is only set on
    the way.

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
    first, features, last = _features(writer, backend, settings)
    for step in first:
        step.take()
    writer.force("AcquisitionMode", "Continuous")
    _switch_triggers_off(writer)
    settle(writer, [*features, *_named(writer, backend, settings, request)])
    for step in last:
        step.take()


def _features(
    writer: FeatureWriter, backend: str, settings: CameraSettings
) -> tuple[list[Step], list[Step], list[Step]]:
    """Make a step of each feature: what loads a user set, all others in the order given, what saves one."""
    first: list[Step] = []
    others: list[Step] = []
    last: list[Step] = []
    loading, saving = _user_set_features(writer, settings)
    for text, value in settings.features.items():
        setting = f"features.{text}"
        try:
            feature = parse_feature_name(text)
        except ValueError as error:
            writer.refuse(setting, f"{flag(backend, setting)} {value}: {error}")
            continue

        def take(setting: str = setting, feature: FeatureName = feature, value: object = value) -> None:
            asked = value if isinstance(value, bool | int | float) else str(value)
            shown = flag(backend, setting)
            writer.put(setting, shown, (feature.name,), asked, selected=feature.selected)

        name = feature.name.casefold()
        steps = first if name in loading else last if name in saving else others
        steps.append(Step((setting,), take))
    return first, others, last


def _user_set_features(writer: FeatureWriter, settings: CameraSettings) -> tuple[set[str], set[str]]:
    """Name the features that load a user set, the selectors of the command among them, and that save one."""
    asked = {}
    for text, value in settings.features.items():
        try:
            asked[parse_feature_name(text).name.casefold()] = as_boolean(value)
        except ValueError:
            continue
    if not asked.get(LOAD_USER_SET):
        return set(), {SAVE_USER_SET}
    command = writer.nodes.find(LOAD_USER_SET)
    selectors = () if command is None else command.selectors()
    return {LOAD_USER_SET, *(name.casefold() for name in selectors)}, {SAVE_USER_SET}


def _named(
    writer: FeatureWriter, backend: str, settings: CameraSettings, request: CaptureRequest
) -> Iterator[Step]:
    """Make the steps of all settings but the features, in the order that most cameras want."""
    if settings.pixel_format is not None:
        yield Step(("pixel_format",), _bound(_set_pixel_format, writer, backend, settings.pixel_format))
    for setting, feature in BINNING.items():
        asked = getattr(settings, setting)
        if asked is not None:
            yield Step((setting,), _bound(writer.put, setting, flag(backend, setting), (feature,), asked))
    for size, offset, axis in (("width", "offset_x", "X"), ("height", "offset_y", "Y")):
        flags = flag(backend, size), flag(backend, offset)
        asked = getattr(settings, size), getattr(settings, offset)
        if asked != (None, None):
            yield Step((size, offset), _bound(set_axis, writer, axis, flags, asked))
    if settings.exposure_us is not None:
        asked = flag(backend, "exposure_us")
        yield Step(("exposure_us",), _bound(put_exposure, writer, asked, settings.exposure_us))
    if settings.gain is not None:
        yield Step(("gain",), _bound(put_gain, writer, flag(backend, "gain"), settings.gain))
    if settings.trigger is not Trigger.OFF:
        names = ("trigger", "trigger_line", "trigger_edge")
        yield Step(names, _bound(_set_trigger, writer, backend, settings))
        yield Step((), _bound(release_frame_rate, writer))
    elif request.fps is not None:
        yield Step(("fps",), _bound(_set_frame_rate, writer, request.fps))


def _bound(function: Callable[..., object], *arguments: object) -> Callable[[], None]:
    def call() -> None:
        function(*arguments)

    return call


def _set_pixel_format(writer: FeatureWriter, backend: str, asked: str) -> None:
    node = writer.first("PixelFormat")
    choices = node.choices() if node is not None else ()
    older = OLDER_PIXEL_FORMATS.get(asked)
    name = older if older in choices and asked not in choices and older else asked
    writer.put("pixel_format", flag(backend, "pixel_format"), ("PixelFormat",), name)


def put_exposure(writer: FeatureWriter, flag: str, exposure_us: float) -> None:
    """Set the exposure time, in microseconds; ``flag`` is how the user gives it."""
    writer.prepare("ExposureAuto", "Off")
    writer.prepare("ExposureMode", "Timed")
    names: tuple[str, ...] = EXPOSURE_US
    notation: Notation = PLAIN
    if writer.first(*EXPOSURE_US) is None and writer.first(EXPOSURE_RAW) is not None:
        names, notation = (EXPOSURE_RAW,), Scaled(writer.number(EXPOSURE_RAW_UNIT_US) or 1.0)
    writer.put("exposure_us", flag, names, exposure_us, notation=notation)


def put_gain(writer: FeatureWriter, flag: str, gain: float) -> None:
    """Set the gain, in dB where the device has it so."""
    writer.prepare("GainAuto", "Off")
    writer.put("gain", flag, GAIN, gain)


def _set_frame_rate(writer: FeatureWriter, fps: float) -> None:
    if trigger_is_on(writer):  # by a feature that the user asks for: then fps is what the stream declares
        release_frame_rate(writer)
    else:
        put_frame_rate(writer, fps)


def _switch_triggers_off(writer: FeatureWriter) -> None:
    """Switch every trigger off.

    A camera keeps its triggers from the program before, and one left on would hold every frame back.
    """
    selector = writer.first("TriggerSelector")
    for choice in selector.choices() if selector is not None else ():
        try:
            with writer.at((("TriggerSelector", choice),)):
                writer.force("TriggerMode", "Off")
        except NodeRefusalError:
            continue
    writer.force("TriggerMode", "Off")


def _set_trigger(writer: FeatureWriter, backend: str, settings: CameraSettings) -> None:
    selector = writer.first("TriggerSelector")
    choices = selector.choices() if selector is not None else ()
    for choice in ("FrameStart", "AcquisitionStart"):
        if choice in choices and (
            writer.claimed("TriggerSelector") or writer.force("TriggerSelector", choice)
        ):
            break
    trigger = flag(backend, "trigger")
    if not writer.prepare("TriggerMode", "On"):
        has = writer.nodes.find("TriggerMode") is not None
        why = "TriggerMode cannot be set to On" if has else "it has no feature TriggerMode"
        writer.refuse("trigger", f"{trigger} {settings.trigger}: {why}")
    elif settings.trigger is Trigger.SOFTWARE:
        writer.put("trigger", trigger, ("TriggerSource",), "Software")
    else:
        edge = TRIGGERED_BY_EDGE[settings.trigger_edge]
        line = flag(backend, "trigger_line")
        writer.put("trigger_line", line, ("TriggerSource",), settings.trigger_line)
        writer.put("trigger_edge", flag(backend, "trigger_edge"), ("TriggerActivation",), edge)


def trigger_is_on(writer: FeatureWriter) -> bool:
    """Say whether any trigger of the camera waits for something."""
    selector = writer.first("TriggerSelector")
    for choice in selector.choices() if selector is not None else ():
        try:
            with writer.at((("TriggerSelector", choice),)):
                if _waits(writer):
                    return True
        except NodeRefusalError:
            continue
    return _waits(writer)


def _waits(writer: FeatureWriter) -> bool:
    return writer.value("TriggerMode") == "On" and writer.value("TriggerSource") not in OWN_PACE
