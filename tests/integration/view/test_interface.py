"""The station's interface as anybody meets it who knocks: what it lets through, and what it turns away."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.regions.regions import Region
from rheed_acquire.view.interface import ASKED_HEADER, LONGEST_BODY, PREFIX, StationState, Traces
from rheed_acquire.view.process import ViewProcess
from rheed_acquire.view.server.asked_at import LONGEST_WAY_S
from rheed_acquire.view.server.event_client import MOST_CLIENTS
from rheed_acquire.view.server.limits import MOST_ASKED_AT_ONCE, MOST_COMMANDS_AT_ONCE

STATE = {"software": "rheed-acquire 0", "phase": "preview", "camera": {"name": "one"}}
JSON = "Content-Type: application/json\r\n"
RUN = {"run": "r1", "phase": "recording"}


class AnsweringView:
    """A view whose acquisition grants everything, and notes it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: list[dict[str, Any]] = []
        self.process = ViewProcess(host, on_command=self._take)
        self.process.start()
        self.process.show_state({}, STATE)
        url, token = self.process.access
        self.port, self.token = int(url.rpartition(":")[2]), token.get_secret_value()

    def _take(self, command: dict[str, Any]) -> None:
        self.asked.append(command)
        if "ask" in command:
            self.process.answer(command["ask"], 202, RUN)

    def knock(
        self,
        target: str,
        method: str = "GET",
        body: bytes = b"",
        headers: str = "",
        *,
        token: str | None = "",
        host: str | None = None,
        length: int | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Say it over a socket as it stands."""
        shown = self.token if token == "" else token
        lines = f"{method} {PREFIX}{target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{self.port}'}\r\n{headers}"
        if shown is not None:
            lines += f"Authorization: Bearer {shown}\r\n"
        if method != "GET" and length != -1:
            lines += f"Content-Length: {len(body) if length is None else length}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            connection.sendall(f"{lines}\r\n".encode("latin-1") + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()

    def post(self, target: str, body: Any, headers: str = JSON, **more: Any) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, text = self.knock(target, more.pop("method", "POST"), raw, headers, **more)
        return status, json.loads(text)


@pytest.fixture(scope="module")
def view() -> Iterator[AnsweringView]:
    view = AnsweringView()
    yield view
    view.process.stop()


@pytest.fixture
def own_view() -> Iterator[AnsweringView]:
    """For what uses up the allowance of a view, or fills it."""
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


def answers_at_once(view: AnsweringView, request: bytes, count: int) -> set[tuple[int, str | None]]:
    """Send a request by so many connections before the first answer is read; each status and Retry-After."""
    answers = set()
    with ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", view.port), 60)) for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            response = http.client.HTTPResponse(connection)
            response.begin()
            answers.add((response.status, response.getheader("Retry-After")))
    return answers


def test_more_requests_at_once_than_are_allowed_are_told_to_come_later_and_pages_go_on(
    own_view: AnsweringView,
) -> None:
    view = own_view
    lines = (
        f"POST {PREFIX}/marks HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n{JSON}Content-Length: 2\r\n\r\n{{}}"
    ).encode()
    answers: set[tuple[int, str | None]] = set()
    with connect(f"ws://127.0.0.1:{view.port}/live?token={view.token}") as page:
        # A computer that is slow enough answers some hundreds without ever having too many at a time.
        for _ in range(10):
            answers |= answers_at_once(view, lines, round(2.4 * MOST_COMMANDS_AT_ONCE))
            if len(answers) > 1:
                break
        assert answers == {(422, None), (429, "1")}
        page.send(json.dumps({"do": "regions", "regions": []}))
        assert page.recv(20)


def test_whoever_asks_too_often_keeps_no_mark_out(own_view: AnsweringView) -> None:
    view = own_view
    lines = (
        f"GET {PREFIX}/regions HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n\r\n"
    ).encode()
    answers: set[tuple[int, str | None]] = set()
    for _ in range(10):  # see above
        answers |= answers_at_once(view, lines, round(1.2 * MOST_ASKED_AT_ONCE))
        if len(answers) > 1:
            break
    assert answers == {(200, None), (429, "1")}
    assert view.post("/marks", {"text": "shutter open"})[0] == 202


def test_the_newest_frame_comes_as_png_of_8_and_16_bits(own_view: AnsweringView) -> None:
    view = own_view
    levels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    with ExitStack() as stack:
        page = stack.enter_context(connect(f"ws://127.0.0.1:{view.port}/live?token={view.token}"))
        assert page.recv(20)  # so that frames are sent on
        form = FrameForm(48, 64, "Mono12", None)
        for bits, expected in ((16, levels), (8, (levels >> 4).astype(np.uint8))):
            view.process.show_frame(levels, 7, 1234.5, form)
            status, headers, body = view.knock(f"/frame.png?bits={bits}")
            while status == 503:  # it came more than a moment before it was asked for
                view.process.show_frame(levels, 7, 1234.5, form)
                status, headers, body = view.knock(f"/frame.png?bits={bits}")
            assert (status, headers["content-type"]) == (200, "image/png")
            assert (headers["x-frame-number"], headers["x-frame-time-unix-ms"]) == ("7", "1234.5000")
            assert headers["x-frame-top"] == ("4095" if bits == 16 else "255")
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), expected)
    assert view.knock("/frame.png?bits=12")[0] == 422


def test_traces_come_since_a_time_with_the_growth_rate(own_view: AnsweringView) -> None:
    view = own_view
    region = Region(name="spot", x=1, y=1, width=3, height=3)
    utc_ms = 1e12 + 20.0 * np.arange(900, dtype=np.float64)
    mean = (100 + 20 * np.sin(2 * np.pi * (utc_ms - 1e12) / 2000)).astype(np.float32)
    view.process.add_points(utc_ms, mean[None], np.full((1, 900), 200, np.uint16), [region])
    traces = Traces(time_unix_ms=(), traces=())
    deadline = time.monotonic() + 30
    while not traces.traces and time.monotonic() < deadline:
        traces = Traces.model_validate_json(view.knock("/traces")[2])
    (trace,) = traces.traces
    assert traces.time_unix_ms == pytest.approx(utc_ms)
    assert trace.mean == pytest.approx(mean, abs=1e-3)
    assert trace.region == region
    assert trace.oscillation is not None
    assert trace.oscillation.growth_rate == pytest.approx(0.5, rel=0.02)
    later = Traces.model_validate_json(view.knock(f"/traces?since={utc_ms[-10]}")[2])
    assert later.time_unix_ms == pytest.approx(utc_ms[-9:])
    for nonsense in ("nan", "inf", "yesterday"):
        assert view.knock(f"/traces?since={nonsense}")[0] == 422


def events_of(view: AnsweringView, **options: Any) -> Any:
    return connect(f"ws://127.0.0.1:{view.port}{PREFIX}/events?token={view.token}", **options)


def test_events_tell_each_new_state_and_line(own_view: AnsweringView) -> None:
    view = own_view
    with events_of(view) as events:
        first = json.loads(events.recv(20))
        assert first["type"] == "state"
        assert StationState.model_validate(first["state"]).phase == "preview"
        events.send("what it sends is let go")
        view.process.add_event(5.0, "info", "shutter open")
        view.process.show_state({}, {**STATE, "phase": "recording"})
        told = [json.loads(events.recv(20)) for _ in range(2)]
    assert {"type": "event", "event": {"utc_ms": 5.0, "level": "info", "text": "shutter open"}} in told
    assert "recording" in [message["state"]["phase"] for message in told if message["type"] == "state"]
    # No page is open: no frame is asked for.
    assert not any(command.get("watched") for command in view.asked)
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{view.port}{PREFIX}/events"):
        pass


def test_clients_that_never_read_and_more_than_there_is_room_for_cost_nobody_anything(
    own_view: AnsweringView,
) -> None:
    view = own_view
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with ExitStack() as opened:
        for _ in range(MOST_CLIENTS - 1):
            connection = opened.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", view.port))
            connection.sendall(
                f"GET {PREFIX}/events?token={view.token} HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n".encode()
            )
            assert b"101" in connection.makefile("rb", buffering=0).readline()
        with events_of(view) as reader:
            assert reader.recv(20)
            for number in range(300):
                view.process.show_state({}, {**STATE, "software": f"{number} {'x' * 4000}"})
            while json.loads(reader.recv(20))["state"]["software"].partition(" ")[0] != "299":
                pass
            with events_of(view) as late, pytest.raises(ConnectionClosed) as closed:
                late.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        assert view.post("/stop", {"wait_s": 0})[0] == 202


def test_an_acquisition_that_takes_no_more_questions_is_told_of_and_asked_no_more(
    own_view: AnsweringView,
) -> None:
    """Whoever waits for answers holds places; beyond them everybody is told at once."""
    view = own_view
    view.process.answer = lambda *given, **more: None  # type: ignore[method-assign]
    lines = (
        f"GET {PREFIX}/runs/1 HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n"
        f"Authorization: Bearer {view.token}\r\n\r\n"
    ).encode()
    with ExitStack() as opened:
        for _ in range(70):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", view.port), 30))
            connection.sendall(lines)
        status, _, body = view.knock("/runs/1")
        assert (status, json.loads(body)["code"]) == (503, "no-answer")
        assert view.knock("/state")[0] == 200
