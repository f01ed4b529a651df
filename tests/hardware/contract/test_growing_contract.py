"""Growing files under the contract: a file that a thread writes to all the while, and that can be lost."""

# ruff: noqa: RUF012 - as an author writes it

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.hardware.growing.writers import Imm, frame, number_of

from rheed_acquire import Camera, CameraInfo
from rheed_acquire.testing import CameraContract, TakenFrame

for _module in ("av", "h5py", "PIL", "tifffile"):
    pytest.importorskip(_module, reason="the extra 'growing' is not installed")

READY, PERIOD_S = 200, 0.005


class Growth:
    """Appends frames to a file until it is stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._begin()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _begin(self) -> None:
        self._writer = Imm(self.path)
        self._is_there = True
        self._number = 0
        for _ in range(READY):
            self._append()

    def _append(self) -> None:
        self._writer.write(self._number)
        self._number += 1

    def _write(self) -> None:
        while not self._over.wait(PERIOD_S):
            with self._lock:
                if self._is_there:
                    self._append()

    def lose(self) -> None:
        """Delete the file, and make another one after a while."""
        with self._lock:
            self._writer.close()
            self._is_there = False  # Windows still shows a deleted file that somebody reads
            self.path.unlink()

        def come_back() -> None:
            time.sleep(8.0)
            with self._lock:
                self._begin()

        threading.Thread(target=come_back).start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._writer.close()


@pytest.fixture(autouse=True, scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("growing")
    TestGrowing.growth = Growth(folder / "growth.imm")
    TestGrowing.settings = {"path": str(folder / "growth.imm"), "from_start": True}
    TestGrowing.second = {"from_start": None}
    yield
    TestGrowing.growth.end()


class TestGrowing(CameraContract):
    backend = "growing"
    growth: ClassVar[Growth]
    settings: ClassVar[dict[str, Any]] = {"from_start": True}
    changes = {"idle": 30.0, "bits": 14, "scale": "0:4095"}
    unread = {
        "path": "it chooses what is followed",
        "dataset": "an .imm file has none: see test_formats",
    }

    def lose_device(self, camera: Camera) -> None:
        """Delete the file."""
        self.growth.lose()

    def expected_pixels(self, settings: Any, info: CameraInfo, taken: TakenFrame) -> Any:
        """The frame that was written with that number."""
        return frame(number_of(taken.pixels), 12)
