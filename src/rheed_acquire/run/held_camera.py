"""One camera that stays open and running while previews and runs take turns with its frames.

An acquisition borrows it as a `LentCamera` by way of its `CameraTurn`. At first the camera is opened; who
comes later, while it runs well, is lent what is open. At any time one of the borrowers has the frames: the
preview, which rests while a run has them, or the run. What changes hands is one attribute, which is looked up
for each frame in the camera's own thread, so that no frame is lost or taken twice between two of them.

A run reaches back: the preview's ring keeps the frames of the last while (see
`rheed_acquire.frames.recent_ring`), and what came since the run was asked for, and for as long before as it
wants, is copied into the run's own ring first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
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
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk_buffer import NO_ID, NO_TIMESTAMP, ChunkBuffer
from rheed_acquire.frames.recent_ring import KeptFrames, RecentRing
from rheed_acquire.host.guard.camera import who_gives_frames

logger = logging.getLogger(__name__)

_NO_PIXELS = np.empty((0, 0), np.uint8)
_LOOK_S = 0.0002
_ROOM_S = 0.002
_OPENING_S = 0.1
_UNDER_WAY_S = 1.0
"""Longer than any callback that is under way takes to copy its frame."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """When a run was asked for, and how far it reaches back.

    Attributes
    ----------
    asked_ns
        As ``time.perf_counter_ns``: its duration counts from then.
    pre_roll_s
        Seconds before that, of which it wants the frames as far as they are kept.
    """

    asked_ns: int
    pre_roll_s: float = 0.0

    @property
    def since_ns(self) -> int:
        """The run's frames arrived then or later, as ``time.perf_counter_ns``."""
        return self.asked_ns - round(self.pre_roll_s * 1e9)


class HeldCamera:
    """Opens the camera, lends it, and closes it when nobody has it any more.

    Parameters
    ----------
    open_camera
        Opens it; the camera keeps to its contract (see `rheed_acquire.host.guard`).
    """

    def __init__(self, open_camera: Callable[[CaptureRequest], Camera]) -> None:
        self._open = open_camera
        self._opening = threading.Lock()
        self.lock = threading.RLock()
        """Taken where the camera is lent, started, stopped or given back; for no frame."""
        self.connection: Connection | None = None
        self.measured_fps: tuple[float, int] | None = None
        """Of a camera that does not say its rate: that, and over how many frames it was measured."""

    @property
    def is_well(self) -> bool:
        """Whether a preview has its frames, and nothing is known to be wrong with it."""
        connection = self.connection
        if connection is None or connection.fault is not None:
            return False
        rester = connection.rester
        return rester is not None and connection.taker is rester and rester.accumulator is not None

    @property
    def info(self) -> CameraInfo | None:
        """What it is, while it is open."""
        connection = self.connection
        return None if connection is None else connection.info

    def connect(self, request: CaptureRequest, before: Connection | None) -> Connection:
        """Find what is open, or open the camera: anew, where ``before`` is what is open and was lost.

        Raises
        ------
        RheedAcquireError
            It cannot be opened.
        """
        while not self._opening.acquire(timeout=_OPENING_S):
            if request.given_up():
                raise CameraError("the camera is not wanted any more")
        try:
            with self.lock:
                now = self.connection
                if now is not None and now is not before and now.fault is None:
                    return now
            if now is not None:
                self._end(now)
            camera = self._open(request)
            try:
                connection = Connection(camera, camera.info)
            except CameraError:
                _close(camera)
                raise
            with self.lock:
                self.connection = connection
                return connection
        finally:
            self._opening.release()

    def _end(self, connection: Connection) -> None:
        """Close what was lost, and tell those who wait for their turn with it."""
        with self.lock:
            if self.connection is connection:
                self.connection = None
            others = list(connection.borrowers)
            connection.is_closed = True
        for other in others:
            other.tell(CameraError("the camera was opened again"))
        _close(connection.camera)


class Connection:
    """One opening of the camera, whose frames go to one borrower at a time.

    Attributes
    ----------
    taker
        Who has the frames.
    rester
        Who has them whenever nobody else does.
    fault
        The camera's own, once it has told one.
    """

    def __init__(self, camera: Camera, info: CameraInfo) -> None:
        self.camera, self.info = camera, info
        self.borrowers: list[LentCamera] = []
        self.taker: LentCamera | None = None
        self.rester: LentCamera | None = None
        self.fault: CameraError | None = None
        self.is_running = self.is_closed = False
        self._pass_on: OnFrame = _to_nobody
        self._is_busy = False

    def start(self, pass_on: OnFrame) -> None:
        """Start the camera."""
        self._pass_on = pass_on
        self.camera.start(self.on_frame, self.on_fault)
        self.is_running = True

    def on_frame(self, frame: Frame) -> None:
        """Pass a frame on; what the camera is started with."""
        self._is_busy = True
        self._pass_on(frame)
        self._is_busy = False

    def on_fault(self, error: CameraError) -> None:
        """Pass on what the camera says of its end."""
        self.fault = self.fault or error
        taker = self.taker
        if taker is not None:
            taker.tell(error)

    def direct(self, pass_on: OnFrame) -> None:
        """Pass the frames to come on to another; returns when none is under way to the one before.

        Who is called says that it is busy before it looks where to, so that whoever finds it idle after the
        change knows that no frame goes the old way any more.
        """
        self._pass_on = pass_on
        late_s = time.perf_counter() + _UNDER_WAY_S
        while self._is_busy and time.perf_counter() < late_s:
            time.sleep(_LOOK_S)

    def switch(self, pass_on: OnFrame) -> None:
        """Do so from within the camera's own call."""
        self._pass_on = pass_on


class CameraTurn:
    """One acquisition's way to the camera that is held.

    Parameters
    ----------
    held
        The camera.
    start
        When the run was asked for; None for the preview, which rests while a run has the frames.
    """

    def __init__(self, held: HeldCamera, start: RunStart | None = None) -> None:
        self.held, self.run_start = held, start
        self.request = CaptureRequest()
        self._lent: LentCamera | None = None
        self.reached_ns: int | None = None
        """When the first frame arrived that the run was given, as ``time.perf_counter_ns``."""

    def open(self, request: CaptureRequest) -> Camera:
        """Borrow the camera; whoever calls it again has lost what was lent."""
        self.request = request
        before = None if self._lent is None else self._lent.connection
        self._lent = LentCamera(self, self.held.connect(request, before))
        return self._lent

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
        return camera.begin(accumulator, on_fault)


class LentCamera(Camera):
    """The camera as one acquisition has it: by itself, for all that it can see."""

    def __init__(self, turn: CameraTurn, connection: Connection) -> None:
        self._held, self._turn = turn.held, turn
        self.connection = connection
        self.accumulator: ChunkAccumulator | None = None
        self._on_fault: OnFault | None = None
        self._counted: Mapping[str, int] = {}
        self._seam = threading.Lock()
        self._is_joined = False
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

    def tell(self, error: CameraError) -> None:
        """Say what has become of the camera."""
        on_fault = self._on_fault
        if on_fault is not None:
            on_fault(error)

    def resume_after(self, other: LentCamera) -> OnFrame:
        """Make what takes the first frame after another borrower's."""
        mine, others = self.accumulator, other.accumulator
        connection = self.connection
        if mine is None:
            return _to_nobody
        ring = mine.ring

        def resume(frame: Frame) -> None:
            mine.go_on_after(others if others is not None and others.received else mine)
            if isinstance(ring, RecentRing):  # what came before is the other's, or from before that
                ring.forget()
            connection.switch(mine.on_frame)
            mine.on_frame(frame)

        return resume

    def _take_over(self, before: LentCamera, accumulator: ChunkAccumulator, start: RunStart) -> None:
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
            while waits and not accumulator.ring.available and kept.has_time:
                time.sleep(_ROOM_S)
            frame_id, timestamp_ns = buffer.id_cells[place], buffer.timestamp_cells[place]
            frame.pixels = buffer.slots[place]
            frame.id = None if frame_id == NO_ID else frame_id
            frame.timestamp_ns = None if timestamp_ns == NO_TIMESTAMP else timestamp_ns
            arrived_ns = buffer.host_cells[place]
            if self._turn.reached_ns is None:
                self._turn.reached_ns = arrived_ns
            accumulator.take_kept(frame, arrived_ns)

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
            now = self._held.connect(self._turn.request, before)
        except CameraError:
            raise
        except RheedAcquireError as error:
            raise CameraError(str(error)) from error
        if not _look_alike(now.info, before.info):
            raise CameraError("the camera was lost before the run began, and came back with other frames")
        with self._held.lock:
            if self in before.borrowers:
                before.borrowers.remove(self)
            self.connection = now
            now.borrowers.append(self)


def _look_alike(one: CameraInfo, other: CameraInfo) -> bool:
    return (one.width, one.height, one.pixel_format) == (other.width, other.height, other.pixel_format)


def _to_nobody(frame: Frame) -> None:
    """Take a frame that nobody wants."""


def _close(camera: Camera) -> None:
    try:
        camera.close()
    except CameraError as error:  # it was lost, and nothing else is to be expected of it
        logger.info("%s", error)
