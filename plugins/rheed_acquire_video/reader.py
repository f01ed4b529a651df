"""The thread that reads a source for as long as it is open, and what it hands over.

FFmpeg cannot be told to return from a read. So a read that nobody waits for any more is left to itself: it
returns with the next picture, or once the source has been silent for `SILENT_S`, and the thread then closes
the source. It reads on while nobody takes its pictures, so that a start never begins with old ones.
"""

from __future__ import annotations

import logging
import queue
import threading
from fractions import Fraction
from typing import Any, TypeAlias

import av
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_video.failures import reason
from rheed_acquire_video.pictures import View
from rheed_acquire_video.stream import VideoStream

logger = logging.getLogger(__name__)

Picture: TypeAlias = "tuple[NDArray[Any], int | None]"
"""Its pixels, and when it was taken, in nanoseconds."""

WAITING = 4
"""How many pictures may wait to be taken before the source is made to wait."""
_LOOK_S = 0.1
_CLOSE_S = 2.0


class Reader(threading.Thread):
    """Reads a source until it is closed or fails.

    Attributes
    ----------
    failure
        Why there are no more pictures, once that is so.
    """

    def __init__(self, stream: VideoStream, view: View, shape: tuple[int, int]) -> None:
        super().__init__(name="video-reader", daemon=True)
        self.failure: CameraError | None = None
        self._stream, self._view, self._shape = stream, view, shape
        self._has_times = stream.has_times
        self._taker: queue.Queue[Picture] | None = None
        self._closing = False

    def deliver_to(self, taker: queue.Queue[Picture] | None) -> None:
        """Hand the pictures from now on to this queue, or to nobody."""
        self._taker = taker

    def close(self) -> None:
        """Let the source go; without waiting for one that is silent, which is let go later."""
        self._closing, self._taker = True, None
        self.join(_CLOSE_S)
        if self.is_alive():
            logger.debug("a read of %s is left to return by itself", self._stream.source.device)

    def run(self) -> None:
        """Read; called by the thread itself."""
        device = self._stream.source.device
        try:
            for frame in self._stream.pictures(lambda: self._closing):
                taker = self._taker
                if taker is not None:
                    self._hand_over(self._picture(frame), taker)
                del frame
        except CameraError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - whatever it is, no more pictures will come
            self.failure = CameraError(f"{device} could not be read: {reason(error)}")
        finally:
            self._stream.close()

    def _picture(self, frame: av.VideoFrame) -> Picture:
        if (frame.height, frame.width) != self._shape:
            height, width = self._shape
            raise CameraError(
                f"{self._stream.source.device} sends pictures of {frame.width} x {frame.height} now, "
                f"which were of {width} x {height}"
            )
        # Of a stream that has times a single picture may have none, and most often the first.
        time_ns = nanoseconds(frame.pts, frame.time_base) if self._has_times else None
        return self._view(frame), time_ns

    def _hand_over(self, picture: Picture, taker: queue.Queue[Picture]) -> None:
        while self._taker is taker:
            try:
                taker.put(picture, timeout=_LOOK_S)
            except queue.Full:
                continue
            return


def nanoseconds(pts: int | None, time_base: Fraction | None) -> int | None:
    """Turn a time of FFmpeg into nanoseconds, in whole numbers: a float would lose digits."""
    if pts is None or time_base is None:
        return None
    return pts * time_base.numerator * 1_000_000_000 // time_base.denominator
