"""What is shown just now: the newest of everything, for every page that is open."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from rheed_acquire.regions.regions import Region
from rheed_acquire.view.messages import points_of
from rheed_acquire.view.server.frames import RawFrame, binary_message, encode_frame
from rheed_acquire.view.server.growth import GrowthFigures
from rheed_acquire.view.server.history import TraceHistory, thin_out

_Result = TypeVar("_Result")

KEPT_EVENTS = 500
TRACES_INTERVAL_S = 0.25
COMMAND_INTERVAL_S = 0.05
WAITING_COMMANDS = 64
ANSWER_LIMIT_S = 30.0
"""For the acquisition to answer a question; it may be writing a long run's report."""


class _Traces:
    """The message of one window of traces, made anew at most every `TRACES_INTERVAL_S`."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.version = -1
        self.made_s = -TRACES_INTERVAL_S
        self.message = b""


class NoAnswerError(Exception):
    """The acquisition did not take a question, or has not answered it."""


class LiveView:
    """The slots that the acquisition fills, from the reader's thread, and that page clients look at.

    Parameters
    ----------
    say
        Passes a command on to the acquisition; raises `queue.Full` where it does not keep up.
    """

    def __init__(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self._executor = ThreadPoolExecutor(2, "view")
        self.history = TraceHistory()
        self.growth = GrowthFigures(self.history, self.compute)
        self.state: dict[str, Any] = {}
        self.state_text = ""
        self.state_version = 0
        self._events_lock = threading.Lock()
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self.event_count = 0
        self.frame: RawFrame | None = None
        self._encoded: tuple[RawFrame, bytes] | None = None
        self._encoding = asyncio.Lock()
        self._traces: dict[int, _Traces] = {}
        self._commands = asyncio.Lock()
        self._next_command_s = -math.inf
        self._questions: dict[str, asyncio.Future[dict[str, Any]]] = {}
        # Of this process alone: answers to one that died must not be taken for its successor's.
        self._asker, self._asked = secrets.token_hex(4), itertools.count()
        self.listeners: set[asyncio.Event] = set()
        self._watchers: set[asyncio.Event] = set()
        self._waiters: set[asyncio.Event] = set()
        self.station: dict[str, Any] | None = None
        self.frame_taken_s = -math.inf

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that the listeners live in."""
        self._loop = loop

    def close(self) -> None:
        """End the worker threads."""
        self._executor.shutdown(cancel_futures=True)

    # What follows is called from the reader's thread; the loop only ever sees whole values.

    def take(self, header: dict[str, Any], payload: bytearray) -> None:
        """Take a message of the acquisition."""
        match header["kind"]:
            case "frame":
                bits = header["bits"]
                pixels = np.frombuffer(payload, np.uint8 if bits == 8 else np.uint16).reshape(header["shape"])
                self.frame_taken_s = time.monotonic()
                self.frame = RawFrame(pixels, header["number"], header["utc_ms"], bits, header["shift"])
            case "state":
                self.state, self.station = header["state"], header["station"]
                told = {"type": "state", "state": self.state, "station": self.station}
                self.state_text = json.dumps(told)
                self.state_version += 1
            case "points":
                regions = [Region.model_validate(region) for region in header["regions"]]
                if header["dropped"]:
                    self._note("warning", f"{header['dropped']} points of the traces were not shown in time")
                self.history.append(regions, *points_of(header, payload))
            case "event":
                self._add_event({name: header[name] for name in ("utc_ms", "level", "text")})
            case "answer":
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._settle, header["ask"], header)
        self._wake()

    def _note(self, level: str, text: str) -> None:
        self._add_event({"utc_ms": time.time() * 1000, "level": level, "text": text})

    def _add_event(self, event: dict[str, Any]) -> None:
        with self._events_lock:
            self._events.append(event)
            self.event_count += 1

    def _wake(self) -> None:
        if self._loop is not None and not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake_listeners)

    # From here on: called in the loop.

    def _wake_listeners(self) -> None:
        self._woken = False
        for listener in (*self.listeners, *self._waiters):
            listener.set()

    def add_listener(self, listener: asyncio.Event, *, watches: bool = True) -> None:
        """Have an event set whenever something is new; frames come only while one ``watches``."""
        self.listeners.add(listener)
        if watches:
            self._watch(listener)

    def remove_listener(self, listener: asyncio.Event) -> None:
        """Have it set no more."""
        self.listeners.discard(listener)
        self._unwatch(listener)

    def _watch(self, listener: asyncio.Event) -> None:
        self._watchers.add(listener)
        if len(self._watchers) == 1:
            self._say_watched(watched=True)

    def _unwatch(self, listener: asyncio.Event) -> None:
        if listener in self._watchers:
            self._watchers.discard(listener)
            if not self._watchers:
                self._say_watched(watched=False)

    async def wait_for(self, holds: Callable[[], bool], timeout_s: float, *, watches: bool = False) -> bool:
        """Wait until something holds that the acquisition tells; whether it does."""
        news = asyncio.Event()
        self._waiters.add(news)
        if watches:
            self._watch(news)
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await news.wait()
                    news.clear()
        except TimeoutError:
            return holds()
        finally:
            self._waiters.discard(news)
            self._unwatch(news)
        return True

    def _say_watched(self, *, watched: bool) -> None:
        with contextlib.suppress(queue.Full):  # frames come in vain, or late: no reason to fail
            self._say({"watched": watched})

    def events_since(self, seen: int) -> tuple[list[dict[str, Any]], int]:
        """Return the events after the first ``seen``, as far as they are kept, and how many there are now."""
        with self._events_lock:
            new = min(self.event_count - seen, len(self._events))
            return list(self._events)[len(self._events) - new :], self.event_count

    async def encoded_frame(self) -> tuple[RawFrame, bytes] | None:
        """Return the newest frame and the message that shows it, made once for all pages."""
        async with self._encoding:
            frame = self.frame
            if frame is None:
                return None
            if self._encoded is None or self._encoded[0] is not frame:
                loop = asyncio.get_running_loop()
                self._encoded = (frame, await loop.run_in_executor(self._executor, encode_frame, frame))
            return self._encoded

    async def compute(self, work: Callable[[], _Result]) -> _Result:
        """Do work in one of the view's own threads."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def traces(self, window_s: int) -> bytes:
        """Return the message of the last seconds of traces (0: of all), made once for all pages."""
        entry = self._traces.setdefault(window_s, _Traces())
        async with entry.lock:
            now, version = time.monotonic(), self.history.version
            if entry.version != version and now - entry.made_s > TRACES_INTERVAL_S:
                entry.made_s, entry.version = now, version
                loop = asyncio.get_running_loop()
                entry.message = await loop.run_in_executor(self._executor, self._make_traces, window_s)
            return entry.message

    def _make_traces(self, window_s: int) -> bytes:
        shown = thin_out(*self.history.window(window_s or None))
        header = {
            "type": "traces",
            "window_s": window_s,
            "count": len(shown.utc_ms),
            "regions": [region.model_dump(mode="json") for region in shown.regions],
        }
        return binary_message(header, shown.utc_ms.tobytes(), shown.mean.tobytes(), shown.maximum.tobytes())

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the acquisition something and return its answer.

        Raises
        ------
        NoAnswerError
            It does not keep up, or has not answered in time.
        """
        name = f"{self._asker}-{next(self._asked)}"
        if len(self._questions) >= WAITING_COMMANDS:
            raise NoAnswerError("too many questions wait for the station's answers")
        answer = self._questions[name] = asyncio.get_running_loop().create_future()
        try:
            self._say({**question, "ask": name})
            async with asyncio.timeout(ANSWER_LIMIT_S):
                answered: dict[str, Any] = await answer
                return answered
        except queue.Full:
            raise NoAnswerError("the station does not keep up with what it is asked") from None
        except TimeoutError:
            raise NoAnswerError(
                f"the station has not answered in {ANSWER_LIMIT_S:g} s; ask again, with the same key"
            ) from None
        finally:
            del self._questions[name]

    def _settle(self, name: str, header: dict[str, Any]) -> None:
        answer = self._questions.get(name)
        if answer is not None and not answer.done():
            answer.set_result(header)

    async def command(self, command: Mapping[str, Any]) -> str | None:
        """Pass a command on, one at a time with a pause between two; return why it could not be, or None."""
        async with self._commands:
            # Before the next, not after this: a page that waits is not heard, not even that it has gone.
            await asyncio.sleep(self._next_command_s - time.monotonic())
            self._next_command_s = time.monotonic() + COMMAND_INTERVAL_S
            try:
                self._say(command)
            except queue.Full:
                return "the acquisition does not answer; the command was not passed on"
        return None
