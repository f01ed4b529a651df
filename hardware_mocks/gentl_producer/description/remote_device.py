"""The features of the camera itself (SFNC names; the vendor's own are marked ``standard=False``)."""

from __future__ import annotations

from nodes import Chunk, Feature, Limit, Module, Swiss

PIXEL_FORMATS = {  # PFNC codes
    "Mono8": 0x01080001,
    "Mono10": 0x01100003,
    "Mono12": 0x01100005,
    "Mono12p": 0x010C0047,
    "Mono16": 0x01100007,
    "BayerRG8": 0x01080009,
    "BayerRG12": 0x01100011,
    "BayerRG12p": 0x010C0059,
    "RGB8": 0x02180014,
    "BGR8": 0x02180015,
    "RGB12": 0x0230001A,
}
TEST_PATTERNS = {
    "Off": 0,
    "Black": 1,
    "White": 2,
    "GreyHorizontalRamp": 3,
    "GreyVerticalRamp": 4,
    "GreyHorizontalRampMoving": 5,
    "GreyVerticalRampMoving": 6,
    "GreyDiagonalRampMoving": 7,
}
CHUNKS = {"Timestamp": 0, "FrameID": 1, "ExposureTime": 2, "Gain": 3}
FRAME_IDS = {"Counts": 0, "Constant": 1, "Missing": 2}
TIMESTAMPS = {
    "True": 0,
    "Zero": 1,
    "AllOnes": 2,
    "Constant": 3,
    "SecondBack": 4,
    "Microseconds": 5,
    "Missing": 6,
}
OFF_ON = {"Off": 0, "On": 1}
AUTO = {"Off": 0, "Once": 1, "Continuous": 2}

_features: list[Feature] = []


def _add(feature: Feature) -> None:
    _features.append(feature)


def _text(name: str, category: str, access: str = "RO", length: int = 64, **more: object) -> None:
    _add(Feature(name, "string", category, access=access, length=length, **more))  # type: ignore[arg-type]


def _int(name: str, category: str, low: Limit = 0, high: Limit = 2**31 - 1, **more: object) -> None:
    _add(Feature(name, "integer", category, low=low, high=high, **more))  # type: ignore[arg-type]


def _seen(name: str, category: str, **more: object) -> None:
    _add(Feature(name, "integer", category, access="RO", **more))  # type: ignore[arg-type]


def _float(name: str, category: str, low: Limit, high: Limit, **more: object) -> None:
    _add(Feature(name, "float", category, low=low, high=high, **more))  # type: ignore[arg-type]


def _enum(name: str, category: str, entries: dict[str, int], **more: object) -> None:
    _add(Feature(name, "enumeration", category, entries=entries, **more))  # type: ignore[arg-type]


def _bool(name: str, category: str, **more: object) -> None:
    _add(Feature(name, "boolean", category, **more))  # type: ignore[arg-type]


def _command(name: str, category: str, **more: object) -> None:
    _add(Feature(name, "command", category, **more))  # type: ignore[arg-type]


_C = "DeviceControl"
for _name in ("DeviceVendorName", "DeviceModelName", "DeviceVersion", "DeviceFirmwareVersion"):
    _text(_name, _C)
_text("DeviceSerialNumber", _C)
_text("DeviceManufacturerInfo", _C)
_text("DeviceUserID", _C, "RW", tip="A name of the user's own; kept until the library is closed.")
_enum("DeviceScanType", _C, {"Areascan": 0}, access="RO")
for _name, _value in (("Major", 2), ("Minor", 7), ("SubMinor", 0)):
    _seen(f"DeviceSFNCVersion{_name}", _C, initial=_value, visibility="Expert")
_add(Feature("DeviceTemperature", "float", _C, access="RO", initial=41.5, unit="C"))
_command("DeviceReset", _C, tip="Power off and on: the device is lost, and back after FaultReturnAfter.")
_command("TimestampLatch", _C, tip="Copy the clock to TimestampLatchValue.")
_seen("TimestampLatchValue", _C, unit="ns")
_command("TimestampReset", _C, tip="Set the clock to 0.")
_seen("TimestampIncrement", _C, initial=1, unit="ns")
_enum("DeviceLinkThroughputLimitMode", _C, OFF_ON, locked=True)
_int("DeviceLinkThroughputLimit", _C, 1_000_000, 10_000_000_000, initial=380_000_000, unit="Bps", locked=True)

_C = "ImageFormatControl"
_seen("SensorWidth", _C, unit="pixel")
_seen("SensorHeight", _C, unit="pixel")
_seen("WidthMax", _C, unit="pixel", tip="SensorWidth / BinningHorizontal, down to a multiple of 4.")
_seen("HeightMax", _C, unit="pixel")
_int("Width", _C, 16, "WidthHighest", step=4, locked=True, unit="pixel")
_int("Height", _C, 1, "HeightHighest", step=1, locked=True, unit="pixel")
_int("OffsetX", _C, 0, "OffsetXHighest", step=4, locked=True, unit="pixel")
_int("OffsetY", _C, 0, "OffsetYHighest", step=1, locked=True, unit="pixel")
_int("BinningHorizontal", _C, 1, 4, initial=1, locked=True)
_int("BinningVertical", _C, 1, 4, initial=1, locked=True)
_enum("BinningMode", _C, {"Average": 0, "Sum": 1}, locked=True, standard=False)
_enum("PixelFormat", _C, PIXEL_FORMATS, initial=PIXEL_FORMATS["Mono8"], locked=True, checked=False)
_seen("LinePitch", _C, unit="B", tip="From the beginning of one line of pixels to that of the next.")
_int(
    "LinePadding",
    _C,
    0,
    1024,
    locked=True,
    unit="B",
    standard=False,
    tip="Bytes behind the pixels of each line, all of the value 165.",
)
_seen("PixelDynamicRangeMax", _C, tip="The greatest value that a pixel of this format holds.")
_enum("TestPattern", _C, TEST_PATTERNS, initial=7, tip="Off: frames of SensorFrameFile, black without one.")
_bool(
    "FrameStampEnable",
    _C,
    initial=1,
    standard=False,
    tip="The first 8 pixels carry the frame id, little-endian, a byte each.",
)
_text(
    "SensorFrameFile",
    _C,
    "RW",
    1024,
    locked=True,
    standard=False,
    tip="Path of raw 8-bit frames of SensorWidth x SensorHeight, shown in turn with TestPattern Off.",
)

_C = "AcquisitionControl"
_enum("AcquisitionMode", _C, {"Continuous": 0, "SingleFrame": 1, "MultiFrame": 2}, locked=True)
_command("AcquisitionStart", _C)
_command("AcquisitionStop", _C)
_command("AcquisitionAbort", _C)
_int("AcquisitionFrameCount", _C, 1, 2**31 - 1, initial=1, locked=True, available="ModeIsMultiFrame")
_bool("AcquisitionFrameRateEnable", _C, initial=1)
_float(
    "AcquisitionFrameRate",
    _C,
    0.1,
    "AcquisitionFrameRateMax",
    initial=100.0,
    unit="Hz",
    locked_by="FrameRateIsFree",
)
_add(Feature("AcquisitionFrameRateMax", "float", "", access="RO"))
_add(
    Feature(
        "AcquisitionResultingFrameRate",
        "float",
        _C,
        access="RO",
        unit="Hz",
        tip="What the frame rate, the exposure time and the link allow together.",
    )
)
_enum(
    "AcquisitionStatusSelector",
    _C,
    {"AcquisitionActive": 0, "FrameTriggerWait": 1},
    selects=("AcquisitionStatus",),
    visibility="Expert",
)
_bool("AcquisitionStatus", _C, access="RO", visibility="Expert")
_enum("ExposureMode", _C, {"Timed": 0, "TriggerWidth": 1}, tip="TriggerWidth hides ExposureTime; no more.")
_float(
    "ExposureTime",
    _C,
    10.0,
    10_000_000.0,
    initial=1000.0,
    unit="us",
    locked_by="ExposureAutoReg",
    available="ExposureIsTimed",
)
_enum("ExposureAuto", _C, AUTO)
_enum(
    "TriggerSelector",
    _C,
    {"FrameStart": 0},
    selects=("TriggerMode", "TriggerSoftware", "TriggerSource", "TriggerActivation", "TriggerDelay"),
)
_enum("TriggerMode", _C, OFF_ON)
_command("TriggerSoftware", _C, available="TriggerIsSoftware")
_enum("TriggerSource", _C, {"Software": 0, "Line1": 1})
_enum("TriggerActivation", _C, {"RisingEdge": 0, "FallingEdge": 1, "AnyEdge": 2})
_float("TriggerDelay", _C, 0.0, 1_000_000.0, unit="us")

_C = "DigitalIOControl"
_enum("LineSelector", _C, {"Line1": 0}, selects=("LineMode", "LineStatus"))
_enum("LineMode", _C, {"Input": 0}, access="RO")
_bool("LineStatus", _C, access="RO")
_float(
    "LineGeneratorFrequency",
    _C,
    0.0,
    10_000.0,
    unit="Hz",
    standard=False,
    tip="Of the square wave wired to Line1; 0 is none.",
)
_command("LinePulse", _C, standard=False, tip="One pulse on Line1: a rising and a falling edge.")

_C = "AnalogControl"
_enum("GainSelector", _C, {"All": 0}, selects=("Gain", "GainAuto"))
_float(
    "Gain", _C, 0.0, 48.0, unit="dB", locked_by="GainAutoReg", tip="Kept and read back; pixels do not change."
)
_enum("GainAuto", _C, AUTO)
_enum("BlackLevelSelector", _C, {"All": 0}, selects=("BlackLevel",))
_float("BlackLevel", _C, 0.0, 255.0, tip="Kept and read back; pixels do not change.")
_float("Gamma", _C, 0.1, 4.0, initial=1.0, tip="Kept and read back; pixels do not change.")

_C = "ChunkDataControl"
_bool("ChunkModeActive", _C, locked=True)
_enum("ChunkSelector", _C, CHUNKS, selects=("ChunkEnable",))
_bool("ChunkEnable", _C, locked=True, initial=1, selector="ChunkSelector", count=len(CHUNKS))

_C = "UserSetControl"
_enum(
    "UserSetSelector",
    _C,
    {"Default": 0, "UserSet1": 1, "UserSet2": 2},
    selects=("UserSetLoad", "UserSetSave"),
    saved=False,
)
_command("UserSetLoad", _C, locked=True)
_command("UserSetSave", _C, locked_by="UserSetIsDefault")
_enum("UserSetDefault", _C, {"Default": 0, "UserSet1": 1, "UserSet2": 2}, saved=False)

_C = "TransportLayerControl"
_seen("PayloadSize", _C, unit="B")
_int("TLParamsLocked", _C, 0, 1, visibility="Invisible", saved=False)
_seen("AcquisitionIsActive", "")

_C = "FaultControl"
_N = {"standard": False, "saved": False}
_int("FaultDropNext", _C, tip="Drop so many frames from now on; counts down.", **_N)
_int("FaultDropEvery", _C, tip="Drop each frame whose id + 1 is a multiple of this; 0 none.", **_N)
_int("FaultIncompleteNext", _C, tip="Deliver so many frames incomplete; counts down.", **_N)
_int("FaultIncompleteEvery", _C, tip="Each frame whose id + 1 is a multiple of this; 0 none.", **_N)
_int("FaultIncompletePercent", _C, 0, 99, initial=50, tip="How much of such a frame arrives.", **_N)
_int("FaultStall", _C, 0, 600_000, unit="ms", tip="Deliver nothing for so long; frame ids run on.", **_N)
_int("FaultDelay", _C, 0, 10_000, unit="ms", tip="Deliver each frame so much later, none lost.", **_N)
_float("FaultPeriodFactor", _C, 0.1, 1000.0, initial=1.0, tip="The true frame period over the stated.", **_N)
_int("FaultTimestampJump", _C, -(2**53), 2**53, unit="ns", tip="Written: added to the clock, once.", **_N)
_enum("FaultFrameID", _C, FRAME_IDS, tip="What buffers say of the frame's id.", **_N)
_enum("FaultTimestamp", _C, TIMESTAMPS, tip="What buffers say of the frame's time.", **_N)
_int("FaultTimestampEvery", _C, 1, initial=1, tip="Of each frame whose id + 1 is a multiple of this.", **_N)
_int("FaultPayload", _C, -(2**20), 2**20, unit="B", tip="Sent above PayloadSize, or below it.", **_N)
_bool("FaultPaddingUntold", _C, tip="Buffers do not tell of LinePadding.", **_N)
_command("FaultLoseDevice", _C, tip="Unplug this device now.", **_N)
_int("FaultReturnAfter", _C, 0, 600_000, initial=500, unit="ms", tip="Back after so long; 0 never.", **_N)
for _name in ("Generated", "Dropped", "Incomplete", "Underrun"):
    _seen(f"FaultFrames{_name}", _C, standard=False, tip="Since AcquisitionStart.")

REMOTE = Module(
    prefix="REMOTE",
    port="Device",
    file="rheed_mock_camera.xml",
    model="RheedMockCamera",
    features=_features,
    formulas=[
        Swiss(
            "ParametersLocked", {"T": "TLParamsLocked", "A": "AcquisitionIsActiveReg"}, "(T = 1) || (A = 1)"
        ),
        Swiss("WidthHighest", {"M": "WidthMax", "O": "OffsetXReg"}, "M - O"),
        Swiss("HeightHighest", {"M": "HeightMax", "O": "OffsetYReg"}, "M - O"),
        Swiss("OffsetXHighest", {"M": "WidthMax", "W": "WidthReg"}, "M - W"),
        Swiss("OffsetYHighest", {"M": "HeightMax", "H": "HeightReg"}, "M - H"),
        Swiss("ExposureIsTimed", {"M": "ExposureModeReg"}, "M = 0"),
        Swiss("ModeIsMultiFrame", {"M": "AcquisitionModeReg"}, "M = 2"),
        Swiss("FrameRateIsFree", {"E": "AcquisitionFrameRateEnableReg"}, "E = 0"),
        Swiss("TriggerIsSoftware", {"M": "TriggerModeReg", "S": "TriggerSourceReg"}, "(M = 1) && (S = 0)"),
        Swiss("UserSetIsDefault", {"S": "UserSetSelectorReg"}, "S = 0"),
    ],
    chunks=[
        Chunk("ChunkTimestamp", 0x10001, "integer", "ns"),
        Chunk("ChunkFrameID", 0x10002, "integer"),
        Chunk("ChunkExposureTime", 0x10003, "float", "us"),
        Chunk("ChunkGain", 0x10004, "float", "dB"),
    ],
    lock="ParametersLocked",
)
