"""The view process as the acquisition and its pages see it."""

from __future__ import annotations

import io
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.integration.waiting import wait_for
from websockets.sync.client import connect

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.regions.regions import Region
from rheed_acquire.view.process import ViewProcess

if TYPE_CHECKING:
    from tests.integration.view.conftest import WatchedView

Pixels = NDArray[np.uint8]
LIMIT_S = 60.0


def shows(frames: int) -> Callable[[Any], bool]:
    return lambda message: bool(message["state"]["frames"] == frames)


def test_a_page_is_shown_the_newest_frame_with_exact_values(view: WatchedView, pixels: Pixels) -> None:
    with view.page() as page:
        page.send(do="look", pixel=[5, 7], line=[0, 3, 63, 3])
        view.process.show_frame(pixels, 41, 1000.5)
        header, payload = page.receive("frame")
        assert (header["number"], header["width"], header["height"]) == (41, 64, 48)
        picture = np.asarray(Image.open(io.BytesIO(payload[: header["picture_bytes"]])))
        assert picture.shape == pixels.shape
        values, _ = page.receive("values", lambda message: message["pixel"] is not None)
        assert values["pixel"] == {"x": 5, "y": 7, "value": int(pixels[7, 5])}
        assert values["line"] == pixels[3].tolist()


def test_a_frame_that_was_shown_before_the_page_opened_is_shown_to_it(
    view: WatchedView, pixels: Pixels
) -> None:
    view.process.show_frame(pixels, 1, None)
    with view.page() as page:
        assert page.receive("frame")[0]["number"] == 1


def test_a_page_that_draws_slowly_misses_frames_and_gets_the_newest(
    view: WatchedView, pixels: Pixels
) -> None:
    with view.page() as page:
        view.process.show_frame(pixels, 0, None)
        page.receive("frame", draws=False)
        for number in range(1, 30):
            view.process.show_frame(pixels, number, None)
            view.process.show_state({"frames": number})
            page.receive("state", shows(number))
        view.process.show_frame(pixels, 30, None)
        wait_for(lambda: view.process._outbox._frame is None, LIMIT_S)
        view.process.show_state({"frames": 30})
        page.receive("state", shows(30))
        page.send(do="drawn", what="frame")
        assert page.receive("frame")[0]["number"] == 30


def test_state_and_events_reach_every_page_also_one_that_opens_later(view: WatchedView) -> None:
    view.process.show_state({"phase": "capturing", "fps_measured": float("nan"), "frames": 3})
    view.process.add_event(5.0, "warning", "a gap")
    for _ in range(2):
        with view.page() as page:
            (state, _), (events, _) = page.receive_each("state", "events")
            assert state["state"] == {"phase": "capturing", "fps_measured": None, "frames": 3}
            assert events["events"] == [{"utc_ms": 5.0, "level": "warning", "text": "a gap"}]


def periods_of(regions: list[Any]) -> float:
    """Of the oscillation of the first region, as the page is told; 0 while there is none."""
    return max((one["oscillation"]["periods"] for one in regions[:1] if one["oscillation"]), default=0.0)


def test_traces_hold_every_point_and_the_period_of_the_oscillation(view: WatchedView, spot: Region) -> None:
    times_ms: NDArray[np.float64] = np.arange(1000, dtype=np.float64) * 10 + 1e12
    mean = (50 + 5 * np.cos(2 * np.pi * times_ms / 1000 / 1.7)).astype(np.float32)
    for first in range(0, 1000, 100):
        here = slice(first, first + 100)
        view.process.add_points(
            times_ms[here], mean[np.newaxis, here], np.full((1, 100), 60, np.uint8), [spot]
        )
    with view.page() as page:
        # Those before them tell of fewer points.
        (header, payload), (growth, _) = page.receive_each(
            "traces",
            "growth",
            fits={
                "traces": lambda message: message["count"] == 1000,
                "growth": lambda message: periods_of(message["regions"]) > 5.5,
            },
        )
        assert header["regions"] == [spot.model_dump(mode="json")]
        assert np.array_equal(np.frombuffer(payload, np.float64, 1000), times_ms)
        assert np.array_equal(np.frombuffer(payload, np.float32, 1000, 8000), mean)
        assert np.array_equal(np.frombuffer(payload, np.float32, 1000, 12000), np.full(1000, 60))
        (told,) = growth["regions"]
        assert told["region"] == spot.model_dump(mode="json")
        assert told["oscillation"]["period_s"] == pytest.approx(1.7, rel=0.02)
        assert told["oscillation"]["growth_rate"] == pytest.approx(1 / 1.7, rel=0.02)
        assert told["oscillation"]["periods"] == pytest.approx(9.99 / 1.7, rel=0.02)
        assert told["monolayers"] is None
        page.send(do="look", oscillations=5, since_ms=1e12 + 3000)
        growth, _ = page.receive("growth", lambda message: message["oscillations"] == 5)
        (told,) = growth["regions"]
        assert told["oscillation"]["periods"] == pytest.approx(5, rel=0.03)
        assert told["monolayers"]["count"] == pytest.approx(6.99 / 1.7, rel=0.02)


def test_commands_reach_the_acquisition_in_their_shape(view: WatchedView, spot: Region) -> None:
    with view.page() as page:
        page.send(do="regions", regions=[spot.model_dump()])
        page.send(do="regions", regions=[])
        said = [view.command() for _ in range(2)]
    assert said == [
        {"do": "regions", "regions": [spot.model_dump()]},
        {"do": "regions", "regions": []},
    ]


def test_what_no_page_would_say_is_refused_and_not_passed_on(view: WatchedView) -> None:
    box = {"name": "x", "x": 0, "y": 0, "width": 1, "height": 1}
    requests: list[dict[str, Any]] = [
        {"do": "rm"},
        {"do": "start"},
        {"do": "stop"},
        {"do": "regions", "regions": [], "extra": 1},
        {"do": "regions", "regions": [{**box, "x": -1}]},
        {"do": "regions", "regions": [box, box]},
        {"do": "look", "window_s": 17},
        {"do": "look", "line": [0, 0, 1 << 20, 0]},
    ]
    with view.page() as page:
        for request in requests:
            page.send(**request)
            refusal, _ = page.receive("refused")
            assert refusal["reason"]
        page.send(do="regions", regions=[])
        assert view.command() == {"do": "regions", "regions": []}


def test_a_command_that_fails_does_not_keep_the_next_from_being_done(pixels: Pixels) -> None:
    done: list[dict[str, Any]] = []

    def fail_once(command: dict[str, Any]) -> None:
        done.append(command)
        if len(done) == 1:
            raise ValueError("not today")

    with (
        ViewProcess(on_command=fail_once) as process,
        connect(process.url.replace("http", "ws").replace("/?", "/live?")) as socket,
    ):
        socket.send('{"do": "regions", "regions": []}')
        socket.send('{"do": "regions", "regions": []}')
        wait_for(lambda: len(done) == 2, LIMIT_S)


def test_a_killed_view_is_started_again_at_the_same_address_and_once_only(
    view: WatchedView, pixels: Pixels
) -> None:
    first = view.process.pid
    os.kill(first, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    wait_for(lambda: view.process.pid != first, LIMIT_S)
    assert view.process.died
    view.process.show_frame(pixels, 5, None)

    def answers() -> bool:
        try:
            with view.page() as page:
                return bool(page.receive("frame")[0]["number"] == 5)
        except OSError:
            return False

    wait_for(answers, LIMIT_S)
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(view.process.url_for_one_visit, timeout=20)
    refused.value.close()
    os.kill(view.process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    wait_for(lambda: view.process.deaths == 2, LIMIT_S)
    # Nobody takes it any more, and nobody minds.
    view.process.show_frame(pixels, 6, None)
    view.process.show_state({"phase": "capturing"})


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX's")
def test_a_view_that_hangs_keeps_nobody_waiting_and_is_ended_with_the_run(
    view: WatchedView, pixels: Pixels, spot: Region
) -> None:
    with view.page() as page:
        view.process.show_frame(pixels, 0, None)
        page.receive("frame")
        os.kill(view.process.pid, signal.SIGSTOP)
        large = np.zeros((2048, 2048), np.uint8)
        for number in range(40):  # far more than a pipe holds: each call returns all the same
            view.process.show_frame(large, number, None)
            view.process.show_state({"frames": number})
            view.process.add_points(
                np.arange(5000.0) + 5000 * number,
                np.ones((8, 5000), np.float32),
                np.ones((8, 5000), np.uint8),
                [spot.model_copy(update={"name": f"{n}", "x": n}) for n in range(8)],
            )
        view.process.stop()


def test_points_that_could_not_be_told_in_time_are_counted_for_the_page(
    view: WatchedView, spot: Region
) -> None:
    if sys.platform != "win32":
        os.kill(view.process.pid, signal.SIGSTOP)
    block = 1 << 18
    for number in range(8):  # twice what may wait
        view.process.add_points(
            np.arange(float(block)) + block * number,
            np.ones((1, block), np.float32),
            np.ones((1, block), np.uint8),
            [spot],
        )
    if sys.platform != "win32":
        os.kill(view.process.pid, signal.SIGCONT)
        with view.page() as page:
            events, _ = page.receive("events")
            assert "points of the traces were not shown in time" in events["events"][0]["text"]


def test_a_port_in_use_and_a_foreign_host_are_told_with_the_flag_that_mends_it(view: WatchedView) -> None:
    with pytest.raises(RheedAcquireError, match=f"port {view.port} .* in use .*--view-port"):
        ViewProcess("127.0.0.1", view.port, on_command=print).start()
    with pytest.raises(RheedAcquireError, match="--view-host"):
        ViewProcess("no-such-host.invalid", on_command=print).start()


def test_pages_that_have_gone_are_forgotten(view: WatchedView, pixels: Pixels) -> None:
    for number in range(10):
        view.process.show_frame(pixels, number, None)
        with view.page() as page:
            page.receive("frame")
    wait_for(lambda: not view.process._outbox.watched, LIMIT_S)
    view.process.stop()
    assert view.process._child is not None
    assert view.process._child.last_words == "exit code 0"  # nobody had to be waited for


def test_the_view_ends_when_its_parent_dies(view: WatchedView) -> None:
    child = view.process._child
    assert child is not None
    child.stdin.close()
    assert child._popen.wait(20) == 0


def test_figures_and_regions_are_told_to_prometheus(view: WatchedView, spot: Region) -> None:
    view.process.show_state({"frames": 12, "running": True, "clock_offset_ms": -250.0, "temperature_c": None})
    view.process.add_points(
        np.array([1.0]), np.array([[42.5]], np.float32), np.array([[99]], np.uint8), [spot]
    )
    with view.page() as page:
        page.receive("traces")
    with urllib.request.urlopen(view.url.replace("/?", "/metrics?"), timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    assert "rheed_acquire_frames_received_total 12.0" in lines
    assert "rheed_acquire_running 1.0" in lines
    assert "rheed_acquire_clock_offset_seconds -0.25" in lines
    assert 'rheed_acquire_region_mean{region="spot"} 42.5' in lines
    assert 'rheed_acquire_region_maximum{region="spot"} 99.0' in lines
    assert not any("temperature_celsius " in line and "#" not in line for line in lines)
