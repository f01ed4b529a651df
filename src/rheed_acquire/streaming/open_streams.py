"""The streams of a `RHEEDStreamer` that are not finalized, by their ids."""

from __future__ import annotations

import threading

from rheed_acquire.streaming.intake import Intake


class OpenStreams:
    """Finds a stream's intake, and knows which streams have ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Intake] = {}
        self._ended: set[str] = set()

    @property
    def data_ids(self) -> list[str]:
        """Of those that are open, in order."""
        return sorted(self._open)

    def add(self, intake: Intake) -> None:
        """Know one more."""
        with self._lock:
            self._open[intake.stream.data_id] = intake

    def remove(self, data_id: str) -> None:
        """Know one no more, where it is known."""
        with self._lock:
            self._open.pop(data_id, None)

    def end(self, data_id: str) -> None:
        """Know that one is finalized."""
        with self._lock:
            self._open.pop(data_id, None)
            self._ended.add(data_id)

    def find(self, data_id: str) -> Intake:
        """Where a stream's frames go.

        Raises
        ------
        ValueError
            There was never such a stream.
        RuntimeError
            It is finalized.
        """
        with self._lock:
            intake = self._open.get(data_id)
            if intake is None and data_id in self._ended:
                raise RuntimeError(f"stream {data_id} was finalized before")
        if intake is None:
            raise ValueError(f"{data_id!r} is not a data_id that initialize of this streamer returned")
        return intake

    def leave(self) -> None:
        """Know none any more; what their rings hold is left to a later recovery."""
        with self._lock:
            for intake in self._open.values():
                # Whose push fails from now on gives its chunk back: the frames in it must outlive that.
                intake.stream.keep_ring()
            self._open.clear()
