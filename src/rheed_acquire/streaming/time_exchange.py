"""One exchange of stamps with the server, and which of several to believe.

Each exchange has four stamps, as in NTP (RFC 5905 section 8): sent and answered by this computer's steady
counter, received and transmitted by the server's clock. The offset is the mean of the two one-way
differences; what the two ways differ by is unknown, so the error is at most half the round trip. Of the
exchanges of a burst those are taken that agree with most others (K. Marzullo, S. Owicki, "Maintaining the
Time in a Distributed System", PODC 1983), and of these the one with the least delay.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.http_session import HttpSession
from rheed_acquire.streaming.transport_errors import NoAnswerError

TIME_PATH = "/gateway/time"
TIMEOUT_S = 5.0
DRIFT = 50e-6
"""What two clocks may drift apart, as a fraction: undisciplined counters of good computers keep within it."""

_ANSWER_BYTES = 4096
_YEAR_2020_MS, _YEAR_2100_MS = 1_577_836_800_000, 4_102_444_800_000
# The server's stamps are whole milliseconds, rounded or cut.
_RESOLUTION_NS = 1_000_000


class ExchangeError(StreamerError):
    """An exchange gave no usable time; ``answered`` tells whether another try in the burst makes sense."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Exchange:
    """At ``host_ns`` of ``perf_counter_ns`` the reference was ``offset_ns`` ahead of it, +- ``error_ns``."""

    host_ns: int
    offset_ns: int
    error_ns: int

    def error_at(self, host_ns: int) -> int:
        """Bound of the error at another moment."""
        return self.error_ns + round(abs(host_ns - self.host_ns) * DRIFT)

    def agrees_with(self, other: Exchange) -> bool:
        """Whether both can be right."""
        later = max(self.host_ns, other.host_ns)
        return abs(self.offset_ns - other.offset_ns) <= self.error_at(later) + other.error_at(later)


def exchange_time(session: HttpSession, endpoint: str, timeout_s: float = TIMEOUT_S) -> Exchange:
    """Ask the server once what time it is.

    Raises
    ------
    ExchangeError
        No answer, or one that cannot be true.
    """
    # No key: the time is no secret, and the protocol keeps keys out of this call.
    headers = {"Cache-Control": "no-store"}
    sent = time.perf_counter_ns()
    try:
        answer = session.request(
            "GET", endpoint + TIME_PATH, within_s=timeout_s, headers=headers, at_most=_ANSWER_BYTES
        )
    except NoAnswerError as error:
        raise ExchangeError(f"{TIME_PATH} cannot be reached: {error}", answered=False) from None
    if answer.is_page:
        raise ExchangeError(
            f"something between this computer and the server answered {TIME_PATH} with a web page "
            f"(HTTP {answer.status}): a captive portal or proxy",
            answered=False,
        )
    if answer.status != 200:
        raise ExchangeError(f"{TIME_PATH} answers HTTP {answer.status}", answered=True)
    return _read_answer(answer.body, sent, answer.came_ns)


def _read_answer(body: bytes, sent: int, came: int) -> Exchange:
    try:
        answer: Any = json.loads(body)
        received, transmitted = answer["receivedAtUnixMs"], answer["transmittedAtUnixMs"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ExchangeError(f"{TIME_PATH} gives an answer that is not Atomscale's", answered=True) from None
    round_trip = came - sent
    for value in (received, transmitted):
        if type(value) is not int or not _YEAR_2020_MS <= value <= _YEAR_2100_MS:
            raise ExchangeError(f"{TIME_PATH} gives a time that cannot be true", answered=True)
    held = (transmitted - received) * 1_000_000
    if not 0 <= held <= round_trip + _RESOLUTION_NS:
        raise ExchangeError(f"{TIME_PATH} gives two times that contradict each other", answered=True)
    offset = ((received + transmitted) * 1_000_000 - sent - came) // 2
    error = max(round_trip - held, 0) // 2 + _RESOLUTION_NS
    return Exchange((sent + came) // 2, offset, error)


def choose_exchange(exchanges: Sequence[Exchange]) -> Exchange | None:
    """Choose the least delayed of those that agree with one another; None where no majority does.

    The true offset is taken to lie where as many of their intervals as possible overlap (Marzullo).
    """
    best: list[Exchange] = []
    for edge in exchanges:
        # The most intervals overlap at the lower end of one of them.
        low = edge.offset_ns - edge.error_ns
        around = [e for e in exchanges if abs(e.offset_ns - low) <= e.error_ns]
        if len(around) > len(best):
            best = around
    if 2 * len(best) <= len(exchanges):
        return None
    return min(best, key=lambda e: e.error_ns)
