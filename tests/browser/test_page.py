"""The page in a browser, as a grower uses it."""

from __future__ import annotations

import io
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from tests.browser.conftest import Command

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect
from tests.browser.conftest import resize, until, wait_until_it_shows

PERIOD_S = 1.3
FRAME = (500, 300)


def stage_position(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where the middle of a pixel of the frame lies in the window, as long as the whole frame is shown."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    scale = min(box["width"] / FRAME[0], box["height"] / FRAME[1])
    left = box["x"] + (box["width"] - FRAME[0] * scale) / 2
    top = box["y"] + (box["height"] - FRAME[1] * scale) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    page.mouse.move(*stage_position(page, *start))
    page.mouse.down()
    page.mouse.move(*stage_position(page, *end), steps=4)
    page.mouse.up()


def field(page: Page, name: str, region: str) -> Locator:
    return page.get_by_label(f"{name} of {region}", exact=True)


def frame_number(page: Page) -> int:
    found = re.search(r"frame (\d+)", page.locator("#frame").inner_text())
    return int(found[1]) if found else -1


def painted(page: Page) -> Image.Image:
    """The picture as it is on the screen."""
    shot = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    return shot.crop((10, shot.height // 4, shot.width - 10, shot.height - 10))


@pytest.fixture(autouse=True)
def no_regions_yet(page: Page) -> None:
    page.click("#show-regions")
    removals = page.locator("#region-rows button")
    while count := removals.count():
        removals.first.click()
        expect(removals).to_have_count(count - 1)
    expect(page.locator("#no-regions")).to_be_visible()


def test_frames_change_and_the_run_is_told(page: Page) -> None:
    until(page, lambda: frame_number(page) >= 0)
    before, pixels = frame_number(page), painted(page)
    expect(page.locator("#frame")).not_to_contain_text(f"frame {before},")
    until(page, lambda: frame_number(page) > before)
    until(page, lambda: painted(page).tobytes() != pixels.tobytes())
    expect(page.locator("#phase")).to_have_text("capturing")
    expect(page.locator("#stream-name")).to_have_text("Growth 42")
    expect(page.locator("#figures")).to_contain_text("simulated RHEED, 500 x 300 Mono8")
    expect(page.locator("#figures")).to_contain_text(re.compile(r"Frames/s, declared\s*120"))


def test_the_token_is_neither_in_the_address_bar_nor_in_the_history_nor_read_by_scripts(
    page: Page, command: Command
) -> None:
    token = command.url.partition("token=")[2]
    assert token
    assert page.url == command.url.partition("?")[0]
    assert page.evaluate("document.cookie") == ""
    assert [token in str(cookie["value"]) for cookie in page.context.cookies()] == [True]
    page.reload()
    wait_until_it_shows(page)
    page.go_back()
    assert token not in page.url


def test_a_region_drawn_with_the_mouse_follows_the_known_oscillation(page: Page, command: Command) -> None:
    page.click("[data-tool=region]")
    drag(page, (237, 65), (262, 100))
    for name, value in (("x", "237"), ("y", "65"), ("width", "26"), ("height", "36")):
        expect(field(page, name, "specular")).to_have_value(value)
    page.select_option("#window", "30")
    period = page.locator(".strip .period")
    expect(period).to_contain_text("±")
    growth = page.locator(".strip .growth")

    def shows(cell: Locator, value: float) -> bool:
        number = re.match(r"[\d.]+", cell.inner_text())
        return number is not None and float(number[0]) == pytest.approx(value, rel=0.02)

    # The longer the trace, the better it is known.
    until(page, lambda: shows(period, PERIOD_S))
    until(page, lambda: shows(growth, 1 / PERIOD_S))
    # The trace itself moves with it: as many different means as an oscillation has.
    mean = page.locator(".strip .strip-level")
    means: set[str] = set()

    def has_moved() -> bool:
        means.add(mean.inner_text())
        return len(means) > 3

    until(page, has_moved)
    saved = tomllib.loads((command.folder / "rheed-acquire.toml").read_text(encoding="utf-8"))
    assert [(one["name"], one["x"], one["width"]) for one in saved["regions"]] == [("specular", 237, 26)]


def test_regions_are_moved_resized_renamed_and_removed(page: Page) -> None:
    page.click("[data-tool=region]")
    drag(page, (100, 50), (119, 69))
    drag(page, (110, 60), (130, 90))
    expect(field(page, "x", "specular")).to_have_value("120")
    expect(field(page, "y", "specular")).to_have_value("80")
    drag(page, (139, 99), (159, 109))
    expect(field(page, "width", "specular")).to_have_value("40")
    field(page, "name", "specular").fill("streak")
    field(page, "name", "specular").press("Enter")
    expect(page.locator("#overlay text")).to_have_text("streak")
    drag(page, (300, 200), (320, 220))
    expect(page.locator("#overlay text")).to_have_count(2)
    page.get_by_label("Remove streak").click()
    expect(page.locator("#overlay text")).to_have_count(1)


def test_names_of_neighbouring_regions_lie_beside_each_other(page: Page) -> None:
    places = page.evaluate(
        """async () => {
            const { placesOf } = await import("/js/labels.js");
            const boxes = [0, 16, 32, 48].map((x) => ({
                from: { x: 200 + x, y: 100 }, to: { x: 212 + x, y: 130 }, width: 90,
            }));
            return placesOf(boxes, { width: 500, height: 300 }).map(({ x, y }) => [x, y]);
        }"""
    )
    assert len(places) == 4
    for at, (x, y) in enumerate(places):
        assert 0 <= x <= 410
        assert 0 < y <= 300
        assert all(abs(x - other_x) >= 90 or abs(y - other_y) >= 14 for other_x, other_y in places[:at])


def test_an_answer_to_an_older_wish_does_not_take_a_newer_one_back(page: Page) -> None:
    shown = page.evaluate(
        """async () => {
            const { RegionList } = await import("/js/regions.js");
            const named = (name) => ({ name, x: 0, y: 0, width: 1, height: 1, color: "#fff" });
            const [a, b, c] = ["a", "b", "c"].map(named);
            const list = new RegionList(() => {}, () => true);
            const shown = [];
            const look = () => shown.push(list.list.map((region) => region.name).join());
            const wish = (index, region) => { list.preview(index, region); list.settle(true); };
            wish(0, a);
            wish(1, b);
            for (const regions of [[], [a], [a, b], [c]]) { list.follow(regions, false); look(); }
            wish(1, a);
            list.follow([c], true);
            look();
            return shown;
        }"""
    )
    assert shown == ["a,b", "a,b", "a,b", "c", "c"]
    page.reload()  # with its own list alone


def test_a_region_is_drawn_by_keys_alone(page: Page) -> None:
    page.locator("[data-tool=region]").focus()
    page.keyboard.press("Space")
    page.locator("#stage").focus()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    for name, value in (("x", "250"), ("y", "150"), ("width", "31"), ("height", "2")):
        expect(field(page, name, "specular")).to_have_value(value)


def test_a_region_that_is_refused_goes_back_to_what_it_was(page: Page) -> None:
    for _ in range(2):
        page.click("#add-region")
    field(page, "name", "region 2").fill("specular")
    field(page, "name", "region 2").press("Enter")
    expect(page.locator("#alert")).to_contain_text("specular")
    expect(field(page, "name", "region 2")).to_have_value("region 2")


def test_the_pixel_under_the_crosshair_and_the_profile_are_shown(page: Page) -> None:
    page.mouse.move(*stage_position(page, 20, 290))
    expect(page.locator("#pixel")).to_have_text(re.compile(r"x 20, y 290: \d+"))
    page.locator("#stage").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pixel")).to_have_text(re.compile(r"x 21, y 290: \d+"))
    page.click("#show-profile")
    page.click("#line-through-spot")
    expect(page.locator("#line-x1")).to_have_value("499")
    row = int(page.locator("#line-y0").input_value())
    assert 60 <= row <= 100
    page.click("[data-tool=line]")
    drag(page, (100, row), (100, row + 30))
    expect(page.locator("#line-y1")).to_have_value(str(row + 30))
    page.locator("#line-x0").fill("10")
    page.locator("#line-x0").press("Enter")
    expect(page.locator("#line-x0")).to_have_value("10")
    page.click("#remove-line")
    expect(page.locator("#line-y1")).to_have_value("")


def test_zoom_and_colours_change_the_picture_alone(page: Page) -> None:
    page.mouse.move(*stage_position(page, 250, 80))
    page.mouse.wheel(0, -100)
    expect(page.locator("#zoom")).to_have_text(re.compile(r"\d+ %"))
    page.locator("#stage").focus()
    page.keyboard.press("0")
    expect(page.locator("#zoom")).to_have_text("fit")
    for colours in ("green", "viridis", "inferno", "jet"):
        page.select_option("#colours", colours)
        until(page, lambda: len({band.tobytes() for band in painted(page).split()[:2]}) == 2)
    page.get_by_text("Levels", exact=True).click()
    page.locator("#white").fill("100")
    expect(page.locator("#white-value")).to_have_text("100")
    page.click("#auto-levels")
    expect(page.locator("#white-value")).not_to_have_text("100")
    page.click("#reset-levels")
    expect(page.locator("#white-value")).to_have_text("255")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_to_object_to(page: Page, theme: str) -> None:
    page.select_option("#theme", theme)
    page.click("#add-region")
    page.click("#show-profile")
    page.click("#line-through-spot")
    page.evaluate("() => document.fonts.ready")
    for width in (1280, 768, 400):
        resize(page, width, 900)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    for dialog in ("#edit-keys", "#edit-alarm"):
        page.click(dialog)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.keyboard.press("Escape")


def test_a_run_is_stopped_and_another_is_told_what_it_is_and_remembered(page: Page, command: Command) -> None:
    page.click("#stop")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#phase")).to_have_text("capturing")
    page.click("#stop")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#phase")).to_have_text("preview")
    expect(page.locator("#stop")).to_be_disabled()
    before = frame_number(page)
    page.click("#start")
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Stream name").fill("Growth 43 <b>&")
    page.get_by_label("Tags").fill("GaAs, buffer")
    page.locator("#preset-name").fill("buffer layer")
    page.click("#keep-preset")
    page.get_by_label("Originals").select_option("true")
    page.get_by_role("button", name="Start", exact=True).click()
    # What cannot be is said where it was asked for.
    expect(page.locator("#start-trouble")).to_contain_text("archive: the station has none")
    page.get_by_label("Originals").select_option("")
    page.get_by_label("End after (s)").fill("1")
    page.get_by_label("Stream name").press("Enter")
    expect(page.locator("#start-dialog")).to_be_hidden()
    expect(page.locator("#frame")).not_to_contain_text(f"frame {before},")
    # It ends by itself, and the page says what became of it.
    expect(page.locator("#figures")).to_contain_text("Growth 43 <b>&:")
    expect(page.locator("#start")).to_be_enabled()
    assert len(list((command.folder / "runs").glob("*growth-4*"))) == 2
    page.reload()
    wait_until_it_shows(page)
    expect(page.locator("#start")).to_be_enabled()
    page.click("#start")
    expect(page.get_by_label("Stream name")).to_have_value("Growth 43 <b>&")
    expect(page.get_by_label("End after (s)")).to_have_value("1")
    page.select_option("#preset", "buffer layer")
    expect(page.get_by_label("End after (s)")).to_have_value("")
    expect(page.get_by_label("Tags")).to_have_value("GaAs, buffer")
    page.click("#forget-preset")
    expect(page.locator("#preset option")).to_have_count(1)
    page.click("#cancel-start")
    expect(page.locator("#start-dialog")).to_be_hidden()
