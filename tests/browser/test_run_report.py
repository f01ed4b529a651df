"""``report.html`` in a browser that has no network."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from tests.browser.conftest import resize
from tests.unit.run_report.conftest import START_MS, record
from tests.unit.run_report.test_page import HOSTILE, PICTURE, named

from rheed_acquire.run_report.page import render
from rheed_acquire.run_report.record import (
    ChannelRecord,
    MarkRecord,
    PeriodRecord,
    RegionRecord,
    RunRecord,
    TraceRecord,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this computer")
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_opens_offline_draws_its_plots_and_runs_nobody_elses_code(
    tmp_path: Path, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(named("".join(HOSTILE[:6])), [PICTURE]), encoding="utf-8")
    heard: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        context = browser.new_context(color_scheme=scheme, offline=True)
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: heard.append(request.url))
        page.goto(file.as_uri())
        assert page.locator("figure.plot .uplot canvas").count() == 2
        assert page.locator("figure.plot .drawing > svg").count() == 0
        assert page.locator("h1").inner_text() == "".join(HOSTILE[:6])
        assert page.locator("script").count() == 3
        browser.close()
    assert [one for one in heard if not one.startswith(("file:", "data:image/jpeg"))] == []


def long_run() -> RunRecord:
    """A run of a minute with two regions, a gap, a thermocouple, and marks close together and far apart."""
    seconds = [0.1 * step for step in range(600) if not 200 <= step < 260]
    utc_ms = [START_MS + 1e3 * second for second in seconds]
    regions = []
    for number, (name, height) in enumerate((("specular", 40.0), ("a streak with a long name", 4.0))):
        mean = [100 + height * math.cos(2 * math.pi * second / 3) for second in seconds]
        trace = TraceRecord(utc_ms=utc_ms, low=mean, mean=mean, high=mean, maximum=[200] * len(mean))
        figures = {"x": 1, "y": 2, "width": 30, "height": 40, "frames": 540, "trace": trace}
        levels = {"mean": 100.0, "lowest": 60.0, "highest": 140.0, "brightest": 200}
        period = PeriodRecord(period_s=3.0, uncertainty_s=0.0123, strength=0.9)
        color = ("#4fc3f7", "#ffb74d")[number]
        regions.append(
            RegionRecord.model_validate({"name": name, "color": color, "period": period, **figures, **levels})
        )
    said = {"utc_ms": utc_ms[::10], "low": [580.0] * 54, "mean": [581.0] * 54, "high": [582.0] * 54}
    channel = ChannelRecord(name="substrate", unit="°C", readings=54, first=580.0, last=581.0, **said)
    words = (
        "shutter open",
        "substrate temperature = 580 °C",
        "shutter closed",
        "the last words of this growth",
    )
    marks = [
        MarkRecord(time_unix_ms=START_MS + 1e3 * at, text=text)
        for at, text in zip((5, 6, 40, 59), words, strict=True)
    ]
    last = {"first_utc_ms": START_MS, "last_utc_ms": utc_ms[-1]}
    return record(name="GaAs 1042", regions=regions, channels=[channel], marks=marks, **last)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this computer")
def test_the_first_screen_tells_how_it_went_and_grew_and_nothing_is_cut_on_a_phone(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(long_run(), [PICTURE] * 20), encoding="utf-8")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        first = [
            ".verdict",
            ".strip .growth",
            ".strip canvas",
            ".strip .mark-label:not([hidden])",
            ".strip .gap-band",
        ]
        for place in first:
            found = page.locator(place).all()
            assert found, place
            for one in found:
                box = one.bounding_box()
                assert box is not None
                assert 0 <= box["y"] <= box["y"] + box["height"] <= 900, place
        assert page.locator(".strip").count() == 3
        assert page.locator(".pictures img").count() == 8
        assert page.locator("figcaption").first.inner_text().count("ML/s") == 1
        for width in (1280, 400):
            resize(page, width, 860)
            page.wait_for_function("() => document.querySelector('.strip canvas').clientWidth < innerWidth")
            assert page.evaluate(BEYOND) == []
            words, lines = page.evaluate(BOXES)
            assert len(words) >= 3
            assert not [1 for word in words for line in lines if touch(word, line)]
            assert not [1 for at, word in enumerate(words) for other in words[:at] if touch(word, other)]
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this computer")
def test_the_traces_of_eight_regions_are_on_the_first_screen(tmp_path: Path) -> None:
    run = long_run()
    of_two = {
        "regions": [one.model_copy(update={"name": f"spot {n}"}) for n in range(4) for one in run.regions]
    }
    file = tmp_path / "report.html"
    file.write_text(render(run.model_copy(update=of_two), [PICTURE]), encoding="utf-8")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        strips = page.locator(".strip:has(.growth):not(:has-text('readings'))").all()
        assert len(strips) == 8
        for strip in strips:
            box = strip.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 900
        for width in (1920, 1280, 400):
            resize(page, width, 900)
            page.wait_for_function("() => document.querySelector('.strip canvas').clientWidth < innerWidth")
            assert page.evaluate(BEYOND) == []
        browser.close()


BEYOND = """
() => [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5
        || (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible'
            && !one.matches('.mark-label')))
    .map((one) => one.outerHTML.slice(0, 80))
"""
BOXES = """
() => ['.mark-label:not([hidden])', '.mark-line'].map((which) =>
    [...document.querySelectorAll(which)].map((one) => {
        const { x, y, width, height } = one.getBoundingClientRect();
        return [x, y, Math.max(width, 1), height];
    }))
"""


def touch(one: list[float], other: list[float]) -> bool:
    (x0, y0, w0, h0), (x1, y1, w1, h1) = one, other
    return x0 < x1 + w1 and x1 < x0 + w0 and y0 < y1 + h1 and y1 < y0 + h0
