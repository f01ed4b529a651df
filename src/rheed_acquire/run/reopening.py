"""A camera that was lost is opened again, until it is there with frames as before or that takes too long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rheed_acquire.cameras.camera import Camera, CameraError, CameraInfo
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.run.presence import Presence
from rheed_acquire.run.run_end import RunEnd

logger = logging.getLogger(__name__)

REOPEN_PAUSE_S, REOPEN_PAUSE_CAP_S = 0.5, 1.0


class Reopening:
    """Opens one camera again, each time that it is lost.

    Parameters
    ----------
    reopen
        Opens the same camera again, with the same settings; given what says that there is no use for it any
        more.
    info
        What the camera was when it was opened first.
    presence
        What is known of the camera: it is told of each attempt.
    timeout_s
        For how many seconds it is tried, from when the camera was found to be gone.
    close
        Closes one that is of no use; it raises nothing.
    """

    def __init__(
        self,
        reopen: Callable[[Callable[[], bool]], Camera],
        info: CameraInfo,
        presence: Presence,
        timeout_s: float,
        close: Callable[[Camera], object],
    ) -> None:
        self._reopen, self._info, self._presence = reopen, info, presence
        self._timeout_s, self._close = timeout_s, close

    def open(self, end: RunEnd, opened_s: float) -> Camera | None:
        """Open the camera once more; None where that fails for too long or the run is over.

        Parameters
        ----------
        end
            Of the run.
        opened_s
            When it was opened last, in seconds of ``time.perf_counter``.
        """
        presence = self._presence
        absence = presence.absence
        assert absence is not None
        deadline_s = absence.noticed_s + self._timeout_s
        while True:
            absence = presence.absence
            # Never so often that a camera that breaks with its first frame keeps the processor busy.
            pause_s = REOPEN_PAUSE_S if absence is None or absence.attempts < 2 else REOPEN_PAUSE_CAP_S
            if end.wait(max(0.0, min(opened_s + pause_s, deadline_s) - time.perf_counter())):
                return None
            opened_s = time.perf_counter()
            if opened_s >= deadline_s:
                return None
            presence.attempted()
            try:
                camera, info = self._opened(end)
            except RheedAcquireError as error:
                if end.is_here():
                    return None
                why = str(error)
            else:
                if looks_like(info, self._info):
                    return camera
                why = f"it came back with other frames: {_frames_of(info)}, not {_frames_of(self._info)}"
                presence.failed(why)
                self._close(camera)
                return None
            logger.info("the camera cannot be opened yet: %s", why)
            presence.failed(why)

    def _opened(self, end: RunEnd) -> tuple[Camera, CameraInfo]:
        """Open the camera once more, and ask what it is."""
        camera = self._reopen(end.is_here)
        try:
            return camera, camera.info
        except CameraError:
            self._close(camera)
            raise


def looks_like(info: CameraInfo, before: CameraInfo) -> bool:
    """Whether a camera that was opened again has frames as before."""
    return (info.width, info.height, info.pixel_format) == (before.width, before.height, before.pixel_format)


def _frames_of(info: CameraInfo) -> str:
    return f"{info.width} x {info.height} {info.pixel_format}"
