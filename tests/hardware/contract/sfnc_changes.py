"""Values to try of the settings that GenICam cameras share."""

from __future__ import annotations

from rheed_acquire.testing import Change

SELECTS = "it selects a device: see the tests of choosing"

SFNC_CHANGES = {
    "exposure_us": 1234.0,
    "pixel_format": "Mono12",
    "width": 128,
    "height": 32,
    "offset_x": 16,
    "offset_y": 8,
    "trigger": Change("software", spelt="Software"),
    "trigger_line": Change("Line1", beside={"trigger": "line"}),
    "trigger_edge": Change("falling", beside={"trigger": "line"}, spelt="FallingEdge"),
    "buffers": 17,
}
