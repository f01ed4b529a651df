"""Recordings under the contract: a source that has an end, and waits, keeps the same rules."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire import CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame

FRAMES = 20_000
FPS = 500.0


def recording() -> NDArray[np.uint8]:
    frames = np.random.default_rng(3).integers(0, 256, (FRAMES, 12, 16), dtype=np.uint8)
    frames.reshape(FRAMES, -1)[:, :4] = np.arange(FRAMES, dtype="<u4").view(np.uint8).reshape(-1, 4)
    return frames


@pytest.fixture(autouse=True, scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("recording") / "growth.npy"
    np.save(path, recording())
    TestReplay.settings = {"fps": FPS, "path": str(path)}


class TestReplay(CameraContract):
    backend = "replay"
    settings: ClassVar[dict[str, Any]] = {"fps": FPS}
    changes = {"speed": 2.0, "first": 5, "last": 9_000}
    unread = {
        "path": "it chooses the recording",
        "dataset": "an .npy file has none: see test_recordings_read_back",
        **dict.fromkeys(
            ("axes", "bits", "scale", "raw"), "they say how it is read: see test_what_recordings_tell"
        ),
        "keep_timestamps": "an .npy file has no times: see test_replay_command",
        "start": "it dates the frames: see test_replay_command",
    }

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """The recording's frame of that number."""
        number = int(taken.pixels.reshape(-1)[:4].copy().view("<u4")[0])
        return recording()[number]
