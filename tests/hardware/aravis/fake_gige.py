"""Aravis's fake GigE camera, in a process of its own on the loopback interface.

It answers at GigE Vision's port of 127.0.0.1, the one address that it can have there, so that only one can be
at a time: whoever wants one waits for its turn. Whoever holds the TCP port of that number, which nothing else
uses, has it: a file would tell nothing to tests that keep theirs elsewhere.
"""

from __future__ import annotations

import math
import shutil
import signal
import socket
import subprocess
import time
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

PROGRAM = "arv-fake-gv-camera-0.8"
ADDRESS = "127.0.0.1"
SERIAL = "GV-4711"
_PORT = 3956
_LIMIT_S = 300.0


class FakeGige:
    """One fake camera, until the block ends.

    Parameters
    ----------
    lost_per_thousand
        Packets of images that it does not send.
    """

    def __init__(self, lost_per_thousand: float = 0.0) -> None:
        self._command = [PROGRAM, "-i", ADDRESS, "-s", SERIAL, "-r", str(lost_per_thousand)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._turn = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            _wait_until(lambda: _takes_the_port(self._turn), "others keep the fake camera's port")
            self.plug_in()
        except BaseException:
            self._turn.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.unplug()
        finally:
            self._turn.close()

    def plug_in(self) -> None:
        """Start it, and wait until it can be reached."""
        _wait_until(lambda: not _port_is_taken(), "port 3956 of 127.0.0.1 stays taken")
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until(_port_is_taken, "the fake camera does not come up")
        except BaseException:
            self.unplug()
            raise

    def unplug(self) -> None:
        """Take it away without a word, as a cut cable does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Have it answer nothing and send nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def need_aravis() -> None:
    """Skip where the library or its fake camera is not installed, saying so."""
    from rheed_acquire import CameraError
    from rheed_acquire_aravis.library import load

    try:
        load(None)
    except CameraError as error:
        pytest.skip(str(error))
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed (Debian: aravis-tools)")


def expected_mono8(frame_id: int, width: int, height: int, exposure_us: float, gain: int = 0) -> Any:
    """Compute the picture of a frame: a diagonal ramp that moves, scaled by exposure and gain."""
    scale = 1.0 + gain + math.log10(exposure_us / 10000.0)
    return np.clip(_ramp(frame_id, width, height, 255) * scale, 0.0, 255.0).astype(np.uint8)


def expected_mono16(frame_id: int, width: int, height: int) -> NDArray[np.uint16]:
    """Compute the picture at 10 ms; the fake camera sends the high byte first, unlike PFNC."""
    return _ramp(frame_id, width, height, 65535).astype(">u2").view("<u2").astype(np.uint16)


def _ramp(frame_id: int, width: int, height: int, cycle: int) -> NDArray[np.int64]:
    rows, columns = np.indices((height, width))
    ramp: NDArray[np.int64] = (columns + frame_id + rows) % cycle
    return ramp


def _port_is_taken() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return not _takes_the_port(probe)


def _takes_the_port(one: socket.socket) -> bool:
    try:
        one.bind((ADDRESS, _PORT))
    except OSError:
        return False
    return True


def _wait_until(happened: Any, otherwise: str) -> None:
    until = time.monotonic() + _LIMIT_S
    while not happened():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
