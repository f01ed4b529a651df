"""What is known of each frame of a chunk, beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.recording.region_traces import read_traces, write_traces
from rheed_acquire.system.durable_files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.regions.chunk_traces import ChunkTrace


@dataclass(frozen=True, slots=True, eq=False)
class FrameNumbers:
    """Of N consecutive frames.

    Attributes
    ----------
    unix_ms
        (N,) float64: when each was captured, ms since 1970, UTC.
    frame_ids
        (N,) int64: the camera's number, -1 where it has none.
    stamps_ns
        (N,) int64: by the camera's own clock, -1 where it has none.
    arrival_unix_ms
        (N,) float64: when this computer had it.
    traces
        What was measured of each region in them.
    """

    unix_ms: NDArray[np.float64]
    frame_ids: NDArray[np.int64]
    stamps_ns: NDArray[np.int64]
    arrival_unix_ms: NDArray[np.float64]
    traces: tuple[ChunkTrace, ...] = ()

    @classmethod
    def of_times(cls, unix_ms: NDArray[np.float64]) -> FrameNumbers:
        """Of frames of which nothing else is known than (N,) capture times."""
        none = np.full(len(unix_ms), -1, np.int64)
        return cls(unix_ms, none, none, np.full(len(unix_ms), np.nan))

    def write(self, path: Path, staging: Path) -> None:
        """Keep them in a file, durably; what was measured of regions in one beside it, before."""
        if self.traces:
            write_traces(_traces_path(path), self.traces, staging)
        floats = (self.unix_ms, self.arrival_unix_ms)
        numbers = (self.frame_ids, self.stamps_ns)
        data = b"".join([np.asarray(one, "<f8").tobytes() for one in floats])
        data += b"".join([np.asarray(one, "<i8").tobytes() for one in numbers])
        write_atomically(path, data, staging, durable=True, root=staging.parent)

    @classmethod
    def read(cls, path: Path) -> FrameNumbers:
        """Read what `write` has kept."""
        data = path.read_bytes()
        count = len(data) // 32
        unix_ms, arrival_unix_ms = np.frombuffer(data, "<f8", 2 * count).reshape(2, count)
        frame_ids, stamps_ns = np.frombuffer(data, "<i8", 2 * count, 16 * count).reshape(2, count)
        return cls(unix_ms, frame_ids, stamps_ns, arrival_unix_ms, read_traces(_traces_path(path)))


def _traces_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.regions")
