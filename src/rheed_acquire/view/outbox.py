"""What waits to be told to the view process: newest only, or bounded, so that nobody waits to leave it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.view.messages import Message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.frames.frame_form import FrameForm, Levels
    from rheed_acquire.regions.regions import Region

MOST_VALUES = 1 << 20
"""Values of traces that may wait: about a minute of eight regions at 1,000 frames/s."""
MOST_EVENTS = 1_000
MOST_ANSWERS = 1_000


class Outbox:
    """Slots that any thread fills and the view's writer empties.

    Attributes
    ----------
    watched
        Whether a page is open; frames are kept back while none is.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state: Message | None = None
        self._frame: tuple[Levels, int, float | None, FrameForm | None] | None = None
        self._points: deque[tuple[NDArray[Any], NDArray[Any], NDArray[Any], Sequence[Region]]] = deque()
        self._values = 0
        self._dropped = 0
        self._events: deque[Message] = deque(maxlen=MOST_EVENTS)
        self._answers: deque[Message] = deque(maxlen=MOST_ANSWERS)
        self._watched = False
        self._closed = False

    @property
    def watched(self) -> bool:
        """See the class."""
        return self._watched

    @watched.setter
    def watched(self, watched: bool) -> None:
        with self._changed:
            self._watched = watched
            self._changed.notify_all()

    def show_frame(
        self, pixels: Levels, number: int, utc_ms: float | None, form: FrameForm | None = None
    ) -> None:
        """Leave a copy of a frame instead of the one before."""
        copy = pixels.copy()
        with self._changed:
            self._frame = (copy, number, utc_ms, form)
            self._changed.notify_all()

    def show_state(self, state: Mapping[str, Any], station: Mapping[str, Any] | None = None) -> None:
        """Leave a state instead of the one before."""
        message = Message({"kind": "state", "state": state, "station": station})
        with self._changed:
            self._state = message
            self._changed.notify_all()

    def add_points(
        self,
        utc_ms: NDArray[np.float64],
        mean: NDArray[np.float32],
        maximum: NDArray[np.uint16],
        regions: Sequence[Region],
    ) -> None:
        """Leave a copy of what N frames gave for R regions, and forget the oldest where too much waits."""
        if not len(utc_ms):
            return
        points = (utc_ms.copy(), mean.copy(), maximum.astype(np.uint16), tuple(regions))
        with self._changed:
            self._points.append(points)
            self._values += mean.size
            while self._values > MOST_VALUES and len(self._points) > 1:
                oldest = self._points.popleft()
                self._values -= oldest[1].size
                self._dropped += len(oldest[0])
            self._changed.notify_all()

    def add_event(self, utc_ms: float, level: str, text: str) -> None:
        """Leave an event."""
        message = Message({"kind": "event", "utc_ms": utc_ms, "level": level, "text": text})
        with self._changed:
            self._events.append(message)
            self._changed.notify_all()

    def answer(self, ask: str, status: int, body: Mapping[str, Any], *, is_replayed: bool) -> None:
        """Leave the answer to a question; the child asks a bounded number at a time."""
        message = Message(
            {"kind": "answer", "ask": ask, "status": status, "body": body, "replayed": is_replayed}
        )
        with self._changed:
            self._answers.append(message)
            self._changed.notify_all()

    def close(self) -> None:
        """Let `take` end once all is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wake(self) -> None:
        """Let `take` look whether it is over."""
        with self._changed:
            self._changed.notify_all()

    def take(self, over: threading.Event) -> Message | None:
        """Wait for something to tell; None after `close`, or once ``over`` is set and `wake` called."""
        with self._changed:
            while not over.is_set():
                if (message := self._next()) is not None:
                    return message
                if self._closed:
                    break
                self._changed.wait()
        return None

    def _next(self) -> Message | None:
        if self._answers:
            return self._answers.popleft()
        if self._events:
            return self._events.popleft()
        if self._state is not None:
            state, self._state = self._state, None
            return state
        if self._points:
            utc_ms, mean, maximum, regions = self._points.popleft()
            self._values -= mean.size
            dropped, self._dropped = self._dropped, 0
            header = {
                "kind": "points",
                "regions": [region.model_dump(mode="json") for region in regions],
                "count": len(utc_ms),
                "dropped": dropped,
            }
            return Message(header, (utc_ms, mean, maximum))
        if self._frame is not None and self._watched:
            (pixels, number, utc, form), self._frame = self._frame, None
            depth = {"bits": 8, "shift": 0} if form is None else {"bits": form.bits, "shift": form.shift}
            return Message(
                {"kind": "frame", "number": number, "utc_ms": utc, "shape": pixels.shape, **depth}, (pixels,)
            )
        return None
