"""What a session remembers of the frames that it has pushed: how many, how fast, and what was missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from rheed_acquire.frames.ring import Chunk, Gap
from rheed_acquire.run.arrivals import PACED_S, SILENCE_S
from rheed_acquire.run.pauses import LISTED, Pauses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.clocks.camera_clock import CaptureTimes

RATE_FRAMES, RATE_S = 20, 2.0
"""From how many frames and seconds on it can be said how fast a camera with a clock is."""
_LATEST = 1024
"""So many arrivals are kept, to see how the last frames came."""


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """Read off a chunk before its push: after that it is no longer ours.

    Attributes
    ----------
    index
        Of the chunk in the stream.
    ids
        (N,) int64, a copy.
    host_ns
        (N,) int64, a copy: when they arrived.
    times
        When the frames were captured.
    steps
        From frame to frame, between the first and the last that the camera's clock dates: what lies before
        and after those is known by arrivals only. Where it dates fewer than two, between all.
    captured_ns, arrived_ns
        How long these steps took by the dates and by the arrivals, in nanoseconds.
    """

    index: int
    ids: NDArray[np.int64]
    host_ns: NDArray[np.int64]
    times: CaptureTimes
    gaps: tuple[Gap, ...]
    steps: int
    captured_ns: int
    arrived_ns: int
    after_overrun: bool = False

    @classmethod
    def of(cls, chunk: Chunk, times: CaptureTimes) -> Self:
        """Copy what `PushedFrames.add` needs."""
        dated = np.flatnonzero(times.by_camera)
        first, last = (int(dated[0]), int(dated[-1])) if len(dated) > 1 else (0, len(chunk) - 1)
        return cls(
            chunk.index,
            chunk.frame_ids.copy(),
            chunk.host_ns.copy(),
            times,
            chunk.gaps,
            last - first,
            int(times.since_ns[last]) - int(times.since_ns[first]),
            int(chunk.host_ns[last]) - int(chunk.host_ns[first]),
            chunk.after_overrun,
        )


@dataclass(slots=True)
class PushedFrames:
    """Counts chunks as they are pushed, in order, and follows the camera by these and by those not taken.

    Attributes
    ----------
    pause_ns
        Longest step of the camera's clock from one frame to the next that is not a pause.
    period_ns
        From frame to frame as the run declares it.
    remembers
        Whether `sizes` is kept.
    frames, chunks
        That the streamer has taken.
    reduced
        Frames of the camera's in these chunks, less those of the stream that were made of them.
    sizes
        Frames of the camera's in each chunk, by its index in the stream.
    has_clock
        Whether the camera's clock dated any.
    """

    pause_ns: int
    period_ns: float
    remembers: bool = True
    frames: int = 0
    chunks: int = 0
    reduced: int = 0
    gaps: list[Gap] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    has_clock: bool = False
    _steps: int = 0
    _steps_ns: int = 0
    _arrived_ns: int = 0
    _is_doubted: bool = False
    _arrivals: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _pauses: Pauses = field(init=False)

    def __post_init__(self) -> None:
        self._pauses = Pauses(self.pause_ns, self.period_ns)

    def add(self, facts: ChunkFacts, frames: int | None = None) -> None:
        """Count a chunk as pushed, and of the stream so many frames, by default all."""
        frames = len(facts.ids) if frames is None else frames
        self.gaps.extend(facts.gaps[: LISTED - len(self.gaps)])
        self._follow(facts)
        if self.remembers:
            self.sizes[facts.index] = len(facts.ids)
        self.frames += frames
        self.reduced += len(facts.ids) - frames
        self.chunks += 1

    def miss(self, facts: ChunkFacts) -> None:
        """Note a chunk that was not taken: its frames came all the same, and the camera has not paused."""
        self._follow(facts)

    def _follow(self, facts: ChunkFacts) -> None:
        """See how fast the camera was, and where it paused."""
        if facts.after_overrun:
            self._pauses.interrupt()
        self._pauses.add(facts.ids, facts.times)
        # Measured within chunks: of what lies between two, the pauses know what was an overrun or a loss.
        if facts.captured_ns > 0:
            self._steps += facts.steps
            self._steps_ns += facts.captured_ns
            self._arrived_ns += facts.arrived_ns
            self._is_doubted |= self.has_clock and facts.times.source == "arrival"
            self.has_clock |= bool(facts.times.by_camera.any())
        self._arrivals = np.concatenate((self._arrivals, facts.host_ns))[-_LATEST:]

    def interrupt(self) -> None:
        """Note that what comes next cannot be held against what came before.

        The camera was lost, and begins anew, perhaps by another clock; or of some frames nothing is known.
        """
        self._pauses.interrupt()

    def complete(self) -> None:
        """Note that these are all the frames that were asked for: what comes late is not waited for."""
        self._pauses.complete()

    def ends_catching_up(self, fps: float) -> bool:
        """Whether the frames since the last silence came too fast to have been captured after it."""
        steps = np.diff(self._arrivals)
        silent = np.flatnonzero(steps >= SILENCE_S * 1e9 / 2)
        if not len(silent):
            return False
        since = steps[silent[-1] + 1 :]
        pace = max(fps, self.fps_measured or fps)
        return len(since) > 1 and len(since) > 2 * pace * since.sum() / 1e9

    def frames_at_most(self, chunks: int, among: Iterable[int]) -> int | None:
        """How many frames so many of the chunks have, or at most, where not all are known by their index.

        Parameters
        ----------
        chunks
            How many.
        among
            Indices of those that are known.

        Returns
        -------
        int or None
            None where so many chunks were never counted.
        """
        known = set(among) & self.sizes.keys()
        others = sorted((size for index, size in self.sizes.items() if index not in known), reverse=True)
        unknown = chunks - len(known)
        if not 0 <= unknown <= len(others):
            return None
        return sum(self.sizes[index] for index in known) + sum(others[:unknown])

    @property
    def pauses(self) -> list[float]:
        """In seconds (see `rheed_acquire.run.report.RunReport`)."""
        return self._pauses.lost

    @property
    def fps_measured(self) -> float | None:
        """Frames per second within the chunks, by arrivals; None where none has two frames.

        By a clock also from one chunk to the next, unless frames were lost there. By one that is not believed
        any more nothing is measured of what it dated, either.
        """
        steps, passed_ns = self._steps, self._arrived_ns
        if not self._is_doubted:
            between = self._pauses.between
            steps, passed_ns = steps + between.frames, self._steps_ns + between.ns
        return steps * 1e9 / passed_ns if passed_ns else None

    @property
    def fps_known(self) -> float | None:
        """`fps_measured` as soon as it can be relied on, in the first seconds of a run; None before."""
        enough_s = RATE_S if self.has_clock else PACED_S
        is_known = self._steps >= RATE_FRAMES and self._steps_ns > enough_s * 1e9
        return self.fps_measured if is_known and not self._pauses.is_pending else None
