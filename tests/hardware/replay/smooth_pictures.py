"""Smooth pictures to make recordings of, and the frames that a recording gives back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheed_acquire_replay.prepared import PreparedRecording


def pictures(count: int = 12, height: int = 24, width: int = 32) -> Any:
    """Smooth pictures that change less from frame to frame than from pixel to pixel."""
    y, x = np.mgrid[:height, :width]
    base = 100 + 60 * np.sin(x) + 60 * np.cos(y)
    return np.array([base + number for number in range(count)]).astype(np.uint8)


def read(recording: PreparedRecording) -> Any:
    frames = np.concatenate([block.pixels for block in recording.blocks(0, None)])
    recording.close()
    return frames
