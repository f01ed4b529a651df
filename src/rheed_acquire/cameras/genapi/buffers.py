"""How many frame buffers a driver is given."""

from __future__ import annotations

import math

from rheed_acquire.cameras.camera import SettingReadback

# Buffers bridge the time in which Python cannot take frames: up to 0.8 s on Windows beside programs that keep
# all processors busy. The SDKs' own defaults, 3 or 10, are 10 ms or less at 1,000 fps.
BUFFERED_S = 1.0
BUFFERED_BYTES = 256 * 2**20
MIN_BUFFERS = 10


def buffers_for(asked: int | None, fps: float | None, payload_bytes: int) -> int:
    """Choose the number of buffers: as asked, or what bridges a second within a bound of memory.

    Parameters
    ----------
    asked
        `CameraSettings.buffers`.
    fps
        Frames per second; None where only an outside trigger knows, which counts as 1,000.
    payload_bytes
        Of one buffer.
    """
    frames = math.ceil(BUFFERED_S * (fps or 1000.0))
    return asked or max(MIN_BUFFERS, min(frames, BUFFERED_BYTES // payload_bytes))


def buffers_readback(asked: int | None, given: int) -> tuple[SettingReadback, ...]:
    """Report the number of buffers, where one was asked for."""
    return () if asked is None else (SettingReadback("buffers", asked, given),)
