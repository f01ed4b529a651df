"""One Basler camera, opened, configured and grabbing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pypylon import genicam, pylon

from rheed_acquire import (
    CallbackCamera,
    CameraError,
    CameraInfo,
    CaptureRequest,
    Frame,
    SettingReadback,
)
from rheed_acquire.cameras.genapi.adjustment import adjust, present
from rheed_acquire.cameras.genapi.buffers import buffers_for
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
from rheed_acquire.cameras.genapi.frame_rate import FrameRate, expected_rate
from rheed_acquire.cameras.genapi.image_layout import image_layout
from rheed_acquire.cameras.genapi.lines import line_is_high
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError
from rheed_acquire.cameras.genapi.software_trigger import SoftwareTrigger
from rheed_acquire.cameras.genapi.temperature import device_temperature_c
from rheed_acquire_basler.devices import GIGE, FoundDevice, open_device
from rheed_acquire_basler.grabbing import (
    FailureHandler,
    FrameClock,
    ImageHandler,
    ImageReader,
)
from rheed_acquire_basler.pylon_nodes import PylonNodeMap, reason
from rheed_acquire_basler.settings import BaslerSettings

logger = logging.getLogger(__name__)

_REGISTRATION = (pylon.RegistrationMode_Append, pylon.Cleanup_None)


class BaslerCamera(CallbackCamera):
    """A Basler camera.

    Parameters
    ----------
    found
        The camera to open.
    settings, request
        How to configure it.

    Raises
    ------
    CameraSettingError
        The camera refuses settings; the message names each of them and what the camera allows.
    CameraError
        The camera cannot be opened or read.
    """

    def __init__(self, found: FoundDevice, settings: BaslerSettings, request: CaptureRequest) -> None:
        self._found = found
        self._settings = settings
        self._request = request
        self._trigger: SoftwareTrigger | None = None
        self._statistics: dict[str, int] = {}
        self._baseline: dict[str, int] = {}
        self._grabbing = False
        self._handler: ImageHandler | None = None
        self._camera: Any = open_device(found)
        with configuring(found.info, self.disconnect, (genicam.GenericException,), reason):
            self._info, self._clock = self._configure()
            self._layout = image_layout(self._info.pixel_format, self._info.width, self._info.height)
            self._reader = ImageReader(self._layout, self._clock)
            self._failures = FailureHandler(str(found.info), self.report_fault)
            self._camera.RegisterConfiguration(self._failures, *_REGISTRATION)

    @property
    def info(self) -> CameraInfo:
        """The camera with the settings that it was opened with."""
        return self._info

    def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
        """Make pylon grab, and call for each image.

        Raises
        ------
        CameraError
            The camera refuses to stream.
        """
        self._trigger = None
        self._reader = ImageReader(self._layout, self._clock)
        self._renew_handler(deliver)
        self._baseline = self._driver_statistics()
        try:
            self._camera.StartGrabbing(pylon.GrabStrategy_OneByOne, pylon.GrabLoop_ProvidedByInstantCamera)
        except genicam.GenericException as error:
            raise CameraError(f"{self._found.info} refuses to stream: {reason(error)}") from None
        self._grabbing = True
        self._trigger = SoftwareTrigger.begin(self._settings, self._request, self._fire, self._trigger_failed)

    def read(self, image: Any) -> Frame | None:
        """Read one of pylon's grab results, which takes its buffer back by itself.

        Raises
        ------
        CameraError
            The image is not as the camera's settings say, or none has come whole.
        """
        return self._reader.read(image)

    def end_grabbing(self) -> None:
        """Make pylon grab no more, and keep the counters."""
        if self._trigger is not None:
            self._trigger.stop()
        self._statistics = self._collect_statistics()
        self._grabbing = False
        try:
            self._camera.StopGrabbing()
        except genicam.GenericException as error:
            logger.debug("stopping %s: %s", self._found.info, reason(error))

    def statistics(self) -> Mapping[str, int]:
        """Counters since `start`: failed grabs, skipped images, and all that pylon's stream grabber counts.

        The grabber's ``Statistic_Buffer_Underrun_Count`` is ``buffer_underruns``, and so on. ``frames_lost``
        sums failed grabs, skipped images and buffer underruns. With a software trigger, ``triggers_missed``
        are the shots that the camera was not ready for.
        """
        return self._collect_statistics() if self._grabbing else dict(self._statistics)

    def write_adjustment(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """Change exposure or gain, also while it streams."""
        return adjust(PylonNodeMap(self._camera.GetNodeMap()), str(self._found.info), self._info.fps, changes)

    def read_adjustable(self) -> Mapping[str, float]:
        """Read exposure and gain."""
        return present(FeatureWriter(PylonNodeMap(self._camera.GetNodeMap())))

    def read_line(self, line: str) -> bool:
        """Read whether a line is high."""
        return line_is_high(PylonNodeMap(self._camera.GetNodeMap()), str(self._found.info), line)

    def read_temperature_c(self) -> float | None:
        """Ask the device for its temperature, where it tells one."""
        return device_temperature_c(FeatureWriter(PylonNodeMap(self._camera.GetNodeMap())))

    def _renew_handler(self, deliver: Callable[[Any], None]) -> None:
        """Give each run a handler of its own.

        pylon's thread of the run before may still be on its way into that run's handler, though
        ``StopGrabbing`` has returned: what it brings must not be taken for a frame of this run. pylon keeps a
        bare pointer, so that the handler before this one has to stay.
        """
        self._retired, self._handler = self._handler, ImageHandler(deliver)
        if self._retired is not None:
            self._camera.DeregisterImageEventHandler(self._retired)
        self._camera.RegisterImageEventHandler(self._handler, *_REGISTRATION)

    def _configure(self) -> tuple[CameraInfo, FrameClock]:
        device = str(self._found.info)
        writer = FeatureWriter(PylonNodeMap(self._camera.GetNodeMap()))
        apply_settings(writer, "basler", self._settings, self._request)
        writer.raise_problems(device)
        rate = expected_rate(writer, self._settings, self._request)
        gige = self._found.device_class == GIGE
        info = describe_device(
            writer,
            "basler",
            self._found.info,
            rate,
            frame_id_cycle=NARROW_IDS if gige and not ask_for_wide_ids(writer) else None,
            settings=self._set_buffers(rate, required_number(writer, self._found.info, "PayloadSize")),
        )
        return info, FrameClock(zero_is_an_id=not gige, tick_hz=tick_hz(writer))

    def _set_buffers(self, rate: FrameRate, payload: int) -> tuple[SettingReadback, ...]:
        """Set the number of buffers; reported where one was asked for."""
        asked = self._settings.buffers
        writer = FeatureWriter(PylonNodeMap(self._camera.GetInstantCameraNodeMap()))
        number = buffers_for(asked, rate.fps, payload)
        writer.put("buffers", flag("basler", "buffers"), ("MaxNumBuffer",), number)
        writer.raise_problems("pylon")
        return writer.readbacks() if asked is not None else ()

    def _fire(self) -> bool:
        """Fire the software trigger once, where the camera is ready for it within a frame's time."""
        assert self._request.fps is not None
        patience_ms = max(1, int(1000 / self._request.fps))
        if self._camera.CanWaitForFrameTriggerReady() and not self._camera.WaitForFrameTriggerReady(
            patience_ms, pylon.TimeoutHandling_Return
        ):
            return False
        self._camera.ExecuteSoftwareTrigger()
        return True

    def _trigger_failed(self, error: Exception) -> None:
        self.report_fault(CameraError(f"{self._found.info} cannot be triggered by software: {reason(error)}"))

    def _driver_statistics(self) -> dict[str, int]:
        nodes = PylonNodeMap(self._camera.GetStreamGrabberNodeMap())
        counters = {}
        for name in nodes.names():
            if name.startswith("Statistic_") and name.endswith("_Count"):
                value = FeatureWriter(nodes).number(name)
                if value is not None:
                    counters[f"{name[len('Statistic_') : -len('_Count')].lower()}s"] = int(value)
        return counters

    def _collect_statistics(self) -> dict[str, int]:
        try:
            driver = self._driver_statistics()
        except (genicam.GenericException, NodeRefusalError) as error:
            logger.debug("no statistics of %s: %s", self._found.info, reason(error))
            driver = {}
        since = counted_since(self._baseline, driver)
        since["failed_grabs"] = self._reader.failed_grabs
        since["skipped_images"] = 0 if self._handler is None else self._handler.skipped_images
        since["frames_lost"] = (
            since["failed_grabs"] + since["skipped_images"] + since.get("buffer_underruns", 0)
        )
        if self._trigger is not None:
            since["triggers_missed"] = self._trigger.missed
        return since

    def disconnect(self) -> None:
        """Give the camera back to pylon and to other programs.

        Goes on where a step fails, as all do when the camera is gone.
        """
        # pylon's object goes with its last reference, and only with it its threads and descriptors.
        camera, self._camera = self._camera, None
        steps = [camera.Close, camera.DestroyDevice]
        if hasattr(self, "_failures"):  # missing where the camera could not be configured
            steps.insert(0, lambda: camera.DeregisterConfiguration(self._failures))
        if self._handler is not None:
            steps.insert(0, lambda: camera.DeregisterImageEventHandler(self._handler))
        for step in steps:
            try:
                step()
            except genicam.GenericException as error:
                logger.debug("closing %s: %s", self._found.info, reason(error))
