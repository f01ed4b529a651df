"""One camera that Aravis reaches, opened, configured and streaming."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

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
from rheed_acquire.cameras.genapi.configure import apply_settings
from rheed_acquire.cameras.genapi.description import (
    NARROW_IDS,
    ask_for_wide_ids,
    configuring,
    describe_device,
)
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.frame_rate import expected_rate
from rheed_acquire.cameras.genapi.image_layout import image_layout
from rheed_acquire.cameras.genapi.lines import line_is_high
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError
from rheed_acquire.cameras.genapi.software_trigger import SoftwareTrigger, is_ready_for_trigger
from rheed_acquire.cameras.genapi.temperature import device_temperature_c
from rheed_acquire_aravis.connection import Connection
from rheed_acquire_aravis.functions import PACKET_RESEND_ALWAYS, PACKET_RESEND_NEVER
from rheed_acquire_aravis.library import AravisError
from rheed_acquire_aravis.packets import Packets
from rheed_acquire_aravis.settings import AravisSettings
from rheed_acquire_aravis.stream import NOTHING, Stream

logger = logging.getLogger(__name__)

_LOCK = "TLParamsLocked"
_SILENT_S = 1.0
"""With no frame for so long, a USB camera is asked whether it is there: GigE cameras have a heartbeat."""


class AravisCamera(GrabLoopCamera):
    """A GigE Vision or USB3 Vision camera.

    Parameters
    ----------
    connection
        To the camera; it goes over to this object, also where configuring fails.
    settings, request
        How to configure it.

    Raises
    ------
    CameraSettingError
        The camera lacks a feature or refuses a value; the message names each and what the camera allows.
    CameraError
        The camera cannot be read.
    """

    def __init__(self, connection: Connection, settings: AravisSettings, request: CaptureRequest) -> None:
        self._connection, self._settings, self._request = connection, settings, request
        self._device = connection.info
        self._stream: Stream | None = None
        self._frame = Frame(NOTHING, None, None)
        self._trigger: SoftwareTrigger | None = None
        self._statistics: dict[str, int] = {}
        self._writer = FeatureWriter(connection.nodes)
        with configuring(self._device, connection.close, (AravisError,)):
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
        connection, info = self._connection, self._info
        resend = PACKET_RESEND_ALWAYS if self._settings.packet_resend else PACKET_RESEND_NEVER
        self._trigger = None
        try:
            stream = Stream(
                connection,
                image_layout(info.pixel_format, info.width, info.height),
                payload_bytes=self._payload_bytes,
                buffers=self._buffers,
                zero_is_an_id=connection.is_usb,
                packet_resend=resend,
            )
        except AravisError as error:
            raise CameraError(f"{self._device} refuses to stream: {error}") from None
        try:
            self._writer.force(_LOCK, 1)
            connection.library.arv_camera_start_acquisition(connection.camera)
        except AravisError as error:
            self._writer.force(_LOCK, 0)
            stream.close()
            raise CameraError(f"{self._device} refuses to stream: {error}") from None
        self._stream = stream
        self._last_s = time.monotonic()
        self._trigger = SoftwareTrigger.begin(self._settings, self._request, self._fire, self._trigger_failed)

    def grab(self, timeout_s: float) -> Frame | None:
        """Wait for the next frame.

        Raises
        ------
        CameraLostError
            The device is gone.
        CameraError
            It sends no images.
        """
        stream = self._stream
        assert stream is not None
        if stream.take(timeout_s, self._frame):
            self._last_s = time.monotonic()
            return self._frame
        if self._connection.lost:
            raise CameraLostError(
                f"{self._device} is gone: it was disconnected, lost its power, or another program took it"
            )
        if not self._connection.is_gige and time.monotonic() - self._last_s > _SILENT_S:
            self._last_s = time.monotonic()
            self._ask_device()
        return None

    def release(self, frame: Frame) -> None:
        """Let the frame's buffer be filled again."""
        assert self._stream is not None
        self._stream.give_back(frame)

    def end_grabbing(self) -> None:
        """End streaming, and keep the counters."""
        if self._trigger is not None:
            self._trigger.stop()
        stream, connection = self._stream, self._connection
        assert stream is not None
        if not connection.lost:
            try:
                connection.library.arv_camera_stop_acquisition(connection.camera)
            except AravisError as error:
                logger.debug("stopping %s: %s", self._device, error)
            self._writer.force(_LOCK, 0)
        self._statistics = self._collect_statistics(stream)
        self._stream = None
        stream.close()

    def disconnect(self) -> None:
        """Give the camera back to other programs."""
        self._connection.close()

    def statistics(self) -> Mapping[str, int]:
        """Counters since `start`.

        ``incomplete_buffers`` were left out, as were ``missing_frames`` of which no packet came;
        ``frames_lost`` sums both, and ``underruns`` but for GigE cameras, where Aravis counts packets in
        them. The others are Aravis's own: ``failures``, ``resent_packets``, ``missing_packets``, ... With a
        software trigger, ``triggers_missed`` are the shots that the camera was not ready for.
        """
        stream = self._stream
        return dict(self._statistics) if stream is None else self._collect_statistics(stream)

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain, also while it streams."""
        return adjust(self._writer.nodes, str(self._device), self._info.fps, changes)

    def read_adjustable(self) -> Mapping[str, float]:
        """Read exposure and gain."""
        return {} if self._connection.lost else present(self._writer)

    def read_line(self, line: str) -> bool:
        """Read whether a line is high."""
        return line_is_high(self._writer.nodes, str(self._device), line)

    def read_temperature_c(self) -> float | None:
        """Ask the device for its temperature, where it tells one."""
        return None if self._connection.lost else device_temperature_c(self._writer)

    def _configure(self) -> CameraInfo:
        connection, writer, settings = self._connection, self._writer, self._settings
        apply_settings(writer, "aravis", settings, self._request)
        packets = Packets(connection, writer, settings)
        packets.set()
        writer.raise_problems(str(self._device))
        rate = expected_rate(writer, settings, self._request)
        self._payload_bytes = int(connection.library.arv_camera_get_payload(connection.camera))
        if not self._payload_bytes:
            raise CameraError(f"{self._device} does not tell its PayloadSize")
        self._buffers = buffers_for(settings.buffers, rate.fps, self._payload_bytes)
        # Without 64-bit ids those of a GigE camera are narrow, as the fake one's are.
        are_wide = connection.is_usb or ask_for_wide_ids(writer)
        return describe_device(
            writer,
            "aravis",
            self._device,
            rate,
            frame_id_cycle=None if are_wide else NARROW_IDS,
            settings=(*packets.readbacks(), *buffers_readback(settings.buffers, self._buffers)),
            notes=packets.notes(),
        )

    def _ask_device(self) -> None:
        """Raise where the device does not answer."""
        try:
            node = self._connection.nodes.find("Width")
            if node is not None:
                node.read()
        except NodeRefusalError as error:
            raise CameraLostError(f"{self._device} is gone: {error}") from None

    def _fire(self) -> bool:
        """Fire the software trigger once, where the camera is ready for it within a frame's time."""
        assert self._request.fps is not None
        if not is_ready_for_trigger(self._writer, self._request.fps):
            return False
        node = self._connection.nodes.find("TriggerSoftware")
        if node is None:
            raise NodeRefusalError("it has no feature TriggerSoftware")
        node.execute()
        return True

    def _trigger_failed(self, error: Exception) -> None:
        if not self._connection.lost:  # which the grab loop tells
            self.report_fault(CameraError(f"{self._device} cannot be triggered by software: {error}"))

    def _collect_statistics(self, stream: Stream) -> dict[str, int]:
        counters = stream.counters()
        counters["incomplete_buffers"] = stream.incomplete.number
        counters["frames_lost"] = (
            stream.incomplete.number
            + counters.get("missing_frames", 0)
            + (0 if self._connection.is_gige else counters["underruns"])
        )
        if self._trigger is not None:
            counters["triggers_missed"] = self._trigger.missed
        return counters
