"""What the station's interface tells: the newest frame, the traces, and each new state and event."""

from __future__ import annotations

import io
import json
import time
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from tests.integration.view.answering_view import STATE, AnsweringView, events_of
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rheed_acquire.frames.frame_form import FrameForm
from rheed_acquire.regions.regions import Region
from rheed_acquire.view.interface import PREFIX, StationState, Traces


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
