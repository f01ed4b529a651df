"""Fires a camera's software trigger at an even pace, from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from rheed_acquire.cameras.camera import CaptureRequest
from rheed_acquire.cameras.camera_settings import CameraSettings, Trigger
from rheed_acquire.cameras.genapi.features import FeatureWriter

# The longest sleep, so that `SoftwareTrigger.stop` need not wait for a slow rate's next shot.
_NAP_S = 0.05
_ASK_AGAIN_S = 0.0002


class SoftwareTrigger:
    """Fires at times that are whole periods from its start, so that no delay adds up.

    Parameters
    ----------
    fire
        Fires once; returns False where the camera was not ready for it.
    fps
        Shots per second.
    on_error
        Called, from the thread, with what ``fire`` raised; no more shots follow.

    Attributes
    ----------
    missed
        Shots left out, because the camera was not ready or because the one before took too long. They are not
        made up for later: the frames would not be evenly spaced.
    """

    def __init__(self, fire: Callable[[], bool], fps: float, on_error: Callable[[Exception], None]) -> None:
        self.missed = 0
        self._fire = fire
        self._period_s = 1.0 / fps
        self._on_error = on_error
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="software-trigger", daemon=True)

    @classmethod
    def begin(
        cls,
        settings: CameraSettings,
        request: CaptureRequest,
        fire: Callable[[], bool],
        on_error: Callable[[Exception], None],
    ) -> Self | None:
        """Begin to fire where the settings ask for a software trigger, at the rate of the request."""
        if settings.trigger is not Trigger.SOFTWARE or request.fps is None:
            return None
        trigger = cls(fire, request.fps, on_error)
        trigger.start()
        return trigger

    def start(self) -> None:
        """Begin to fire; once only."""
        self._thread.start()

    def stop(self) -> None:
        """Fire no more, and wait for a shot that is under way."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._keep_pace()
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises goes to the run
            self._on_error(error)

    def _keep_pace(self) -> None:
        beginning = time.perf_counter()
        shot = 0
        while not self._stopped.is_set():
            wait_s = beginning + shot * self._period_s - time.perf_counter()
            if wait_s > 0:
                time.sleep(min(wait_s, _NAP_S))
                continue
            late = int(-wait_s / self._period_s)
            self.missed += late
            shot += late
            if not self._fire():
                self.missed += 1
            shot += 1


def is_ready_for_trigger(writer: FeatureWriter, fps: float) -> bool:
    """Wait a frame's time until a device can take a trigger; one that does not tell is taken for ready."""
    deadline = time.monotonic() + 1.0 / fps
    if writer.prepare("AcquisitionStatusSelector", "FrameTriggerWait"):
        while writer.value("AcquisitionStatus") is False:
            if time.monotonic() > deadline:
                return False
            time.sleep(_ASK_AGAIN_S)
    return True
