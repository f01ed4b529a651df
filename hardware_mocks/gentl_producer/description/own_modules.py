"""What the producer's own ports show: system, interface, local device, data stream (GenTL SFNC names)."""

from __future__ import annotations

from nodes import Feature, Module


def _text(name: str, category: str) -> Feature:
    return Feature(name, "string", category, access="RO", length=256)


def _number(name: str, category: str) -> Feature:
    return Feature(name, "integer", category, access="RO")


SYSTEM = Module(
    prefix="SYSTEM",
    port="TLPort",
    file="rheed_mock_system.xml",
    model="RheedMockSystem",
    features=[
        *(
            _text(n, "SystemInformation")
            for n in ("TLID", "TLVendorName", "TLModelName", "TLVersion", "TLPath")
        ),
        _text("TLType", "SystemInformation"),
        *(_number(n, "SystemInformation") for n in ("GenTLVersionMajor", "GenTLVersionMinor")),
        Feature("InterfaceUpdateList", "command", "InterfaceEnumeration"),
        Feature(
            "InterfaceSelector", "integer", "InterfaceEnumeration", low=0, high=0, selects=("InterfaceID",)
        ),
        _text("InterfaceID", "InterfaceEnumeration"),
    ],
)

INTERFACE = Module(
    prefix="INTERFACE",
    port="InterfacePort",
    file="rheed_mock_interface.xml",
    model="RheedMockInterface",
    features=[
        _text("InterfaceID", "InterfaceInformation"),
        _text("InterfaceType", "InterfaceInformation"),
        Feature("DeviceUpdateList", "command", "DeviceEnumeration"),
        Feature(
            "DeviceSelector",
            "integer",
            "DeviceEnumeration",
            low=0,
            high="DeviceSelectorMax",
            selects=("DeviceID", "DeviceVendorName", "DeviceModelName", "DeviceSerialNumber"),
        ),
        _number("DeviceSelectorMax", ""),
        *(
            _text(n, "DeviceEnumeration")
            for n in ("DeviceID", "DeviceVendorName", "DeviceModelName", "DeviceSerialNumber")
        ),
        _number("DeviceAccessStatus", "DeviceEnumeration"),
        Feature(
            "FaultReturnDevices",
            "command",
            "FaultControl",
            tip="Plug every lost device in again, at once.",
            standard=False,
        ),
    ],
)

DEVICE = Module(
    prefix="DEVICE",
    port="DevicePort",
    file="rheed_mock_device.xml",
    model="RheedMockDevice",
    features=[
        *(
            _text(n, "DeviceInformation")
            for n in ("DeviceID", "DeviceVendorName", "DeviceModelName", "DeviceSerialNumber", "DeviceType")
        ),
        _number("StreamSelectorMax", ""),
        Feature(
            "StreamSelector",
            "integer",
            "StreamEnumeration",
            low=0,
            high="StreamSelectorMax",
            selects=("StreamID",),
        ),
        _text("StreamID", "StreamEnumeration"),
        _number("DeviceIsLost", "DeviceInformation"),
    ],
    events={"EventDeviceLost": "9001"},
)

STREAM = Module(
    prefix="STREAM",
    port="StreamPort",
    file="rheed_mock_stream.xml",
    model="RheedMockStream",
    features=[
        _text("StreamID", "StreamInformation"),
        _text("StreamType", "StreamInformation"),
        *(
            _number(n, "StreamInformation")
            for n in (
                "StreamAnnouncedBufferCount",
                "StreamAnnounceBufferMinimum",
                "StreamInputBufferCount",
                "StreamOutputBufferCount",
                "StreamStartedFrameCount",
                "StreamDeliveredFrameCount",
                "StreamLostFrameCount",
                "StreamIsGrabbing",
            )
        ),
        Feature(
            "StreamBufferHandlingMode",
            "enumeration",
            "StreamControl",
            access="RO",
            entries={"OldestFirst": 0},
        ),
    ],
)
