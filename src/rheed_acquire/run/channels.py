"""All channels of a command: those that plugins read, each in a thread, and those that clients send.

They are read from the command's beginning to its end, also in a preview; a run takes what comes while it
records.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rheed_acquire.channels.channel import ChannelError, Reading
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.host.guard.channels import GuardedChannel
from rheed_acquire.run.readings import RunReadings
from rheed_acquire.system.priority import make_way

logger = logging.getLogger(__name__)

MOST_CHANNELS = 64
HANG_S = 10.0
"""After so long in ``read`` a channel hangs; it is waited for all the same."""
RETRY_S = 1.0
"""How soon a channel that failed is asked again, at the soonest."""
CLOSE_S = 3.0
"""How long the command's end waits for all that are read just now."""
RECENT = 4_096
"""Readings of each channel that are at hand."""


class SentReadingError(RheedAcquireError):
    """A reading that was sent cannot be taken; the message says why."""


@dataclass(slots=True, eq=False)
class ChannelState:
    """A channel, and what it said last.

    Attributes
    ----------
    trouble
        Why it could not be read when it was asked last; None where it could.
    recent
        The latest `RECENT` readings, each with its time.
    """

    name: str
    unit: str | None
    is_sent: bool
    trouble: str | None = None
    recent: deque[Reading] = field(default_factory=lambda: deque(maxlen=RECENT))


class Channels:
    """Reads the channels of plugins, and takes those that are sent. Any thread may use it.

    Parameters
    ----------
    channels
        What plugins have opened. Of several with one name the first is read.
    failures
        What could not be opened: who, and why.
    """

    def __init__(
        self, channels: Iterable[GuardedChannel] = (), failures: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, ChannelState] = {}
        self._failures = list(failures)
        self._pollers: list[_Poller] = []
        self._runs: list[RunReadings] = []
        for channel in channels:
            if channel.name in self._states or len(self._states) >= MOST_CHANNELS:
                why = f"there is another channel {channel.name!r}; this one is left out"
                if channel.name not in self._states:
                    why = f"there are {MOST_CHANNELS} channels already; {channel.name!r} is left out"
                self._failures.append((channel.who, why))
                continue
            self._states[channel.name] = ChannelState(channel.name, channel.unit, is_sent=False)
            self._pollers.append(_Poller(channel, self))

    def begin(self) -> None:
        """Read from now on."""
        for poller in self._pollers:
            poller.start()

    def close(self) -> None:
        """Read no more; what hangs is left behind."""
        for poller in self._pollers:
            poller.stop()
        ends_s = time.monotonic() + CLOSE_S
        for poller in self._pollers:
            poller.join(max(0.0, ends_s - time.monotonic()))

    def of_run(self) -> RunReadings:
        """Make what takes the readings of one run, once that has begun."""
        run = RunReadings(self._look)
        with self._lock:
            self._runs = [one for one in self._runs if not one.is_closed]
            self._runs.append(run)
        return run

    @property
    def states(self) -> list[ChannelState]:
        """Each channel with what it said last, a copy."""
        with self._lock:
            hanging = {poller.channel.name: poller.hangs for poller in self._pollers}
            return [
                ChannelState(
                    one.name, one.unit, one.is_sent, hanging.get(one.name) or one.trouble, one.recent.copy()
                )
                for one in self._states.values()
            ]

    def take_sent(self, name: str, unit: str | None, readings: Sequence[Reading]) -> None:
        """Take readings that a client has sent, each with its time.

        Raises
        ------
        SentReadingError
            The channel is one that a plugin reads, has another unit, or is one too many.
        """
        with self._lock:
            state = self._states.get(name)
            if state is None:
                if len(self._states) >= MOST_CHANNELS:
                    raise SentReadingError(f"there are {MOST_CHANNELS} channels, and no more are taken")
                state = self._states[name] = ChannelState(name, unit, is_sent=True)
            if not state.is_sent:
                raise SentReadingError(f"channel {name!r} is read by the station itself")
            if unit is not None and state.unit is not None and unit != state.unit:
                raise SentReadingError(f"channel {name!r} is in {state.unit}, not in {unit}")
            state.unit = state.unit or unit
        self.take(name, readings)

    def take(self, name: str, readings: Sequence[Reading]) -> None:
        """Hand on what a channel has read, each with its time."""
        with self._lock:
            state = self._states[name]
            state.trouble = None
            state.recent.extend(readings)
            runs, unit = list(self._runs), state.unit
        for run in runs:
            run.add(name, unit, readings)

    def fail(self, channel: GuardedChannel, why: str) -> None:
        """Note that a channel could not be read."""
        with self._lock:
            state = self._states[channel.name]
            is_new = state.trouble is None
            state.trouble = why
            runs = list(self._runs)
        if is_new:
            logger.info("%s, of %s, cannot be read: %s", channel.name, channel.who, why)
        for run in runs:
            run.fail(channel.name, channel.unit, channel.who, why)

    def _look(self, run: RunReadings) -> None:
        """Tell a run of what hangs or has failed before it, and of what could not even be opened."""
        for poller in self._pollers:
            why = poller.hangs or self._states[poller.channel.name].trouble
            if why is not None:
                run.miss(poller.channel.name, poller.channel.unit, poller.channel.who, why)
        for who, why in self._failures:
            run.note(who, why)


class _Poller:
    """The thread of one channel."""

    def __init__(self, channel: GuardedChannel, channels: Channels) -> None:
        self.channel, self._channels = channel, channels
        self._ends = threading.Event()
        self._called_s: float | None = None
        self._thread = threading.Thread(target=self._poll, name=f"channel-{channel.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()

    def join(self, timeout_s: float) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def hangs(self) -> str | None:
        """Why nothing comes, where ``read`` has not returned for long."""
        called_s = self._called_s
        if called_s is None or time.monotonic() - called_s < HANG_S:
            return None
        return f"it has not returned from read for more than {HANG_S:g} s"

    def _poll(self) -> None:
        make_way()
        clock = process_clock()
        period_s = 1 / self.channel.rate_hz
        due_s = time.monotonic()
        while not self._ends.is_set():
            self._called_s = time.monotonic()
            try:
                readings = self.channel.read(clock.now_ns() / 1e6)
            except ChannelError as error:
                self._called_s = None
                self._channels.fail(self.channel, str(error))
                due_s = max(due_s, time.monotonic() + RETRY_S - period_s)
            else:
                self._called_s = None
                if readings:
                    now_ms = round(clock.now_ns() / 1e6, 4)
                    self._channels.take(self.channel.name, [_dated(reading, now_ms) for reading in readings])
            due_s = max(due_s + period_s, time.monotonic())
            self._ends.wait(due_s - time.monotonic())
        self.channel.close()


def _dated(reading: Reading, now_ms: float) -> Reading:
    return reading if reading.time_unix_ms is not None else Reading(reading.value, now_ms)
