"""The base class for cameras whose frames are fetched: what it alone promises."""

from __future__ import annotations

import threading

from tests.unit.cameras.stepped_devices import Fetched, Run


def test_stop_does_not_wait_for_a_frame() -> None:
    with Fetched() as camera:
        run = Run(camera).start()
        run.wait_for_frames(1)
        camera.pause.set()
        camera.stop()
        assert "device-grab-loop" not in {thread.name for thread in threading.enumerate()}
