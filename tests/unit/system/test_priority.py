"""The camera's thread goes before those that encode and deliver, on each system in its own way."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.system.priority import make_way


def priority() -> int:
    """Of this thread: the greater, the earlier it gets a processor."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentThread.restype = ctypes.c_void_p
        kernel.GetThreadPriority.argtypes = [ctypes.c_void_p]
        return int(kernel.GetThreadPriority(kernel.GetCurrentThread()))
    return -os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def priority_after(action: Callable[[], object]) -> int:
    """That of a new thread which has done something."""
    found: list[int] = []

    def run() -> None:
        action()
        found.append(priority())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def give_frames(*, waits: bool) -> None:
    """Take two frames, as a camera's thread does."""

    def refuse(error: CameraError) -> None:
        raise error

    def take(chunk: Chunk) -> None:
        chunk.release()

    ring = ChunkRing(2, 1, 4, 6)
    convert = make_copier("Mono8", 4, 6)
    accumulator = ChunkAccumulator(ring, convert, (4, 6), 10.0, take, refuse, waits=waits)
    for number in range(2):
        accumulator.on_frame(Frame(np.zeros((4, 6), np.uint8), number, None))
    assert accumulator.accumulated == 2
    accumulator.close()


@pytest.mark.skipif(sys.platform not in ("linux", "win32"), reason="only these know a thread's priority")
def test_a_cameras_thread_goes_before_those_that_make_way_and_no_other_does() -> None:
    usual = priority_after(lambda: None)
    of_a_worker, of_a_camera = priority_after(make_way), priority_after(lambda: give_frames(waits=False))
    assert of_a_worker < of_a_camera
    assert priority_after(lambda: give_frames(waits=True)) == usual, "a recording is read as fast as it goes"
    # On Windows a thread below others' may stand still, with the interpreter's lock in its hands.
    assert (of_a_worker == usual) is (sys.platform == "win32")
