"""The server's clock, and how far this computer's is from it.

It is asked in bursts (`rheed_acquire.streaming.time_exchange`). Nothing here changes the computer's own
clock.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rheed_acquire.clocks.timing import HostClock, Slew, process_clock
from rheed_acquire.streaming.http_session import HttpSession
from rheed_acquire.streaming.time_exchange import (
    TIMEOUT_S,
    Exchange,
    ExchangeError,
    choose_exchange,
    exchange_time,
)
from rheed_acquire.system.worker import Step, Worker

logger = logging.getLogger(__name__)

SKIP_VARIABLE = "ATOMSCALE_SKIP_CLOCK_SYNC"
INTERVAL_S = 60.0
BURST = 5
SLEW_PPM = 500.0
FAST_SLEW_PPM = 50_000.0
STEP_NS = 128_000_000
"""Above this a forward correction is made at once, as NTP does (RFC 5905 section 11.3)."""

_RETRY_S = 5.0
_KEPT_BURSTS = 16


@dataclass(frozen=True, slots=True)
class ClockCorrection:
    """What to add to a time of this computer's clock to have reference UTC.

    Attributes
    ----------
    offset_ms
        In milliseconds; positive where this computer's clock is late.
    uncertainty_ms
        Bound of its error: half the round trip, the stamps' resolution, drift since the exchange, and what
        a slew has still to go.
    """

    offset_ms: float
    uncertainty_ms: float


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """How the reference clock is doing.

    Attributes
    ----------
    synchronized
        Whether a correction is known.
    offset_ms, uncertainty_ms
        See `ClockCorrection`; None while none is known.
    age_s
        Seconds since the exchange that the correction rests on.
    exchanges, failures
        Answers that could be used, and attempts that gave none.
    last_error
        The latest failure in words; None after a success.
    """

    synchronized: bool
    offset_ms: float | None
    uncertainty_ms: float | None
    age_s: float | None
    exchanges: int
    failures: int
    last_error: str | None


def is_disabled(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user wants no exchanges: ``ATOMSCALE_SKIP_CLOCK_SYNC`` set to anything but empty or 0."""
    return (os.environ if environ is None else environ).get(SKIP_VARIABLE, "") not in ("", "0")


def corrected(
    start_ms: float, correction: ClockCorrection | None, not_before_ms: int | None = None
) -> tuple[int, int | None, float | None]:
    """Correct a stamp the way it is recorded: the offset that is named is exactly the one that was added.

    Parameters
    ----------
    start_ms
        By this computer's clock, in milliseconds since 1970.
    correction
        None leaves the stamp as it is.
    not_before_ms
        The corrected stamp of the stream's chunk before, if any.

    Returns
    -------
    tuple
        Whole milliseconds since 1970; the whole offset in milliseconds and the bound of its error to 0.1 ms,
        both None where nothing was corrected.
    """
    offset = None if correction is None else round(correction.offset_ms)
    stamp = round(start_ms) + (offset or 0)
    if not_before_ms is not None:
        stamp = max(stamp, not_before_ms)
    if correction is None or offset is None:
        return stamp, None, None
    bound = correction.uncertainty_ms + abs(correction.offset_ms - offset)
    return stamp, offset, math.ceil(bound * 10) / 10


class ReferenceClock:
    """Asks the server for the time in the background, and corrects this computer's times by it.

    The first burst sets the correction at once. Later ones move it at 500 ppm, so that times keep their
    order and nearly their spacing; an error above 128 ms is stepped over forwards, and made up for at 5 % of
    the pace backwards. A burst that contradicts what is known has to be confirmed by a second one. All is
    measured against ``perf_counter_ns``: setting the computer's clock in the middle disturbs nothing.

    Parameters
    ----------
    endpoint
        The API's base URL.
    interval_s
        Seconds between bursts.
    open_http
        Makes the connections of a burst.
    host
        Whose times `correction` is for.
    timeout_s
        How long one exchange may take.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        interval_s: float = INTERVAL_S,
        open_http: Callable[[], HttpSession] = HttpSession,
        host: HostClock | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._interval_s, self._timeout_s = interval_s, timeout_s
        self._open_http = open_http
        self._host = host or process_clock()
        self._lock = threading.Lock()
        self._kept: deque[Exchange] = deque(maxlen=_KEPT_BURSTS)
        self._basis: Exchange | None = None
        self._doubted: Exchange | None = None
        self._slew: Slew | None = None
        self._exchanges = self._failures = 0
        self._last_error: str | None = None
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Begin in the background; does nothing where it runs already, or the user wants none."""
        if self._worker is not None:
            return
        if is_disabled():
            self._last_error = f"switched off by {SKIP_VARIABLE}"
            self._tried.set()
            return
        self._stop = threading.Event()
        self._worker = Worker("reference-clock", self._bursts(self._stop), self._stop)
        self._worker.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the exchanges, leaving a pending one to its time-out; the correction stays."""
        worker, self._worker = self._worker, None
        self._stop.set()
        if worker is not None:
            worker.join(timeout_s)

    def wait_first(self, timeout_s: float) -> bool:
        """Wait until the first burst is over, well or not; whether a correction is known."""
        self._tried.wait(timeout_s)
        return self._slew is not None

    def correction(self, at_ms: float | None = None, *, wall: bool = False) -> ClockCorrection | None:
        """How to correct a time; None while nothing is known. Never waits for the network.

        Parameters
        ----------
        at_ms
            The time to be corrected, in milliseconds since 1970; now by default.
        wall
            Whether it is by ``time.time()``, steps and all, instead of by the `HostClock`.
        """
        now = time.perf_counter_ns()
        base = (time.time_ns() if wall else self._host.utc_ns(now)) - now
        at = now if at_ms is None else min(now, round(at_ms * 1e6) - base)
        with self._lock:
            slew, basis = self._slew, self._basis
        if slew is None or basis is None:
            return None
        offset = slew.at(at)
        error = basis.error_at(now) + abs(basis.offset_ns - offset)
        return ClockCorrection((offset - base) / 1e6, error / 1e6)

    def status(self) -> ClockStatus:
        """How it is doing now."""
        correction = self.correction()
        with self._lock:
            basis = self._basis
            return ClockStatus(
                synchronized=correction is not None,
                offset_ms=None if correction is None else correction.offset_ms,
                uncertainty_ms=None if correction is None else correction.uncertainty_ms,
                age_s=None if basis is None else (time.perf_counter_ns() - basis.host_ns) / 1e9,
                exchanges=self._exchanges,
                failures=self._failures,
                last_error=self._last_error,
            )

    def _bursts(self, stop: threading.Event) -> Step:
        """Make a step that asks for the time once, and says when it is to be asked for again."""
        retry_s = next_s = min(_RETRY_S, self._interval_s)

        def burst() -> float | None:
            nonlocal next_s
            if stop.is_set():
                return None
            pause_s, next_s = next_s, min(2 * next_s, self._interval_s)
            settled = False
            try:
                settled = self._adopt(self._burst(stop))
            except Exception as error:
                logger.debug("the reference clock stumbled", exc_info=True)
                self._fail(f"the time could not be asked for ({type(error).__name__})")
            finally:
                self._tried.set()
            if not settled:
                return pause_s
            next_s = retry_s
            return self._interval_s

        return burst

    def _burst(self, stop: threading.Event) -> list[Exchange]:
        exchanges: list[Exchange] = []
        # One connection for all: only the first exchange bears the delay of making it.
        with self._open_http() as session:
            for _ in range(BURST):
                if stop.is_set():
                    break
                try:
                    exchanges.append(exchange_time(session, self._endpoint, self._timeout_s))
                except ExchangeError as error:
                    self._fail(str(error))
                    if not error.answered:
                        break
                else:
                    with self._lock:
                        self._exchanges += 1
        return exchanges

    def _fail(self, reason: str) -> None:
        with self._lock:
            self._failures += 1
            if self._last_error != reason:
                logger.info("no reference time: %s", reason)
            self._last_error = reason

    def _adopt(self, exchanges: Sequence[Exchange]) -> bool:
        """Use a burst; whether the clock is content until the next one is due."""
        best = choose_exchange(exchanges)
        if best is None:
            if exchanges:
                self._fail("the server's times contradict one another")
            return False
        now = time.perf_counter_ns()
        with self._lock:
            if self._basis is not None and not best.agrees_with(self._basis):
                if self._doubted is None or not best.agrees_with(self._doubted):
                    self._doubted = best
                    self._last_error = "the server's time has jumped; waiting for it to be confirmed"
                    return False
                self._kept.clear()
            self._doubted = None
            self._last_error = None
            self._kept.append(best)
            self._basis = min(self._kept, key=lambda e: e.error_at(now))
            self._aim(self._basis.offset_ns, now)
        return True

    def _aim(self, target: int, now: int) -> None:
        if self._slew is None:
            self._slew = Slew(now, target, target, 0.0)
            return
        present = self._slew.at(now)
        if target - present > STEP_NS:
            present = target
        fast = present - target > STEP_NS
        self._slew = Slew(now, present, target, FAST_SLEW_PPM if fast else SLEW_PPM)
