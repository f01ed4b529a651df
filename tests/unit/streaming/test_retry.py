"""What is worth another try, and when."""

from __future__ import annotations

import email.utils
import math
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rheed_acquire.streaming.retry import Backoff, is_transient, parse_retry_after

seconds = st.floats(0.001, 1e4)


@given(base_s=seconds, cap_s=seconds, attempt=st.integers(0, 10**6))
def test_a_wait_is_never_longer_than_its_ceiling(base_s: float, cap_s: float, attempt: int) -> None:
    delay_s = Backoff(base_s, cap_s).delay_s(attempt)
    assert 0 <= delay_s <= cap_s
    assert delay_s <= base_s * 2 ** min(attempt, 64)


@given(attempt=st.integers(0, 30), asked_s=st.floats(0, 3600))
def test_a_wait_is_never_shorter_than_the_server_asked_for(attempt: int, asked_s: float) -> None:
    assert Backoff(0.5, 30.0).delay_s(attempt, asked_s) >= asked_s


def test_waits_spread_over_all_of_their_range_which_grows() -> None:
    backoff = Backoff(1.0, 8.0)
    for attempt, ceiling in ((0, 1.0), (1, 2.0), (3, 8.0), (40, 8.0)):
        waits = [backoff.delay_s(attempt) for _ in range(400)]
        # The chance that 400 even draws leave a tenth at either end empty is 0.9**400, 5e-19.
        assert min(waits) < 0.1 * ceiling
        assert max(waits) > 0.9 * ceiling


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    assert is_transient(status, "")


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert not is_transient(status, "RequestTimeTooSkewed" if status == 400 else "RequestTimeout")


def test_a_body_that_stalled_on_its_way_to_s3_is_sent_again() -> None:
    assert is_transient(400, "<Error><Code>RequestTimeout</Code></Error>")


@given(asked=st.integers(0, 3600))
def test_seconds_to_wait_are_taken_as_they_stand(asked: int) -> None:
    assert parse_retry_after(str(asked)) == asked


def test_no_server_can_ask_for_more_than_an_hour_or_for_less_than_nothing() -> None:
    assert parse_retry_after("1000000000") == 3600
    assert parse_retry_after("inf") == 3600
    assert parse_retry_after("-5") == 0


@pytest.mark.parametrize("usegmt", [True, False])
def test_a_date_is_the_time_until_then_and_without_a_zone_it_is_utc(
    usegmt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hasattr(time, "tzset"):
        monkeypatch.setenv("TZ", "XYZ-9")
        time.tzset()
    try:
        date = email.utils.format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=usegmt)
        for spelling in (date, date.replace("GMT", "-0000").replace("+0000", "-0000")):
            wait_s = parse_retry_after(spelling)
            assert wait_s is not None
            assert 500 < wait_s <= 600
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()


def test_a_date_in_the_past_is_no_wait() -> None:
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@given(value=st.none() | st.text())
@example("nan")
@example("")
@example("soon")
@example("Wed, 21 Oct 2015 99999999999999999999:28:00 GMT")
@example("Wed, 21 Oct 2015 07:28:00 +9999999999999999")
@example("Mon, 01 Jan 0001 00:00:00 -0000")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_nonsense_is_no_wait_and_no_error(value: str | None) -> None:
    wait_s = parse_retry_after(value)
    assert wait_s is None or 0 <= wait_s <= 3600
    assert wait_s is None or not math.isnan(wait_s)
