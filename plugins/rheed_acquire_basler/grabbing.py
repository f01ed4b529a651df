"""What pylon calls while a camera grabs, for each image and when the camera fails, and what it brings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pypylon import pylon

from rheed_acquire import CameraError, CameraLostError, Frame
from rheed_acquire.cameras.genapi.image_layout import ImageLayout, PaddedRows, Pixels

logger = logging.getLogger(__name__)

_INVALID_BLOCK_ID = 2**64 - 1  # pylon's word for an id that must not be used
_NOTHING: Pixels = np.empty(0, np.uint8)
_FAILURES_LOGGED = 3
_ALL_FAILED_S = 2.0


@dataclass(frozen=True, slots=True)
class FrameClock:
    """How to read a result's block id and time stamp.

    Attributes
    ----------
    zero_is_an_id
        USB3 Vision and the emulation count from 0. GigE Vision counts from 1, and 0 says that the camera does
        not count.
    tick_hz
        Ticks of the time stamp per second.
    """

    zero_is_an_id: bool
    tick_hz: int

    def nanoseconds(self, ticks: int) -> int:
        """Turn ticks into nanoseconds, in whole numbers: a float would lose digits after some months."""
        return ticks if self.tick_hz == 1_000_000_000 else ticks * 1_000_000_000 // self.tick_hz


class ImageReader:
    """Reads the results of one run, and counts those that hold no image.

    Attributes
    ----------
    failed_grabs
        Since the start.
    """

    def __init__(self, layout: ImageLayout, clock: FrameClock) -> None:
        self.failed_grabs = 0
        self._layout = layout
        self._padded: PaddedRows | None = None
        self._clock = clock
        self._frame = Frame(_NOTHING, None, None)
        self._any_read = False
        self._first_failure_s = 0.0

    def read(self, result: Any) -> Frame | None:
        """Make a frame of a result; None where the grab has failed.

        Raises
        ------
        CameraError
            The image has another size than the camera's settings say, or every grab so far has failed.
        """
        if not result.GrabSucceeded():
            self._count_failure(result)
            return None
        layout, frame = self._layout, self._frame
        width, height = result.GetWidth(), result.GetHeight()
        if width != layout.width or height != layout.height:
            raise self._other_size(width, height)
        buffer = result.GetImageMemoryView()
        if buffer.nbytes == layout.nbytes:
            frame.pixels = np.ndarray(layout.shape, layout.dtype, buffer)
        else:
            if self._padded is None:
                self._padded = PaddedRows(layout, result.GetPaddingX())
            frame.pixels = self._padded.read(buffer)
        block_id = result.GetBlockID()
        counts = block_id != _INVALID_BLOCK_ID and (block_id != 0 or self._clock.zero_is_an_id)
        frame.id = block_id if counts else None
        ticks = result.GetTimeStamp()
        frame.timestamp_ns = self._clock.nanoseconds(ticks) if ticks else None
        self._any_read = True
        return frame

    def _other_size(self, width: int, height: int) -> CameraError:
        layout = self._layout
        return CameraError(
            f"the camera sends frames of {width} x {height} pixels, but its Width and Height are "
            f"{layout.width} x {layout.height}. Where the emulated camera plays image files, set "
            "--basler.width and --basler.height to the size of the images"
        )

    def _count_failure(self, result: Any) -> None:
        self.failed_grabs += 1
        if self.failed_grabs > _FAILURES_LOGGED and self._any_read:
            return
        now = time.monotonic()
        if self.failed_grabs == 1:
            self._first_failure_s = now
        what = f"{result.GetErrorDescription()} (code {result.GetErrorCode():#010x})"
        if self.failed_grabs <= _FAILURES_LOGGED:
            more = "; further ones are counted only" if self.failed_grabs == _FAILURES_LOGGED else ""
            logger.warning("grab %d failed: %s%s", self.failed_grabs, what, more)
        if not self._any_read and now - self._first_failure_s > _ALL_FAILED_S:
            raise CameraError(f"every one of the first {self.failed_grabs} grabs failed: {what}")


class ImageHandler(pylon.ImageEventHandler):  # type: ignore[misc]
    """Hands each result on, from pylon's grab-loop thread.

    Each run has one of its own; pylon keeps a bare pointer to it.

    Attributes
    ----------
    skipped_images
        Since the start.
    """

    def __init__(self, deliver: Callable[[Any], None]) -> None:
        super().__init__()
        self.skipped_images = 0
        self._deliver = deliver

    def OnImageGrabbed(self, camera: Any, result: Any) -> None:  # noqa: ARG002, N802 - pylon's name
        """Handle one image or failed grab."""
        self._deliver(result)

    def OnImagesSkipped(self, camera: Any, count: int) -> None:  # noqa: ARG002, N802 - pylon's name
        """Count images that pylon dropped."""
        self.skipped_images += count


class FailureHandler(pylon.ConfigurationEventHandler):  # type: ignore[misc]
    """Reports that the camera is gone or that its grabbing broke."""

    def __init__(self, device: str, fault: Callable[[CameraError], None]) -> None:
        super().__init__()
        self._device = device
        self._fault = fault

    def OnCameraDeviceRemoved(self, camera: Any) -> None:  # noqa: ARG002, N802 - pylon's name
        """Report a camera that pylon has noticed to be gone; it does not notice always."""
        self._fault(CameraLostError(f"{self._device} was disconnected or lost its power"))

    def OnGrabError(self, camera: Any, message: Any) -> None:  # noqa: ARG002, N802 - pylon's name
        """Report that pylon has ended the grabbing."""
        self._fault(CameraError(f"{self._device} stopped streaming: {message}"))
