"""One GenICam camera, opened, configured and streaming."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from rheed_acquire import (
    CameraError,
    CameraInfo,
    CameraLostError,
    CaptureRequest,
    Frame,
    GrabLoopCamera,
)
from rheed_acquire.cameras.genapi.adjustment import adjust, present
from rheed_acquire.cameras.genapi.buffers import buffers_for, buffers_readback
from rheed_acquire.cameras.genapi.configure import apply_settings, flag
from rheed_acquire.cameras.genapi.counters import counted_since
from rheed_acquire.cameras.genapi.description import (
    NARROW_IDS,
    ask_for_wide_ids,
    configuring,
    describe_device,
    required_number,
    tick_hz,
)
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate import expected_rate
from rheed_acquire.cameras.genapi.image_layout import image_layout
from rheed_acquire.cameras.genapi.lines import line_is_high
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError
from rheed_acquire.cameras.genapi.software_trigger import SoftwareTrigger, is_ready_for_trigger
from rheed_acquire.cameras.genapi.temperature import device_temperature_c
from rheed_acquire_genicam.connection import Connection
from rheed_acquire_genicam.devices import FoundDevice
from rheed_acquire_genicam.grabbing import NOTHING, POLL_S, BufferReader, BufferWatch
from rheed_acquire_genicam.nodes import GenapiNodeMap
from rheed_acquire_genicam.sdk import SDK_ERRORS, gentl, reason
from rheed_acquire_genicam.settings import GenicamSettings

logger = logging.getLogger(__name__)

_COUNTERS = {
    "num_delivered": "buffers_filled",
    "num_started": "frames_begun",
    "num_underrun": "buffer_underruns",
}


class GenicamCamera(GrabLoopCamera):
    """A GenICam camera.

    Parameters
    ----------
    found
        The camera to open; its producer's lease goes over to this object, also where opening fails.
    settings, request
        How to configure it.

    Raises
    ------
    CameraSettingError
        The camera lacks a feature or refuses a value; the message names each and what the camera allows.
    CameraError
        The camera cannot be opened or read.
    """

    def __init__(self, found: FoundDevice, settings: GenicamSettings, request: CaptureRequest) -> None:
        self._device = found.info
        self._settings = settings
        self._request = request
        self._watch: BufferWatch | None = None
        self._buffer: Any = None
        self._frame = Frame(NOTHING, None, None)
        self._trigger: SoftwareTrigger | None = None
        self._statistics: dict[str, int] = {}
        self._baseline: dict[str, int] = {}
        self._connection = Connection(found)
        with configuring(self._device, self._connection.close, SDK_ERRORS, reason):
            self._writer = FeatureWriter(GenapiNodeMap(self._connection.node_map))
            self._info = self._configure()

    @property
    def info(self) -> CameraInfo:
        """The camera with the settings that it was opened with."""
        return self._info

    def begin_grabbing(self) -> None:
        """Make the device stream.

        Raises
        ------
        CameraError
            It refuses.
        """
        self._trigger = None
        self._buffer_reader = self._reader()
        try:
            self._baseline = self._producer_counters()
            self._connection.start(self._buffers)
        except SDK_ERRORS as error:
            self._connection.stop()
            raise CameraError(f"{self._device} refuses to stream: {reason(error)}") from None
        self._watch = BufferWatch(self._connection.errors, self._ask_device)
        self._connection.before_close.append(self.stop)
        self._trigger = SoftwareTrigger.begin(self._settings, self._request, self._fire, self._trigger_failed)

    def grab(self, timeout_s: float) -> Frame | None:  # noqa: ARG002 - it asks without waiting
        """Wait for the next frame.

        Raises
        ------
        CameraLostError
            The device is gone.
        CameraError
            It sends no images.
        """
        watch, reader = self._watch, self._buffer_reader
        assert watch is not None
        try:
            events = self._connection.new_buffers
            try:
                events.update_event_data(0)
            except gentl.TimeoutException:
                watch.nothing_came()
                time.sleep(POLL_S)
                return None
            buffer = self._buffer = events.buffer
            watch.last_s = time.monotonic()
            if watch.delivered == 0 and buffer.is_complete():
                reader.examine(buffer)
            if not reader.is_whole(buffer):
                try:
                    watch.count_incomplete(lambda: reader.what_is_missing(buffer))
                finally:
                    self._connection.stream.queue_buffer(buffer)
                return None
            reader.read(buffer, self._frame)
        except SDK_ERRORS as error:
            raise CameraLostError(f"{self._device} is gone: {reason(error)}") from None
        watch.delivered += 1
        return self._frame

    def release(self, frame: Frame) -> None:
        """Queue the frame's buffer again."""
        frame.pixels = NOTHING  # nothing may point into a buffer that is the producer's again
        self._connection.stream.queue_buffer(self._buffer)

    def end_grabbing(self) -> None:
        """End streaming, and keep the counters."""
        if self._trigger is not None:
            self._trigger.stop()
        if self._watch is not None:
            self._statistics = self._collect_statistics(self._watch)
            self._watch = None
        self._connection.stop()

    def disconnect(self) -> None:
        """Give the camera back to the producer and to other programs."""
        self._connection.close()

    def statistics(self) -> Mapping[str, int]:
        """Counters since `start`.

        ``incomplete_buffers`` were left out; ``buffer_underruns``, ``buffers_filled`` and ``frames_begun``
        are the producer's own, where it counts; ``frames_lost`` sums incomplete buffers and underruns. With a
        software trigger, ``triggers_missed`` are the shots that the camera was not ready for.
        """
        watch = self._watch
        return dict(self._statistics) if watch is None else self._collect_statistics(watch)

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain, also while it streams."""
        return adjust(self._writer.nodes, str(self._device), self._info.fps, changes)

    def read_adjustable(self) -> Mapping[str, float]:
        """Read exposure and gain."""
        return present(self._writer)

    def read_line(self, line: str) -> bool:
        """Read whether a line is high."""
        return line_is_high(self._writer.nodes, str(self._device), line)

    def read_temperature_c(self) -> float | None:
        """Ask the device for its temperature, where it tells one."""
        return device_temperature_c(self._writer)

    def _configure(self) -> CameraInfo:
        writer = self._writer
        apply_settings(writer, "genicam", self._settings, self._request)
        self._has_chunk_stamps = self._settings.chunk_timestamps and self._enable_chunk_stamps()
        writer.raise_problems(str(self._device))
        rate = expected_rate(writer, self._settings, self._request)
        least = self._connection.min_buffers()
        self._buffers = max(least, buffers_for(self._settings.buffers, rate.fps, self._payload_bytes()))
        cycle = self._frame_id_cycle()
        self._zero_is_an_id = cycle is None
        self._tick_hz = tick_hz(writer)
        return describe_device(
            writer,
            "genicam",
            self._device,
            rate,
            frame_id_cycle=cycle,
            settings=buffers_readback(self._settings.buffers, self._buffers),
        )

    def _enable_chunk_stamps(self) -> bool:
        """Make the camera append its time stamp to each frame; a camera that cannot is a problem noted."""
        name, writer = flag("genicam", "chunk_timestamps"), self._writer
        if writer.put("chunk_timestamps", name, ("ChunkModeActive",), True) is None:
            return False
        try:
            with writer.at((("ChunkSelector", "Timestamp"),)):
                if writer.prepare("ChunkEnable", True) or writer.value("ChunkEnable") is True:
                    return True
            problem = "its chunk Timestamp cannot be enabled"
        except NodeRefusalError:
            problem = "it has no chunk Timestamp"
        writer.refuse("chunk_timestamps", f"{name} true: {problem}")
        return False

    def _frame_id_cycle(self) -> int | None:
        """Ask a GigE camera for 64-bit frame ids; without them its ids are 1 to 65535."""
        if self._connection.found.tl_type != "GEV":
            return None
        are_wide = ask_for_wide_ids(self._writer)
        if are_wide is None:
            are_wide = self._writer.number("GevVersionMajor", "DeviceTLVersionMajor") != 1
        return None if are_wide else NARROW_IDS

    def _payload_bytes(self) -> int:
        stream = self._connection.stream
        if stream.defines_payload_size():
            return int(stream.payload_size)
        return required_number(self._writer, self._device, "PayloadSize")

    def _reader(self) -> BufferReader:
        return BufferReader(
            image_layout(self._info.pixel_format, self._info.width, self._info.height),
            line_pitch=int(self._writer.number("LinePitch") or 0),
            zero_is_an_id=self._zero_is_an_id,
            tick_hz=self._tick_hz,
            chunk_ticks=self._connection.chunk_reader() if self._has_chunk_stamps else None,
        )

    def _ask_device(self) -> None:
        node = self._connection.node_map.get_node("Width")
        node.get_value(False, True)  # verify nothing, ignore the cache

    def _fire(self) -> bool:
        """Fire the software trigger once, where the camera is ready for it within a frame's time."""
        assert self._request.fps is not None
        if not is_ready_for_trigger(self._writer, self._request.fps):
            return False
        self._connection.node_map.get_node("TriggerSoftware").execute()
        return True

    def _trigger_failed(self, error: Exception) -> None:
        self.report_fault(CameraError(f"{self._device} cannot be triggered by software: {reason(error)}"))

    def _producer_counters(self) -> dict[str, int]:
        counters = {}
        for name, shown in _COUNTERS.items():
            try:
                counters[shown] = int(getattr(self._connection.stream, name))
            except gentl.GenericException as error:
                logger.debug("no %s of %s: %s", name, self._device, reason(error))
        return counters

    def _collect_statistics(self, watch: BufferWatch) -> dict[str, int]:
        counters = self._producer_counters()
        since = counted_since(self._baseline, counters)
        since["incomplete_buffers"] = watch.incomplete
        since["frames_lost"] = watch.incomplete + since.get("buffer_underruns", 0)
        if self._trigger is not None:
            since["triggers_missed"] = self._trigger.missed
        return since
