"""The base class for cameras whose frames are fetched by a loop, as most SDKs want it.

The author of a backend says how frames are fetched; the thread that fetches them, the bookkeeping of start,
stop and close, and the way of a fault to the run are here.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import ClassVar

from rheed_acquire.cameras.camera import Frame, OnFault, OnFrame
from rheed_acquire.cameras.stepped_camera import Delivery, SteppedCamera


class GrabLoopCamera(SteppedCamera):
    """A camera whose frames are fetched, one after another, from a thread that this class runs.

    A subclass opens its device in ``__init__`` (nothing of this class has to be called there), tells `info`,
    and implements `grab`, and of the other steps those that its SDK has: they do nothing by themselves.
    `grab` and `release` are called by the grab thread alone. Of the others never two run at once, and none
    while the grab thread does; each that succeeded is undone once: `begin_grabbing` by `end_grabbing`,
    opening by `disconnect`.

    Attributes
    ----------
    grab_timeout_s
        How long one `grab` may wait for a frame, in seconds; `stop` may take so long.
    """

    grab_timeout_s: ClassVar[float] = 0.05

    def begin_grabbing(self) -> None:
        """Make the device send frames.

        Raises
        ------
        CameraError
            It refuses; what was begun has been undone then, and `end_grabbing` does not follow.
        """

    @abstractmethod
    def grab(self, timeout_s: float) -> Frame | None:
        """Wait for the next frame; None where none has come within ``timeout_s`` seconds.

        The frame is passed on at once and may be the same object each time. `Frame.pixels` is the SDK's own
        buffer: the one copy that a frame needs is made behind ``on_frame``.

        Raises
        ------
        CameraError
            The device is gone (`CameraLostError`) or no frame will come any more. It goes to ``on_fault``,
            as does any other exception in the words of a `CameraError`.
        """

    def release(self, frame: Frame) -> None:
        """Give the buffer of a frame back to the SDK: it has been taken; nothing may point into it now."""

    def _new_delivery(self, on_frame: OnFrame, on_fault: OnFault) -> Delivery:
        return _GrabLoop(self, on_frame, on_fault)


class _GrabLoop(Delivery):
    """A thread that fetches each frame and passes it on."""

    def __init__(self, camera: GrabLoopCamera, on_frame: OnFrame, on_fault: OnFault) -> None:
        super().__init__(camera, on_frame, on_fault)
        self._camera = camera
        name = f"{camera.info.device.backend}-grab-loop"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self) -> None:
        self._camera.begin_grabbing()
        self._thread.start()

    def is_within(self) -> bool:
        return self._thread is threading.current_thread()

    def wait(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._deliver()
        # Whatever it is, the run has to learn that no frame will come any more.
        except BaseException as error:  # noqa: BLE001
            self.fail(error)

    def _deliver(self) -> None:
        camera, on_frame = self._camera, self.on_frame
        grab, release, timeout_s = camera.grab, camera.release, camera.grab_timeout_s
        lends = type(camera).release is not GrabLoopCamera.release
        while not self.stopping:
            frame = grab(timeout_s)
            if frame is None:
                continue
            try:
                on_frame(frame)
            finally:
                if lends:
                    release(frame)
