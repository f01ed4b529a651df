"""What FFmpeg opens under the contract: test pictures that are made as fast as their rate says."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

import pytest

from rheed_acquire.testing import CameraContract, Change

pytest.importorskip("av", reason="PyAV is not installed")

PICTURES = "lavfi:testsrc2=size=64x48:rate=200,format=gray,realtime"
DEEP = "lavfi:testsrc2=size=64x48:rate=200,format=gray12le,realtime"
OF_A_DEVICE = "it is asked of capture devices: see test_devices"


class TestVideo(CameraContract):
    backend = "video"
    settings = {"source": PICTURES}
    second = {"width": 32}  # the same pictures, made a second time
    absent = {"source": "no such device"}
    changes = {
        "source": DEEP,
        "width": Change(16, {"offset_x": 4}),
        "height": Change(8, {"offset_y": 6}),
        "offset_x": 8,
        "offset_y": 2,
        "deinterlace": "fields",
        "field_order": "top",
        "low_latency": True,
        "options": {"probesize": "100000"},
    }
    unread = {
        "url": "a secret is not read back: see test_video_command",
        "size": OF_A_DEVICE,
        "input_format": OF_A_DEVICE,
    }
