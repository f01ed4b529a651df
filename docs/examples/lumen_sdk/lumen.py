"""The SDK of the Lumen cameras, version 3.1, for which the tutorial of rheed-acquire writes a plugin.

There is no such vendor. The module is as such modules are: devices are opened by serial number, by one
program at a time; features are set by name, and rounded; images lie in a few buffers of the SDK's own, which
have to be given back; a failure is a `LumenError` with a code.
"""

import threading
import time

import numpy as np

E_TIMEOUT = -3
E_GONE = -7
E_IN_USE = -11
E_RANGE = -20

TICK_NS = 8
"""The cameras' clocks count ticks of 125 MHz."""

_MODELS = {"LM-1001": "L640", "LM-1002": "L640"}
_SENSOR = (480, 640)
_BUFFERS = 4

_unplugged = set()
_to_lose = {}
_open = {}
_lock = threading.Lock()


class LumenError(Exception):
    """What went wrong, with the vendor's code for it."""

    def __init__(self, code, text):
        super().__init__(f"{text} (code {code})")
        self.code = code


def list_cameras():
    """Return a dictionary for each camera that answers: ``serial``, ``model``."""
    return [
        {"serial": serial, "model": model} for serial, model in _MODELS.items() if serial not in _unplugged
    ]


class Image:
    """A buffer of the SDK with one image in it. Call `release` when you have done with it."""

    def __init__(self, camera, memory):
        self._camera = camera
        self.data = memory
        """The pixels, row by row, one byte each: memory of the SDK."""
        self.frame_number = 0
        """Counted by the camera from its start on, modulo 2**32; a frame lost on the way counts too."""
        self.ticks = 0
        """The camera's clock at the start of the exposure; see `TICK_NS`."""

    def release(self):
        """Give the buffer back: from now on the camera may write into it."""
        self._camera._free.append(self)


class LumenCamera:
    """A camera, opened for this program alone."""

    def __init__(self, serial):
        with _lock:
            if serial not in _MODELS or serial in _unplugged:
                raise LumenError(E_GONE, f"no camera {serial}")
            if serial in _open:
                raise LumenError(E_IN_USE, f"camera {serial} is in use by another program")
            _open[serial] = self
        self.serial = serial
        self._gone = False
        self._features = {"Width": 640, "Height": 480, "ExposureUs": 5000.0, "Fps": 100.0}
        self._running = False
        self._thread = None

    def set(self, name, value):
        """Set a feature: Width, Height (multiples of 8), ExposureUs (steps of 20), Fps."""
        if name in ("Width", "Height"):
            most = _SENSOR[name == "Width"]
            if not 8 <= value <= most:
                raise LumenError(E_RANGE, f"{name} must be 8 to {most}")
            value = value // 8 * 8
        elif name == "ExposureUs":
            if not 20 <= value <= 1e6:
                raise LumenError(E_RANGE, "ExposureUs must be 20 to 1000000")
            value = round(value / 20) * 20.0
        elif name not in self._features:
            raise LumenError(E_RANGE, f"there is no feature {name}")
        self._features[name] = value

    def get(self, name):
        """Read a feature; ``ResultingFps`` is the rate with everything taken into account."""
        if name == "ResultingFps":
            return min(self._features["Fps"], 1e6 / self._features["ExposureUs"])
        return self._features[name]

    def start(self):
        """Take images."""
        self._alive()
        height, width = self._features["Height"], self._features["Width"]
        rows, columns = np.indices((height, width))
        self._rings = np.hypot(rows - height / 2, columns - width / 2).astype(np.uint8)
        self._free = [Image(self, bytearray(width * height)) for _ in range(_BUFFERS)]
        self._begun_ns, self._next, self._running = time.perf_counter_ns(), 0, True

    def start_calling(self, on_image, on_gone):
        """Take images, and call ``on_image(image)`` for each, and ``on_gone()`` once when the camera is gone.

        Both are called from a thread of the SDK. An exception that leaves one of them ends the program.
        """
        self.start()
        self._thread = threading.Thread(target=self._call, args=(on_image, on_gone), daemon=True)
        self._thread.start()

    def _call(self, on_image, on_gone):
        while self._running:
            try:
                image = self.wait_image(timeout_ms=20)
            except LumenError as error:
                if error.code == E_TIMEOUT:
                    continue
                on_gone()
                return
            on_image(image)

    def wait_image(self, timeout_ms):
        """Return the next `Image`; a LumenError with E_TIMEOUT where none has come by then."""
        self._alive()
        self._next += _to_lose.pop(self.serial, 0)
        due_ns = self._begun_ns + round(self._next * 1e9 / self.get("ResultingFps"))
        wait_s = (due_ns - time.perf_counter_ns()) / 1e9
        if wait_s > timeout_ms / 1000 or not self._free:
            time.sleep(timeout_ms / 1000)
            raise LumenError(E_TIMEOUT, "no image")
        time.sleep(max(0.0, wait_s))
        image = self._free.pop(0)
        pixels = np.frombuffer(image.data, np.uint8).reshape(self._rings.shape)
        np.subtract(self._rings, np.uint8(self._next % 256), out=pixels)
        image.frame_number, image.ticks = self._next % 2**32, due_ns // TICK_NS
        self._next += 1
        return image

    def stop(self):
        """Take no more images, and return when nothing is called any more; what is lent stays lent."""
        self._running = False
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self):
        """Give the camera back."""
        with _lock:
            if _open.get(self.serial) is self:
                del _open[self.serial]

    def _alive(self):
        if self._gone:
            raise LumenError(E_GONE, f"camera {self.serial} does not answer")


def emulate_unplugging(serial):
    """Pull the camera's cable: who has it open has to close it, and to open it again once it is back."""
    _unplugged.add(serial)
    if serial in _open:
        _open[serial]._gone = True


def emulate_plugging_in(serial):
    """Put the cable back."""
    _unplugged.discard(serial)


def emulate_lost_frames(serial, count):
    """Let the next frames get lost between camera and computer."""
    _to_lose[serial] = count
