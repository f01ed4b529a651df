"""The simulated camera under the contract."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

from typing import Any

import numpy as np

from rheed_acquire import CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame


class TestSimulated(CameraContract):
    backend = "simulated"
    settings = {"width": 64, "height": 48, "seed": 5, "stamp": True}
    fps = 500.0
    second = {"seed": 6}  # there are as many as one opens
    changes = {
        "seed": 7,
        "width": 128,
        "height": 32,
        "pixel_format": "Mono12",
        "noise": 0.5,
        "oscillation_period_s": 1.5,
        "oscillation_damping_s": 9.0,
        "line_period_s": 2.5,
        "stamp": True,
    }
    unread = {"images": "it needs a folder of images: see test_simulated_images"}
    poison = False  # its pictures are computed once and lent many times

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """Compute the pattern anew; the frame's id is its number."""
        from rheed_acquire_simulated.bank import PatternBank

        assert info.fps is not None
        assert taken.id is not None
        bank = PatternBank(
            width=info.width,
            height=info.height,
            pixel_format=info.pixel_format,
            seed=settings.seed,
            noise=settings.noise,
            fps=info.fps,
            rotations_per_min=0.0,
            oscillation_period_s=settings.oscillation_period_s,
            oscillation_damping_s=settings.oscillation_damping_s,
        )
        expected = bank.pixels(taken.id).copy()
        expected.reshape(-1)[:8] = np.frombuffer(taken.id.to_bytes(8, "little"), np.uint8)
        return expected
