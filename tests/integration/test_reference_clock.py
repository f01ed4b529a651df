"""The reference clock against a real server on this machine whose time and manners are scripted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.clocks.timing import HostClock
from rheed_acquire.streaming.http_session import HttpSession
from rheed_acquire.streaming.reference_clock import (
    SKIP_VARIABLE,
    ClockCorrection,
    ReferenceClock,
    corrected,
    is_disabled,
)
from rheed_acquire.streaming.time_exchange import Exchange, ExchangeError, choose_exchange, exchange_time

MS = 1_000_000


@dataclass
class TimeServer:
    """Answers ``/gateway/time``.

    What is scripted applies to the next answers, one each: a body, a status, a time ahead by so many ms (a
    float), or silence (None).
    """

    url: str = ""
    ahead_ms: int = 0
    before_s: float = 0.0
    after_s: float = 0.0
    script: list[bytes | int | float | None] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    silence: threading.Event = field(default_factory=threading.Event)


def answer(received: object, transmitted: object) -> bytes:
    return json.dumps({"receivedAtUnixMs": received, "transmittedAtUnixMs": transmitted}).encode()


@contextmanager
def serving() -> Iterator[TimeServer]:
    state = TimeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            time.sleep(state.before_s)
            status = 200
            now = time.time_ns() // MS + state.ahead_ms
            body = answer(now, now)
            if state.script:
                item = state.script.pop(0)
                if item is None:
                    state.silence.wait(20)
                    self.close_connection = True
                    return
                if isinstance(item, float):
                    body = answer(now + int(item), now + int(item))
                elif isinstance(item, int):
                    status = item
                else:
                    body = item
            time.sleep(state.after_s)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.silence.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[TimeServer]:
    with serving() as state:
        yield state


@contextmanager
def asking(server: TimeServer, **options: Any) -> Iterator[ReferenceClock]:
    clock = ReferenceClock(server.url, **{"host": HostClock(), "interval_s": 60.0, **options})
    clock.start()
    try:
        yield clock
    finally:
        clock.stop(10)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("ahead_ms", [0, 250, -3_600_000, 86_400_000])
def test_a_skewed_host_learns_its_offset_within_the_bound_that_it_names(
    server: TimeServer, ahead_ms: int
) -> None:
    server.ahead_ms = ahead_ms
    with asking(server) as clock:
        assert clock.wait_first(10)
        correction = clock.correction()
        status = clock.status()
    assert correction is not None
    assert abs(correction.offset_ms - ahead_ms) <= correction.uncertainty_ms + 1
    assert (status.synchronized, status.exchanges, status.failures) == (True, 5, 0)
    assert status.last_error is None
    assert status.age_s is not None


@pytest.mark.parametrize(("before_s", "after_s"), [(0.06, 0.0), (0.0, 0.06)])
def test_ways_of_unequal_length_bias_the_offset_no_more_than_half_the_round_trip(
    server: TimeServer, before_s: float, after_s: float
) -> None:
    server.before_s, server.after_s, server.ahead_ms = before_s, after_s, 5000
    with asking(server) as clock:
        assert clock.wait_first(10)
        correction = clock.correction()
    assert correction is not None
    assert correction.uncertainty_ms >= 30
    assert abs(correction.offset_ms - 5000) <= correction.uncertainty_ms + 1


def test_the_time_is_asked_for_without_a_key_and_past_all_caches(
    server: TimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AS_API_KEY", "secret")
    with asking(server) as clock:
        clock.wait_first(10)
    path, headers = server.requests[0]
    assert path == "/gateway/time"
    assert headers["cache-control"] == "no-store"
    assert not {"x-api-key", "authorization", "cookie"} & set(headers)
    assert "secret" not in str(headers)


NOW_MS = time.time_ns() // MS
NONSENSE = {
    "not JSON": b"<html>",
    "no object": b"[1, 2]",
    "a null": b"null",
    "nothing": b"",
    "a deep nest": b"[" * 4000,
    "a missing field": b'{"receivedAtUnixMs": 1800000000000}',
    "negative": answer(-5, -5),
    "zero": answer(0, 0),
    "seconds": answer(NOW_MS // 1000, NOW_MS // 1000),
    "huge": answer(10**30, 10**30),
    "too many digits": b'{"receivedAtUnixMs": ' + b"9" * 4000 + b', "transmittedAtUnixMs": 1}',
    "a fraction": answer(NOW_MS + 0.5, NOW_MS + 0.5),
    "a NaN": answer(float("nan"), float("nan")),
    "an infinity": answer(float("inf"), float("inf")),
    "a text": answer(str(NOW_MS), str(NOW_MS)),
    "a truth": answer(True, True),
    "transmitted before received": answer(NOW_MS, NOW_MS - 50),
    "held for longer than it took": answer(NOW_MS, NOW_MS + 60_000),
    "a megabyte": b" " * 1_000_000,
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused_and_counted_and_stamps_stay_uncorrected(server: TimeServer, body: bytes) -> None:
    server.script = [body] * 5
    with asking(server) as clock:
        assert not clock.wait_first(10)
        status = clock.status()
        assert clock.correction() is None
    assert not status.synchronized
    assert status.exchanges == 0
    assert status.failures >= 1
    assert status.last_error
    assert "Traceback" not in status.last_error


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_status_but_200_is_a_failure(server: TimeServer, status: int) -> None:
    server.script = [status]
    with HttpSession() as session, pytest.raises(ExchangeError, match=str(status)):
        exchange_time(session, server.url)


def test_one_liar_among_the_answers_of_a_burst_is_outvoted(server: TimeServer) -> None:
    lie = NOW_MS + 3_600_000
    server.script = [answer(lie, lie)]
    with asking(server) as clock:
        assert clock.wait_first(10)
        correction = clock.correction()
    assert correction is not None
    assert abs(correction.offset_ms) < 1000


def test_silence_neither_blocks_the_caller_nor_outlasts_the_time_out_and_is_tried_again(
    server: TimeServer,
) -> None:
    server.script = [None]
    with asking(server, timeout_s=0.2, interval_s=0.05) as clock:
        assert clock.correction() is None  # at once
        assert not clock.wait_first(10)
        until(lambda: clock.status().synchronized)
        assert clock.status().failures >= 1


def test_a_server_that_is_not_there_is_no_error() -> None:
    with serving() as gone:
        pass
    with asking(gone, interval_s=0.02) as clock:
        assert not clock.wait_first(10)
        until(lambda: clock.status().failures >= 3)
        assert "cannot be reached" in str(clock.status().last_error)
    assert not any(thread.name == "reference-clock" for thread in threading.enumerate())


def test_a_jump_of_the_server_is_believed_only_once_confirmed_and_forwards_taken_at_once(
    server: TimeServer,
) -> None:
    with asking(server, interval_s=0.05) as clock:
        assert clock.wait_first(10)
        server.script = [7_200_000.0] * 5  # one burst: not confirmed
        until(lambda: len(server.script) == 0 and clock.status().exchanges > 20)
        assert abs((clock.correction() or ClockCorrection(1e9, 0)).offset_ms) < 1000
        server.ahead_ms = 60_000
        until(lambda: (clock.correction() or ClockCorrection(0, 0)).offset_ms > 59_000)


def test_a_backward_jump_is_made_up_for_without_time_running_back_and_the_bound_says_so(
    server: TimeServer,
) -> None:
    host = HostClock()
    with asking(server, interval_s=0.05, host=host) as clock:
        assert clock.wait_first(10)
        server.ahead_ms = -60_000
        times: list[float] = []

        def look() -> bool:
            correction = clock.correction()
            assert correction is not None
            times.append(host.now_ns() / 1e6 + correction.offset_ms)
            return correction.uncertainty_ms > 50_000

        until(look)
        for _ in range(20):
            look()
            time.sleep(0.005)
    assert all(earlier <= later + 0.1 for earlier, later in pairwise(times))


def test_a_wall_clock_that_is_set_does_not_touch_the_correction_of_even_times(
    server: TimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ahead_ms = 40
    with asking(server) as clock:
        assert clock.wait_first(10)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 1000 * MS)
    even, wall = clock.correction(), clock.correction(wall=True)
    assert even is not None
    assert wall is not None
    assert even.offset_ms == pytest.approx(40, abs=1000)
    assert wall.offset_ms == pytest.approx(even.offset_ms - 3_600_000, abs=1000)


@pytest.mark.parametrize(("value", "skips"), [("", False), ("0", False), ("1", True), ("no", True)])
def test_a_variable_switches_it_off(
    server: TimeServer, monkeypatch: pytest.MonkeyPatch, value: str, skips: bool
) -> None:
    monkeypatch.setenv(SKIP_VARIABLE, value)
    assert is_disabled() is skips
    with asking(server) as clock:
        assert clock.wait_first(10) is not skips
        assert clock.status().synchronized is not skips
    assert bool(server.requests) is not skips


def test_it_can_be_stopped_started_again_and_stopped_twice(server: TimeServer) -> None:
    with asking(server) as clock:
        clock.wait_first(10)
        clock.stop()
        clock.stop()
        assert clock.correction() is not None
        asked = len(server.requests)
        clock.start()
        clock.start()
        until(lambda: len(server.requests) >= asked + 5)


@given(
    truth=st.integers(-(10**15), 10**15),
    honest=st.lists(st.tuples(st.integers(0, 10**9), st.floats(-1, 1)), min_size=2, max_size=6),
    lies=st.lists(st.integers(-(10**15), 10**15), max_size=1),
)
def test_what_a_majority_says_is_chosen_and_true_within_its_bound(
    truth: int, honest: list[tuple[int, float]], lies: list[int]
) -> None:
    exchanges = [Exchange(0, truth + int(error * part), error) for error, part in honest]
    chosen = choose_exchange([*exchanges, *(Exchange(0, lie, 0) for lie in lies)])
    assert chosen is not None
    assert abs(chosen.offset_ns - truth) <= chosen.error_ns or chosen.offset_ns in lies
    if not lies:
        assert chosen.error_ns == min(error for error, _ in honest)


def test_exchanges_that_contradict_one_another_choose_nothing() -> None:
    assert choose_exchange([]) is None
    assert choose_exchange([Exchange(0, 0, 5), Exchange(0, 1000, 5)]) is None


@given(
    start=st.floats(1.6e12, 2e12),
    offset=st.floats(-1e9, 1e9),
    bound=st.floats(0, 1e4),
    before=st.none() | st.integers(1_600_000_000_000, 2_000_000_000_000),
)
def test_the_recorded_offset_is_the_one_that_was_added(
    start: float, offset: float, bound: float, before: int | None
) -> None:
    stamp, named, uncertainty = corrected(start, ClockCorrection(offset, bound), before)
    assert named is not None
    assert uncertainty is not None
    assert stamp == max(round(start) + named, before or 0)
    assert abs(named - offset) + bound <= uncertainty + 1e-6
    assert corrected(start, None, before) == (max(round(start), before or 0), None, None)
