"""The base class for cameras whose SDK calls a function for each frame, from threads of its own.

The author of a backend says how a frame is read from what the SDK hands over. That no frame comes once `stop`
has returned, that frames come one at a time, that nothing which is raised is lost in the SDK, and the watch
over a device that falls silent are here.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from rheed_acquire.cameras.camera import Frame, OnFault, OnFrame
from rheed_acquire.cameras.stepped_camera import Delivery, SteppedCamera


class CallbackCamera(SteppedCamera):
    """A camera whose frames are brought by its SDK, which calls back from threads of its own.

    A subclass opens its device in ``__init__`` (nothing of this class has to be called there), tells `info`,
    gives its SDK the function that `begin_grabbing` is given, and implements `read`, and of the other steps
    those that its SDK has: they do nothing by themselves. `read` and `release` are called in the thread that
    delivers, never two at once. Of the others never two run at once; each that succeeded is undone once:
    `begin_grabbing` by `end_grabbing`, opening by `disconnect`.

    Attributes
    ----------
    from_several_threads
        Whether the SDK calls from more than one thread, as from a pool. Its calls wait for each other in any
        case; with True a thread of this class makes all calls of ``on_frame``, while the SDK's thread waits
        for it. That costs two changes of threads for each frame and no copy.
    alive_poll_s
        How long no frame comes, in seconds, before `check_alive` is called, where a subclass has it.
    """

    from_several_threads: ClassVar[bool] = False
    alive_poll_s: ClassVar[float] = 1.0

    def begin_grabbing(self, deliver: Callable[[Any], None]) -> None:
        """Make the device send frames, and the SDK call ``deliver`` for each.

        Parameters
        ----------
        deliver
            Takes the one object from which `read` makes a frame: what the SDK calls an image, a buffer, or a
            result. It returns when that has been dealt with, and raises nothing. Each run has one of its own;
            calls of an earlier one deliver nothing.

        Raises
        ------
        CameraError
            The device refuses; what was begun has been undone then, and `end_grabbing` does not follow.
        """

    @abstractmethod
    def read(self, image: Any) -> Frame | None:
        """Make a frame of what the SDK has brought; None to leave it out, where it holds no whole image.

        The frame may be the same object each time. `Frame.pixels` is the SDK's own buffer, not a copy: the
        one copy that a frame needs is made behind ``on_frame``, and `pixels` are let go of then.

        Raises
        ------
        CameraError
            The device is gone (`CameraLostError`) or no frame will come any more. It goes to ``on_fault``,
            as does any other exception in the words of a `CameraError`; no frame is delivered after that.
        """

    def release(self, image: Any) -> None:
        """Give the buffer back to the SDK, where that does not take it back by itself.

        Called once for each image that ``deliver`` was given, also where it was left out or came too late.
        """

    def check_alive(self) -> None:
        """Ask the device whether it is there; called from a thread of its own while no frame comes.

        Implement it where the SDK does not tell of a device that is gone (where it does: `report_fault`). It
        must come to an end: `stop` waits for it.

        Raises
        ------
        CameraError
            The device is gone (`CameraLostError`). It goes to ``on_fault``.
        """

    def _new_delivery(self, on_frame: OnFrame, on_fault: OnFault) -> Delivery:
        kind = _CarriedCallbacks if self.from_several_threads else _Callbacks
        return kind(self, on_frame, on_fault)


class _Callbacks(Delivery):
    """Frames of one run, delivered by the thread that the SDK calls from."""

    def __init__(self, camera: CallbackCamera, on_frame: OnFrame, on_fault: OnFault) -> None:
        import numpy as np  # not when the module is imported, which printing help does

        super().__init__(camera, on_frame, on_fault)
        self._camera = camera
        self._nothing = np.empty(0, np.uint8)
        self._read: Callable[[Any], Frame | None] = camera.read
        self._release = camera.release
        self._lends = _has_own(camera, "release")
        # Reentrant, since an SDK may bring the next image from within a call that gives this one back.
        self._one_at_a_time = threading.RLock()
        self._is_busy = False
        self._watch = _Watch(self, camera) if _has_own(camera, "check_alive") else None

    def begin(self) -> None:
        self._camera.begin_grabbing(self.deliver)
        if self._watch is not None:
            self._watch.start()

    def is_within(self) -> bool:
        # Who gets the lock though it is taken is the thread that has it.
        if not self._one_at_a_time.acquire(blocking=False):
            return False
        try:
            return self._is_busy
        finally:
            self._one_at_a_time.release()

    def wait(self) -> None:
        if self._watch is not None:
            self._watch.end()
        with self._one_at_a_time:
            pass  # who waits for it is past `stopping` when it has it

    def deliver(self, image: Any) -> None:
        """Pass on one image, from whatever thread the SDK calls."""
        with self._one_at_a_time:
            self._is_busy = True
            try:
                try:
                    if not self.stopping:
                        frame = self._read(image)
                        if frame is not None:
                            try:
                                self.on_frame(frame)
                            finally:
                                # The SDK gets its buffer back now; nothing may point into it.
                                frame.pixels = self._nothing
                finally:
                    if self._lends:
                        self._release(image)
            # What left this function would be lost in the SDK, or end the process there.
            except BaseException as error:  # noqa: BLE001
                self._read = _leave_out
                self.fail(error)
            finally:
                self._is_busy = False
                if self._watch is not None:
                    self._watch.brought += 1


def _leave_out(_: object) -> None:
    """Stand in for `CallbackCamera.read` when no frame is to follow."""


class _CarriedCallbacks(_Callbacks):
    """Frames of one run, each carried over to one thread while the SDK's waits."""

    def __init__(self, camera: CallbackCamera, on_frame: OnFrame, on_fault: OnFault) -> None:
        super().__init__(camera, on_frame, on_fault)
        self._one_hands_over = threading.Lock()
        self._image: Any = None
        self._has_image, self._is_done = threading.Semaphore(0), threading.Semaphore(0)
        name = f"{camera.info.device.backend}-callbacks"
        self._thread = threading.Thread(target=self._carry, name=name, daemon=True)

    def begin(self) -> None:
        self._thread.start()
        self._camera.begin_grabbing(self._hand_over)
        if self._watch is not None:
            self._watch.start()

    def wait(self) -> None:
        super().wait()
        with self._one_hands_over:
            if self._image is not _END and self._thread.ident is not None:
                self._image = _END
                self._has_image.release()
        if self._thread.ident is not None and not self.is_within():
            self._thread.join()

    def _hand_over(self, image: Any) -> None:
        with self._one_hands_over:
            if self._image is not _END:
                self._image = image
                self._has_image.release()
                self._is_done.acquire()
                return
        self.deliver(image)  # too late: it is only given back

    def _carry(self) -> None:
        while True:
            self._has_image.acquire()
            image, self._image = self._image, None
            if image is _END:
                self._image = _END
                return
            try:
                self.deliver(image)
            finally:
                del image
                self._is_done.release()


_END = object()


class _Watch:
    """Asks a device that has fallen silent whether it is there.

    Attributes
    ----------
    brought
        Images so far.
    """

    def __init__(self, callbacks: _Callbacks, camera: CallbackCamera) -> None:
        self._callbacks, self._camera = callbacks, camera
        self.brought = 0
        self._ended = threading.Event()
        name = f"{camera.info.device.backend}-alive"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        seen = 0
        while not self._ended.wait(self._camera.alive_poll_s):
            brought = self.brought
            if brought != seen:
                seen = brought
                continue
            try:
                self._camera.check_alive()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the device did not answer
                self._callbacks.fail(error)
                return


def _has_own(camera: CallbackCamera, step: str) -> bool:
    return getattr(type(camera), step) is not getattr(CallbackCamera, step)
