"""The page while a run records: all of it on one screen, marks, counts and the alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page
    from tests.browser.conftest import Command

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser import conftest
from tests.browser.conftest import PATIENCE_MS, resize, until

REGIONS = ("specular=26x40+237+65", "left streak=18x44+198+60", "right streak=18x44+284+60", "dark=40x40+9+9")
PERIOD_S = 1.2

Box: TypeAlias = dict[str, float]

CUT = """
() => [...document.querySelectorAll('.strip-figures p, #figures dd, #phase, .panel-head h2, button')]
    .filter((one) => one.offsetParent !== null && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.textContent)
"""
SCROLLS = """
() => [document.documentElement, document.querySelector('#strips')]
    .filter((one) => one.scrollHeight > one.clientHeight || one.scrollWidth > one.clientWidth)
    .map((one) => [one.scrollWidth, one.clientWidth, one.scrollHeight, one.clientHeight])
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Command]:
    """A run before a growing crystal, with four regions."""
    command = conftest.Command(
        tmp_path_factory.mktemp("command"),
        *("--camera", "simulated", "--fps", "30", "--view"),
        *("--simulated.oscillation-period-s", str(PERIOD_S)),
        *(word for region in REGIONS for word in ("--region", region)),
    )
    yield command
    command.stop()


def box(place: Locator) -> Box:
    found = place.bounding_box()
    assert found is not None, f"{place} is not shown"
    return {"x": found["x"], "y": found["y"], "width": found["width"], "height": found["height"]}


def lies_within(inner: Box, outer: Box) -> bool:
    return (
        inner["x"] >= outer["x"]
        and inner["y"] >= outer["y"]
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"]
    )


def touch(one: Box, other: Box) -> bool:
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


@pytest.mark.parametrize("size", [(1280, 900), (1920, 1080)])
def test_what_a_grower_looks_at_stands_on_one_screen(page: Page, size: tuple[int, int]) -> None:
    resize(page, *size)
    expect(page.locator(".strip canvas")).to_have_count(len(REGIONS))
    expect(page.locator(".strip .growth").first).to_contain_text("±")
    screen = {"x": 0.0, "y": 0.0, "width": float(size[0]), "height": float(size[1])}
    seen = ["#canvas", "#figures", "#phase", "#start", "#log", "#mark"]
    for place in [page.locator(one) for one in seen] + [
        strip.locator(part)
        for strip in page.locator(".strip").all()
        for part in ("canvas", ".growth", ".period", ".strip-name")
    ]:
        assert lies_within(box(place), screen), place
    assert page.evaluate(SCROLLS) == []
    assert page.evaluate(CUT) == []
    # Nothing of the picture is hidden, and it is worth looking at.
    stage = box(page.locator("#stage"))
    assert stage["height"] > size[1] / 3
    # Each trace has the height that the others have, and none lies on another.
    heights = [box(one)["height"] for one in page.locator(".strip").all()]
    assert max(heights) - min(heights) <= 1
    assert sum(heights) > size[1] / 2


def test_a_phone_shows_all_of_it_one_below_the_other(page: Page) -> None:
    resize(page, 400, 860)
    expect(page.locator(".strip .growth").first).to_contain_text("±")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(CUT) == []
    for place in ("#stage", ".strip .chart", "#figures", "#log", "#mark", "#start"):
        here = box(page.locator(place).first)
        assert here["x"] >= 0
        assert here["x"] + here["width"] <= 400


def test_the_line_profile_opens_when_it_is_wanted_and_the_screen_still_holds_all(page: Page) -> None:
    expect(page.locator("#profile-panel")).to_be_hidden()
    page.click("#show-profile")
    page.click("#line-through-spot")
    screen = {"x": 0.0, "y": 0.0, "width": 1280.0, "height": 900.0}
    assert lies_within(box(page.locator("#profile-chart canvas")), screen)
    assert all(lies_within(box(one), screen) for one in page.locator(".strip").all())
    page.click("#show-profile")
    expect(page.locator("#profile-panel")).to_be_hidden()


def test_the_look_is_that_of_the_system_unless_another_is_chosen(browser: Browser, command: Command) -> None:
    context = browser.new_context(color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(command.url)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.select_option("#theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    context.close()


def test_marks_are_placed_by_key_and_their_words_touch_no_line(page: Page) -> None:
    expect(page.locator("#mark")).to_be_enabled()
    page.keyboard.press("1")
    expect(page.locator("#log")).to_contain_text("mark: shutter open")
    page.locator("#mark-text").fill("substrate = 580 °C")
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_contain_text("mark: substrate = 580 °C")
    page.locator("#traces-title").click()
    page.keyboard.press("2")
    for place in (".strip:first-child .mark-line", ".strip:last-child .mark-line"):
        page.locator(place).nth(2).wait_for(state="attached")
    page.select_option("#window", "10")
    expect(page.locator(".mark-label:visible").last).to_have_text("shutter closed")
    words, lines = page.evaluate(
        """() => ['.mark-label:not([hidden])', '.mark-line'].map((which) =>
            [...document.querySelectorAll(which)].map((one) => {
                const { x, y, width, height } = one.getBoundingClientRect();
                return { x, y, width, height };
            }))"""
    )
    assert words
    assert not [1 for word in words for line in lines if touch(word, {**line, "width": 1})]
    assert not [1 for at, word in enumerate(words) for other in words[:at] if touch(word, other)]
    plots = box(page.locator("#strips"))
    assert all(lies_within(word, plots) for word in words)


def test_exposure_and_gain_stand_there_as_the_camera_has_them_and_are_changed_there(page: Page) -> None:
    exposure, gain = (page.locator(f"#camera-form [name={name}]") for name in ("exposure_us", "gain"))
    button = page.locator("#set-camera")
    expect(exposure).to_have_value("33333.333")
    expect(gain).to_have_value("0")
    expect(button).to_be_disabled()
    exposure.fill("8000")
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_contain_text("the camera has exposure 8000 us from now on")
    expect(button).to_be_disabled()
    page.locator(".mark-label", has_text="exposure = 8000 us").first.wait_for(state="attached")
    gain.fill("99")
    button.click()
    expect(page.locator("#camera-trouble")).to_contain_text("refuses gain 99: it must be 0 to 24")
    expect(gain).to_have_value("99")
    page.keyboard.press("Escape")
    expect(gain).to_have_value("0")
    expect(page.locator("#camera-trouble")).to_be_hidden()
    # Somebody else changes it: what is typed here meanwhile stays.
    exposure.fill("7")
    page.evaluate(
        """() => fetch("/api/v1/camera", { method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ exposure_us: 8333.25, gain: 0.5 }) })"""
    )
    expect(gain).to_have_value("0.5")
    expect(exposure).to_have_value("7")
    page.keyboard.press("Escape")
    expect(exposure).to_have_value("8333.25")


def test_a_key_that_is_typed_into_a_field_is_no_mark(page: Page) -> None:
    expect(page.locator("#mark")).to_be_enabled()
    page.locator("#mark-text").fill("")
    page.keyboard.type("1m")
    page.click("#edit-keys")
    page.get_by_label("Key 1").fill("source 1 open")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#quick-marks")).to_contain_text("source 1 open")
    page.keyboard.press("1")
    expect(page.locator("#log li", has_text="mark: source 1 open")).to_have_count(1)
    expect(page.locator("#log li", has_text="mark: 1m")).to_have_count(0)
    expect(page.locator("#mark-text")).to_have_value("1m")


def test_monolayers_are_counted_since_a_mark_and_the_alarm_rings_at_a_count(page: Page) -> None:
    page.click("#edit-alarm")
    expect(page.locator("#alarm-hint")).to_be_visible()
    page.locator("#alarm-form [name=value]").fill("4")
    page.get_by_role("button", name="Set", exact=True).click()
    # Nothing is counted yet: the alarm stays set for as long as this computer takes.
    expect(page.locator("#edit-alarm")).to_have_text("Alarm: specular at 4 ML")
    page.select_option("#oscillations", "5")
    page.locator("#mark-text").fill("counted from here")
    page.keyboard.press("Enter")
    page.locator(".mark-label", has_text="counted from here").first.wait_for(state="attached")
    page.select_option("#since", "latest")
    expect(page.locator("#alarm-text")).to_contain_text("specular has grown")
    expect(page.locator(".strip .count").first).to_contain_text("ML")
    expect(page.locator(".strip .period").first).to_contain_text("5 osc.")
    expect(page.locator("body")).to_have_class("alarming")
    until(page, lambda: page.evaluate("document.body.dataset.sounds") == "running")
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Tab")
    page.click("#alarm-seen")
    expect(page.locator("#alarm-banner")).to_be_hidden()
    expect(page.locator("body")).not_to_have_class("alarming")
    page.click("#edit-alarm")
    expect(page.locator("#alarm-hint")).to_be_hidden()
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("kind", "level"), [("above", "1"), ("below", "255")])
def test_the_alarm_rings_at_a_level(page: Page, kind: str, level: str) -> None:
    page.click("#edit-alarm")
    page.locator("#alarm-form [name=kind]").select_option(kind)
    page.locator("#alarm-form [name=value]").fill(level)
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("#alarm-text")).to_contain_text(f"specular is {kind} {level}")
    page.click("#alarm-seen")
    expect(page.locator("#edit-alarm")).to_have_text("Alarm…")
