"""Stream a RHEED camera live to Atomscale.

Names are loaded when they are first used, so that ``import rheed_acquire`` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.cameras.callback_camera import CallbackCamera
    from rheed_acquire.cameras.camera import (
        AmbiguousCameraError,
        Camera,
        CameraEndedError,
        CameraError,
        CameraInfo,
        CameraLostError,
        CameraNotFoundError,
        CameraSettingError,
        CaptureRequest,
        DeviceInfo,
        Frame,
        OnFault,
        OnFrame,
        SettingReadback,
    )
    from rheed_acquire.cameras.camera_settings import CameraSettings, Trigger, TriggerEdge
    from rheed_acquire.cameras.grab_loop import GrabLoopCamera
    from rheed_acquire.channels.channel import Channel, ChannelError, Reading
    from rheed_acquire.channels.channel_settings import ChannelSettings
    from rheed_acquire.errors import RheedAcquireError, SettingsError, StreamerError
    from rheed_acquire.frames.accumulator import ChunkAccumulator
    from rheed_acquire.frames.ring import Chunk, ChunkRing
    from rheed_acquire.hookspecs import CameraBackend, ChannelBackend, hookimpl
    from rheed_acquire.host.guard.observed_chunk import ObservedChunk
    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.recording.dataset import open_run
    from rheed_acquire.recording.reading import RecordedRun
    from rheed_acquire.regions.oscillation import Oscillation, dominant_period
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer
    from rheed_acquire.streaming.streamer import (
        DeliveryStatus,
        Streamer,
        StreamerBackend,
        StreamerRequest,
    )
    from rheed_acquire.system.shared_reading import open_shared
    from rheed_acquire.view.station import Station, StationRun
    from rheed_acquire.view.station_choice import NoStationError
    from rheed_acquire.view.station_connection import StationError

_HOMES = {
    "rheed_acquire.frames.accumulator": ("ChunkAccumulator",),
    "rheed_acquire.cameras.camera": (
        "AmbiguousCameraError",
        "Camera",
        "CameraEndedError",
        "CameraError",
        "CameraInfo",
        "CameraLostError",
        "CameraNotFoundError",
        "CameraSettingError",
        "CaptureRequest",
        "DeviceInfo",
        "Frame",
        "OnFault",
        "OnFrame",
        "SettingReadback",
    ),
    "rheed_acquire.cameras.camera_settings": ("CameraSettings", "Trigger", "TriggerEdge"),
    "rheed_acquire.channels.channel": ("Channel", "ChannelError", "Reading"),
    "rheed_acquire.channels.channel_settings": ("ChannelSettings",),
    "rheed_acquire.errors": ("RheedAcquireError", "SettingsError", "StreamerError"),
    "rheed_acquire.cameras.callback_camera": ("CallbackCamera",),
    "rheed_acquire.cameras.grab_loop": ("GrabLoopCamera",),
    "rheed_acquire.host.guard.observed_chunk": ("ObservedChunk",),
    "rheed_acquire.hookspecs": ("CameraBackend", "ChannelBackend", "hookimpl"),
    "rheed_acquire.frames.ring": ("Chunk", "ChunkRing"),
    "rheed_acquire.recording.bucket_path": ("BucketPath",),
    "rheed_acquire.recording.dataset": ("open_run",),
    "rheed_acquire.recording.reading": ("RecordedRun",),
    "rheed_acquire.regions.oscillation": ("Oscillation", "dominant_period"),
    "rheed_acquire.streaming.rheed_streamer": ("RHEEDStreamer",),
    "rheed_acquire.streaming.streamer": (
        "DeliveryStatus",
        "Streamer",
        "StreamerBackend",
        "StreamerRequest",
    ),
    "rheed_acquire.system.shared_reading": ("open_shared",),
    "rheed_acquire.view.station": ("Station", "StationRun"),
    "rheed_acquire.view.station_choice": ("NoStationError",),
    "rheed_acquire.view.station_connection": ("StationError",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AmbiguousCameraError",
    "BucketPath",
    "CallbackCamera",
    "Camera",
    "CameraBackend",
    "CameraEndedError",
    "CameraError",
    "CameraInfo",
    "CameraLostError",
    "CameraNotFoundError",
    "CameraSettingError",
    "CameraSettings",
    "CaptureRequest",
    "Channel",
    "ChannelBackend",
    "ChannelError",
    "ChannelSettings",
    "Chunk",
    "ChunkAccumulator",
    "ChunkRing",
    "DeliveryStatus",
    "DeviceInfo",
    "Frame",
    "GrabLoopCamera",
    "NoStationError",
    "ObservedChunk",
    "OnFault",
    "OnFrame",
    "Oscillation",
    "RHEEDStreamer",
    "Reading",
    "RecordedRun",
    "RheedAcquireError",
    "SettingReadback",
    "SettingsError",
    "Station",
    "StationError",
    "StationRun",
    "Streamer",
    "StreamerBackend",
    "StreamerError",
    "StreamerRequest",
    "Trigger",
    "TriggerEdge",
    "dominant_period",
    "hookimpl",
    "open_run",
    "open_shared",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
