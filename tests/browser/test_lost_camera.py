"""What the page shows while the run's camera is away."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tests.browser.conftest import Command

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser import conftest

FAULTY_CAMERA = Path(__file__).parents[2] / "hardware_mocks" / "faulty_camera"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Command]:
    """A run whose camera is unplugged after two seconds and does not come back."""
    command = conftest.Command(
        tmp_path_factory.mktemp("command"),
        *("--camera", "faulty", "--fps", "50", "--view", "--region", "spot=10x10+5+5"),
        *("--faulty.vanish-at", "100", "--reconnect-timeout", "3600"),
        plugin=FAULTY_CAMERA,
    )
    yield command
    assert command.stop() == 3


def test_a_lost_camera_is_seen_at_first_sight_also_by_a_page_that_is_opened_later(page: Page) -> None:
    expect(page.locator("#phase")).to_have_text("camera lost")
    expect(page.locator("#phase")).to_have_attribute("data-kind", "away")
    expect(page.locator("#lost")).to_contain_text("does not answer any more")
    expect(page.locator("#figures")).to_contain_text(re.compile(r"lost \d+ s ago, \d+ attempts?"))
    expect(page.locator("#stage")).to_have_class(re.compile(r"\bstale\b"))
    expect(page.locator("#stale")).to_have_text(re.compile(r"No frame for (\d+) s"))


def test_the_last_frame_bears_its_true_age(page: Page, browser: Browser, command: Command) -> None:
    age = re.compile(r", (\d+) s ago")
    expect(page.locator("#frame")).to_have_text(age)
    expect(page.locator("#frame")).to_contain_text(re.compile(r", ([6-9]|\d\d+) s ago"))
    later = browser.new_page()
    later.goto(command.url)
    # At once, and not counted from when this page was opened.
    expect(later.locator("#frame")).to_contain_text(re.compile(r", ([6-9]|\d\d+) s ago"))
    later.close()


def test_the_traces_axis_goes_on_while_nothing_comes(page: Page) -> None:
    expect(page.locator("#stale")).to_be_visible()
    chart = page.locator(".strip .chart").first
    expect(chart.locator("canvas")).to_be_visible()
    pictures: set[bytes] = set()

    def has_moved() -> bool:
        pictures.add(chart.screenshot())
        return len(pictures) > 3  # more than the layout makes, which has just been scrolled

    conftest.until(page, has_moved)


def test_metrics_tell_of_it_and_leave_out_what_the_last_frame_held(page: Page, command: Command) -> None:
    expect(page.locator("#phase")).to_have_text("camera lost")
    with urllib.request.urlopen(command.url.replace("/?", "/metrics?"), timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    values = {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}
    assert values["rheed_acquire_camera_present"] == 0
    assert values["rheed_acquire_camera_away_seconds"] > 0
    assert values["rheed_acquire_camera_reopen_attempts"] >= 1
    assert values["rheed_acquire_silence_seconds"] > 0
    assert not any(name.startswith("rheed_acquire_region") for name in values)


def test_a_lost_camera_fills_the_frame_of_the_picture_and_of_the_page(page: Page) -> None:
    expect(page.locator("#lost")).to_be_visible()
    assert page.locator("#lost").bounding_box() == page.locator("#stage").bounding_box()
    expect(page.locator("body")).to_have_class(re.compile(r"\bcamera-lost\b"))
    around = page.evaluate(
        """() => {
            const { position, inset, borderTopWidth } = getComputedStyle(document.body, "::after");
            return [position, inset, borderTopWidth];
        }"""
    )
    assert around == ["fixed", "0px", "8px"]
    assert Axe().run(page).violations_count == 0
