"""What a session remembers of the frames that it has pushed: how many, how fast, and what was missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from rheed_acquire.ring import NO_TIMESTAMP, Chunk, Gap

LISTED = 1000
"""A report names this many gaps and pauses one by one."""


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """Read off a chunk before its push: after that it is no longer ours.

    Attributes
    ----------
    ids, stamps_ns
        (N,) int64, copies. The stamps are the camera's, else the arrival times.
    camera_stamps
        Whether the stamps are the camera's.
    """

    ids: np.ndarray[tuple[int], np.dtype[np.int64]]
    stamps_ns: np.ndarray[tuple[int], np.dtype[np.int64]]
    camera_stamps: bool
    gaps: tuple[Gap, ...]
    after_overrun: bool = False

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """Copy what `PushedFrames.add` needs."""
        camera_stamps = bool(chunk.timestamps_ns[0] != NO_TIMESTAMP)
        stamps = chunk.timestamps_ns if camera_stamps else chunk.host_ns
        return cls(chunk.frame_ids.copy(), stamps.copy(), camera_stamps, chunk.gaps, chunk.after_overrun)


@dataclass(slots=True)
class PushedFrames:
    """Counts chunks as they are pushed, in order.

    Attributes
    ----------
    pause_ns
        Longest step of the camera's clock from one frame to the next that is not a pause.
    pauses
        In seconds (see `rheed_acquire.report.RunReport`).
    """

    pause_ns: int
    frames: int = 0
    chunks: int = 0
    gaps: list[Gap] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    _steps: int = 0
    _steps_ns: int = 0
    _before: ChunkFacts | None = None

    def add(self, facts: ChunkFacts) -> None:
        """Count a chunk as pushed."""
        self.gaps.extend(facts.gaps[: LISTED - len(self.gaps)])
        if facts.camera_stamps:
            self._find_pauses(facts)
        # Measured within chunks: what lies between two may be an overrun, or the camera's absence.
        span_ns = int(facts.stamps_ns[-1] - facts.stamps_ns[0])
        if span_ns > 0:
            self._steps += len(facts.ids) - 1
            self._steps_ns += span_ns
        self._before = facts
        self.frames += len(facts.ids)
        self.chunks += 1

    def interrupt(self) -> None:
        """Note that the camera was lost: what comes next begins anew, perhaps by another clock."""
        self._before = None

    @property
    def fps_measured(self) -> float | None:
        """Frames per second within the chunks; None where none has two frames."""
        return self._steps * 1e9 / self._steps_ns if self._steps_ns else None

    def _find_pauses(self, facts: ChunkFacts) -> None:
        stamps, ids, before = facts.stamps_ns, facts.ids, self._before
        if before is not None and before.camera_stamps and not facts.after_overrun:
            stamps = np.concatenate((before.stamps_ns[-1:], stamps))
            ids = np.concatenate((before.ids[-1:], ids))
        steps = np.diff(stamps)
        # Where the ids jump the loss is known already: a gap of the camera, or an overrun of ours.
        unexplained = steps[(steps > self.pause_ns) & (np.diff(ids) <= 1)]
        self.pauses.extend((unexplained[: LISTED - len(self.pauses)] / 1e9).tolist())
