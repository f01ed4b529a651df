"""The station's interface as anybody meets it who knocks: what it lets through, and what it turns away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.integration.view.answering_view import JSON, RUN, AnsweringView

from rheed_acquire.view.interface import ASKED_HEADER, LONGEST_BODY, StationState
from rheed_acquire.view.server.asked_at import LONGEST_WAY_S


@pytest.fixture(scope="module")
def view() -> Iterator[AnsweringView]:
    view = AnsweringView()
    yield view
    view.process.stop()


PATHS = ["/state", "/start", "/stop", "/runs/1", "/marks", "/regions", "/frame.png", "/traces", "/events"]


@pytest.mark.parametrize("target", [*PATHS, "/openapi.json", "/nothing"])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_the_interface_says_nothing(
    view: AnsweringView, target: str, token: str | None
) -> None:
    before = len(view.asked)
    for method in ("GET", "POST"):
        status, _, body = view.knock(target, method, headers=JSON, token=token)
        assert status == 401
        assert b"token" in body
    assert len(view.asked) == before


@pytest.mark.parametrize("target", ["/start", "/stop", "/marks"])
@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ("Origin: http://evil.example\r\n", None, 403),
        ("Origin: null\r\n", None, 403),
        ("Origin: https://127.0.0.1:1\r\n", None, 403),
        ("", "evil.example", 421),
        ("", "evil.example:80", 421),
        ("", "127.0.0.1.evil.example", 421),
    ],
)
def test_another_sites_page_and_a_rebound_name_change_nothing_even_with_the_token(
    view: AnsweringView, target: str, headers: str, host: str | None, status: int
) -> None:
    before = len(view.asked)
    assert view.knock(target, "POST", b"{}", headers + JSON, host=host)[0] == status
    assert len(view.asked) == before


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_what_a_form_can_send_is_no_request(view: AnsweringView, media_type: str) -> None:
    headers = f"Content-Type: {media_type}\r\n" if media_type else ""
    status, problem = view.post("/stop", {}, headers)
    assert (status, problem["code"]) == (415, "unsupported-type")


def test_nothing_at_all_is_a_request_that_leaves_everything_out(view: AnsweringView) -> None:
    assert view.post("/stop", b"", "")[0] == 202
    status, problem = view.post("/stop", b"", "Content-Type: application/x-www-form-urlencoded\r\n")
    assert (status, problem["code"]) == (415, "unsupported-type")


@pytest.mark.parametrize(
    ("target", "body", "said"),
    [
        ("/start", b"{", "JSON"),
        ("/start", b"[" * 5000, "JSON"),
        ("/start", b"\xff\xfe", "JSON"),
        ("/start", b"[]", ""),
        ("/start", {"stream": "x"}, "stream"),
        ("/start", {"stream_name": "x" * 201}, "stream_name"),
        ("/start", {"frames": 0}, "frames"),
        ("/start", {"frames": 1.5}, "frames"),
        ("/start", {"duration": -1}, "duration"),
        ("/start", {"rotations_per_min": -1}, "rotations_per_min"),
        ("/start", b'{"duration": NaN}', "duration"),
        ("/start", b'{"duration": 1e999}', "duration"),
        ("/start", {"tags": ["a"] * 65}, "tags"),
        ("/start", {"notes": "x" * 10_001}, "notes"),
        ("/start", {"wait_s": 61}, "wait_s"),
        ("/start", {"archive": "/etc"}, "archive"),
        ("/stop", {"run": 5}, "run"),
        ("/marks", {}, "text"),
        ("/marks", {"text": "  "}, "text"),
        ("/marks", {"text": "x" * 501}, "text"),
        ("/marks", b'{"text": "a", "value": Infinity}', "value"),
        ("/marks", {"text": "a", "unit": "x" * 41}, "unit"),
        ("/marks", {"text": "a", "time_unix_ms": "now"}, "time_unix_ms"),
        ("/channels", {}, "readings"),
        ("/channels", {"readings": []}, "readings"),
        ("/channels", {"readings": [{"channel": "T", "value": 1}] * 501}, "readings"),
        ("/channels", {"readings": [{"channel": " ", "value": 1}]}, "readings.0.channel"),
        ("/channels", {"readings": [{"channel": "frames", "value": 1}]}, "readings.0.channel"),
        ("/channels", {"readings": [{"channel": "T"}]}, "readings.0.value"),
        ("/channels", b'{"readings": [{"channel": "T", "value": NaN}]}', "readings.0.value"),
        ("/channels", {"readings": [{"channel": "T", "value": 1, "unit": "x" * 41}]}, "unit"),
        ("/channels", {"readings": [{"channel": "T", "value": 1, "time": 1}]}, "time"),
    ],
)
def test_a_body_that_is_not_as_documented_is_refused_with_its_place(
    view: AnsweringView, target: str, body: Any, said: str
) -> None:
    before = len(view.asked)
    status, problem = view.post(target, body)
    assert (status, problem["code"]) == (422, "invalid")
    assert said.lower() in problem["error"].lower()
    assert len(view.asked) == before


def test_a_body_that_is_too_large_is_refused_and_not_waited_for(view: AnsweringView) -> None:
    status, problem = view.post("/marks", b"", length=10**9)
    assert (status, problem["code"]) == (413, "too-large")
    size = LONGEST_BODY + 1000
    chunked = f"{JSON}Transfer-Encoding: chunked\r\n"
    body = f"{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n"
    status, problem = view.post("/marks", body, chunked, length=-1)
    assert (status, problem["code"]) == (413, "too-large")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "\x80"])
def test_an_idempotency_key_that_is_none_is_refused(view: AnsweringView, key: str) -> None:
    status, problem = view.post("/stop", {}, f"{JSON}Idempotency-Key: {key}\r\n")
    assert (status, problem["code"]) == (422, "invalid")


def test_a_request_reaches_the_acquisition_as_it_was_checked(view: AnsweringView) -> None:
    sent_ns = time.perf_counter_ns()
    status, body = view.post(
        "/marks", {"text": " shutter open ", "value": 3}, f"{JSON}Idempotency-Key: k1\r\n"
    )
    answered_ns = time.perf_counter_ns()
    assert (status, body) == (202, RUN)
    asked = view.asked[-1]
    assert (asked["do"], asked["text"], asked["value"], asked["key"]) == ("mark", "shutter open", 3.0, "k1")
    # The arrival is read from the clock that all processes of a computer have in common.
    assert sent_ns <= asked["at_ns"] <= answered_ns
    assert asked["origin"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/start", {}),
        ("/marks", {"text": "shutter open"}),
        ("/channels", {"readings": [{"channel": "flux", "value": 1}]}),
    ],
)
@given(
    ago_s=st.one_of(st.floats(0, LONGEST_WAY_S - 60), st.floats(-1e4, -1e-3), st.floats(LONGEST_WAY_S, 1e6))
)
@settings(max_examples=12, deadline=None)
def test_a_client_of_the_same_computer_says_when_it_asked(
    view: AnsweringView, target: str, body: dict[str, Any], ago_s: float
) -> None:
    before_ns = time.perf_counter_ns()
    said_ns = before_ns - round(ago_s * 1e9)
    assume(said_ns >= 0)
    status, _ = view.post(target, body, f"{JSON}{ASKED_HEADER}: {said_ns}\r\n")
    after_ns = time.perf_counter_ns()
    assert status < 300
    at_ns = view.asked[-1]["at_ns"]
    # What cannot be, or is of another computer's clock, is when the request arrived.
    assert at_ns == said_ns or (not 0 <= ago_s < LONGEST_WAY_S and before_ns <= at_ns <= after_ns)


@pytest.mark.parametrize("said", ["-1", "1.5", "now", "", "\u0661", "1" * 21])
def test_a_time_that_is_none_is_refused(view: AnsweringView, said: str) -> None:
    raw = said.encode("utf-8").decode("latin-1")
    status, problem = view.post("/marks", {"text": "x"}, f"{JSON}{ASKED_HEADER}: {raw}\r\n")
    assert (status, problem["code"]) == (422, "invalid")
    assert ASKED_HEADER in problem["error"]


def test_what_there_is_not_is_told_as_everything_else(view: AnsweringView) -> None:
    for target, method, status in (
        ("/nothing", "GET", 404),
        ("/state", "DELETE", 405),
        ("/start", "GET", 405),
    ):
        found, _, body = view.knock(target, method)
        assert found == status
        assert json.loads(body)["code"] in ("not-found", "not-allowed")


def test_the_token_in_the_url_opens_it_too(view: AnsweringView) -> None:
    status, _, body = view.knock(f"/state?token={view.token}", token=None)
    assert status == 200
    assert StationState.model_validate_json(body).camera.name == "one"
