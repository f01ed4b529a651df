"""The camera as one acquisition has it: borrowed from the one that is held, for a preview or for a run.

A run reaches back: the preview's ring keeps the frames of the last while (see
`rheed_acquire.frames.recent_ring`), and what came since the run was asked for, and for as long before as it
wants, is copied into the run's own ring first. A run whose camera is away when it is asked for waits for it,
as one does that has lost it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rheed_acquire.cameras.camera import (
    Camera,
    CameraError,
    CameraInfo,
    CaptureRequest,
    Frame,
    OnFault,
    OnFrame,
)
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import NO_ID, NO_TIMESTAMP, ChunkBuffer
from rheed_acquire.frames.recent_ring import KeptFrames, RecentRing
from rheed_acquire.host.guard.camera import who_gives_frames
from rheed_acquire.run.held_camera import Borrower, Connection, HeldCamera, to_nobody
from rheed_acquire.run.reopening import looks_like

logger = logging.getLogger(__name__)

_NO_PIXELS = np.empty((0, 0), np.uint8)
_ROOM_S, _STUCK_S = 0.002, 5.0
_AGAIN_S, _LOOK_S = 1.0, 0.05
"""Between two tries to open a camera that is away, and between two looks whether it is still wanted."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """When a run was asked for, and how far it reaches back.

    Attributes
    ----------
    asked_ns
        As ``time.perf_counter_ns``: its duration counts from then.
    pre_roll_s
        Seconds before that, of which it wants the frames as far as they are kept.
    waits_s
        How long it waits for a camera that is away, in seconds.
    """

    asked_ns: int
    pre_roll_s: float = 0.0
    waits_s: float = 0.0

    @property
    def since_ns(self) -> int:
        """The run's frames arrived then or later, as ``time.perf_counter_ns``."""
        return self.asked_ns - round(self.pre_roll_s * 1e9)


class CameraTurn:
    """One acquisition's way to the camera that is held.

    Parameters
    ----------
    held
        The camera.
    start
        When the run was asked for; None for the preview, which rests while a run has the frames.

    Attributes
    ----------
    reached_ns
        When the first frame arrived that the run was given of those that were kept, as
        ``time.perf_counter_ns``.
    kept_from_ns
        Since when frames were kept for it, as ``time.perf_counter_ns``; None where it took the camera over
        from nobody.
    away
        Why the camera could not be opened for the run, which had to wait for it; None where it had not.
    waits
        Whether it waits for it just now.
    """

    def __init__(self, held: HeldCamera, start: RunStart | None = None) -> None:
        self.held, self.run_start = held, start
        self.request = CaptureRequest()
        self._lent: LentCamera | None = None
        self._has_begun = False
        self.reached_ns: int | None = None
        self.kept_from_ns: int | None = None
        self.away: str | None = None
        self.waits = False

    def open(self, request: CaptureRequest) -> Camera:
        """Borrow the camera; whoever calls it again has lost what was lent.

        Raises
        ------
        RheedAcquireError
            It cannot be opened; for a run that has not begun, in all the time that it waits.
        """
        self.request = request
        before = None if self._lent is None else self._lent.connection
        self._lent = LentCamera(self, self.connect(before))
        return self._lent

    def connect(self, before: Connection | None) -> Connection:
        """Find what is open, or open the camera: a run waits for it that has not begun; see `open`."""
        start = self.run_start
        if start is None or self._has_begun:
            return self.held.connect(self.request, before)
        begun_s = time.perf_counter()
        while True:
            try:
                connection = self.held.connect(self.request, before)
            except SettingsError:  # which no waiting mends
                raise
            except RheedAcquireError as error:
                waited_s = time.perf_counter() - begun_s
                if self.request.given_up() or waited_s >= start.waits_s:
                    waited = f" (it was waited for {waited_s:.0f} s)" if self.away else ""
                    raise CameraError(f"{error}{waited}") from error
                self.away, self.waits = str(error), True
                self._pause()
            else:
                self.waits = False
                return connection

    def _pause(self) -> None:
        until_s = time.perf_counter() + _AGAIN_S
        while time.perf_counter() < until_s and not self.request.given_up():
            time.sleep(_LOOK_S)

    @property
    def rests(self) -> bool:
        """Whether the frames go to another meanwhile."""
        lent = self._lent
        return lent is not None and lent.connection.taker not in (None, lent)

    def start(self, camera: Camera, accumulator: ChunkAccumulator, on_fault: OnFault) -> float | None:
        """Have the accumulator take the camera's frames.

        Returns
        -------
        float or None
            Since when the run's duration counts, in seconds of ``time.perf_counter``; None for its first
            frame.

        Raises
        ------
        CameraError
            The camera refuses to stream, or is gone.
        """
        assert isinstance(camera, LentCamera)
        begun_s = camera.begin(accumulator, on_fault)
        self._has_begun = True
        # Who has waited for the camera has the whole of its time from the first frame on.
        return None if self.away is not None else begun_s


class LentCamera(Camera):
    """The camera as one acquisition has it: by itself, for all that it can see."""

    def __init__(self, turn: CameraTurn, connection: Connection) -> None:
        self._held, self._turn = turn.held, turn
        self.connection = connection
        self.accumulator: ChunkAccumulator | None = None
        self._on_fault: OnFault | None = None
        self._counted: Mapping[str, int] = {}
        self._seam = threading.Lock()
        self._is_joined = self._is_stuck = False
        self._frame = Frame(_NO_PIXELS, None, None)
        connection.borrowers.append(self)

    @property
    def who(self) -> str:
        """As messages name the plugin."""
        return who_gives_frames(self.connection.camera)

    @property
    def info(self) -> CameraInfo:
        """See `Camera.info`; as it was when it was opened."""
        return self.connection.info

    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        """See `Camera.start`; for one that nobody else has frames of."""
        self._go_over_where_it_was_lost()
        with self._held.lock:
            self._on_fault = on_fault
            self.connection.taker = self
            self.connection.start(on_frame)

    def begin(self, accumulator: ChunkAccumulator, on_fault: OnFault) -> float | None:
        """See `CameraTurn.start`."""
        start = self._turn.run_start
        self._go_over_where_it_was_lost()
        with self._held.lock:
            connection = self.connection
            self.accumulator, self._on_fault = accumulator, on_fault
            if start is None:
                connection.rester = self
                if isinstance(accumulator.ring, RecentRing):
                    accumulator.ring.forget()
            if connection.taker is None:
                connection.taker = self
                connection.start(accumulator.on_frame)
                return None
            before = connection.taker
        if start is None or before is self:  # it waits for its turn
            return None
        if before.accumulator is None:
            raise CameraError("the camera's frame rate is being measured: try again")
        self._counted = self._all_statistics()
        self._take_over(before, accumulator, start)
        return start.asked_ns / 1e9

    def stop(self) -> None:
        """See `Camera.stop`; the camera goes on where another waits for its turn."""
        with self._held.lock:
            connection = self.connection
            heir = None if connection.rester is self else connection.rester
            if connection.rester is self:
                connection.rester = None
            if connection.taker is not self:
                return
            if heir is None or connection.is_closed:
                connection.taker = None
                connection.is_running = False
                connection.camera.stop()
                return
            connection.taker = heir
            connection.direct(heir.resume_after(self))
        if connection.fault is not None:
            heir.tell(connection.fault)

    def close(self) -> None:
        """See `Camera.close`; it is closed when nobody has it any more."""
        connection = self.connection
        try:
            self.stop()
        finally:
            with self._held.lock:
                if self in connection.borrowers:
                    connection.borrowers.remove(self)
                is_last = not connection.borrowers and not connection.is_closed
                if is_last:
                    connection.is_closed = True
                    if self._held.connection is connection:
                        self._held.connection = None
            if is_last:
                connection.camera.close()

    def statistics(self) -> Mapping[str, int]:
        """See `Camera.statistics`; since this borrower began."""
        before = self._counted
        return {name: count - before.get(name, 0) for name, count in self._all_statistics().items()}

    def temperature_c(self) -> float | None:
        """See `Camera.temperature_c`."""
        return self.connection.camera.temperature_c()

    def adjust(self, changes: Mapping[str, float]) -> Mapping[str, float]:
        """See `Camera.adjust`; for all who borrow it."""
        return self.connection.adjust(changes)

    def adjustable(self) -> Mapping[str, float]:
        """See `Camera.adjustable`."""
        return self.connection.camera.adjustable()

    def line_is_high(self, line: str) -> bool:
        """See `Camera.line_is_high`."""
        return self.connection.camera.line_is_high(line)

    def tell(self, error: CameraError) -> None:
        """Say what has become of the camera."""
        on_fault = self._on_fault
        if on_fault is not None:
            on_fault(error)

    def resume_after(self, other: Borrower) -> OnFrame:
        """Make what takes the first frame after another borrower's."""
        mine, others = self.accumulator, other.accumulator
        connection = self.connection
        if mine is None:
            return to_nobody
        if isinstance(mine.ring, RecentRing):
            # What lies there is the other's or older, and a third may read before a frame comes.
            mine.ring.forget()

        def resume(frame: Frame) -> None:
            mine.go_on_after(others if others is not None and others.received else mine)
            connection.switch(mine.on_frame)
            mine.on_frame(frame)

        return resume

    def _take_over(self, before: Borrower, accumulator: ChunkAccumulator, start: RunStart) -> None:
        """Have the frames that the one before keeps, and all that come from then on."""
        connection, kept_by = self.connection, before.accumulator
        assert kept_by is not None
        kept = kept_by.ring.kept_since(start.since_ns) if isinstance(kept_by.ring, RecentRing) else None

        def join(*, waits: bool) -> None:
            while kept is not None and (piece := kept.more()) is not None:
                self._take(accumulator, kept, piece, waits=waits)

        def join_with(frame: Frame) -> None:
            """Take what came since the last look; in the camera's thread, with the first frame after it."""
            with self._seam:
                if not self._is_joined:
                    join(waits=False)
                    self._is_joined = True
                    if accumulator.received:
                        accumulator.number_as(kept_by)
            connection.switch(accumulator.on_frame)
            accumulator.on_frame(frame)

        join(waits=True)
        connection.taker = self
        connection.direct(join_with)
        with self._seam:
            # A camera that gives no frame for a while must not keep what lies in the other's ring from it.
            if not self._is_joined:
                join(waits=False)
        # One who keeps nothing gave the run what came from now on.
        self._turn.kept_from_ns = time.perf_counter_ns() if kept is None else kept.from_ns
        if kept is not None:
            kept.end()
        if connection.fault is not None:
            self.tell(connection.fault)

    def _take(
        self,
        accumulator: ChunkAccumulator,
        kept: KeptFrames,
        piece: tuple[ChunkBuffer, int, int],
        *,
        waits: bool,
    ) -> None:
        """Give the accumulator frames that were kept; it waits for room while the camera finds some."""
        buffer, begin, end = piece
        frame = self._frame
        for place in range(begin, end):
            if waits and not accumulator.ring.available:
                self._wait_for_room(accumulator, kept)
            frame_id, timestamp_ns = buffer.id_cells[place], buffer.timestamp_cells[place]
            frame.pixels = buffer.slots[place]
            frame.id = None if frame_id == NO_ID else frame_id
            frame.timestamp_ns = None if timestamp_ns == NO_TIMESTAMP else timestamp_ns
            arrived_ns = buffer.host_cells[place]
            if self._turn.reached_ns is None:
                self._turn.reached_ns = arrived_ns
            accumulator.take_kept(frame, arrived_ns)

    def _wait_for_room(self, accumulator: ChunkAccumulator, kept: KeptFrames) -> None:
        """Wait until the run has a buffer, or the camera needs those of the preview.

        In a run that is to end no longer than `_STUCK_S` for one: while no frame comes the camera finds room
        for ever, and a push that hangs gives none.
        """
        begun_s = time.monotonic()
        while not self._is_stuck and not accumulator.ring.available and kept.has_time:
            time.sleep(_ROOM_S)
            self._is_stuck = self._turn.request.given_up() and time.monotonic() - begun_s > _STUCK_S

    def _all_statistics(self) -> Mapping[str, int]:
        try:
            return self.connection.camera.statistics()
        except CameraError:
            logger.debug("the camera's counters are not known", exc_info=True)
            return {}

    def _go_over_where_it_was_lost(self) -> None:
        """Have what the camera was opened as since, or is now, where it was lost before this one began.

        Raises
        ------
        CameraError
            It cannot be opened, or has come back with other frames.
        """
        before = self.connection
        if not before.is_closed and before.fault is None:
            return
        try:
            now = self._turn.connect(before)
        except CameraError:
            raise
        except RheedAcquireError as error:
            raise CameraError(str(error)) from error
        if not looks_like(now.info, before.info):
            raise CameraError("the camera was lost before the run began, and came back with other frames")
        with self._held.lock:
            if self in before.borrowers:
                before.borrowers.remove(self)
            self.connection = now
            now.borrowers.append(self)
