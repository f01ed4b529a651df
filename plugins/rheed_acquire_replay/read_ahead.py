"""Reading ahead of the camera's pace, in a thread of its own and no further than memory is meant to go."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from rheed_acquire import CameraEndedError, CameraError
from rheed_acquire_replay.recording import Block

AHEAD_BYTES = 64 << 20
"""How much may lie ready: at 500 frames/s of 500 x 300 nearly a second."""


class ReadAhead:
    """Draws blocks from an iterator and keeps them ready.

    Parameters
    ----------
    blocks
        Drawn, and in the end closed, in the reading thread only.
    ended
        What `take` raises once all have been taken.
    limit_bytes
        How much may lie ready, beside the block that is being read; one block may always.
    """

    def __init__(
        self, blocks: Iterator[Block], ended: CameraEndedError, limit_bytes: int = AHEAD_BYTES
    ) -> None:
        self._blocks, self._ended, self._limit = blocks, ended, limit_bytes
        self._ready: deque[Block] = deque()
        self._bytes = 0
        self._over: CameraError | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="replay-reader", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Block | None:
        """Take the next block; None where it is not there within ``timeout_s`` seconds.

        Raises
        ------
        CameraError
            The recording is over (`CameraEndedError`) or cannot be read on.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._over, timeout_s)
            if self._ready:
                block = self._ready.popleft()
                self._bytes -= block.pixels.nbytes
                self._changed.notify_all()
                return block
            if self._over is not None:
                raise self._over
            return None

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._ready.clear()

    def _read(self) -> None:
        over: CameraError = self._ended
        try:
            for block in self._blocks:
                with self._changed:
                    if block.numbers:
                        self._ready.append(block)
                        self._bytes += block.pixels.nbytes
                        self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closing or self._bytes < self._limit)
                    if self._closing:
                        return
        except CameraError as error:
            over = error
        # Whatever it is, the camera has to learn that no frame will come any more.
        except Exception as error:  # noqa: BLE001
            over = CameraError(f"the recording cannot be read on: {type(error).__name__}: {error}")
            over.__cause__ = error
        finally:
            close = getattr(self._blocks, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._over = over
                self._changed.notify_all()
