"""The names of regions on the picture: each inside, none on another, however close the regions lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tests.browser.conftest import Command

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser import conftest
from tests.browser.conftest import resize

WIDTH, HEIGHT = 500, 300
CLOSE = {
    "specular": (237, 65, 26, 40),
    "left streak of the first order": (215, 66, 18, 44),
    "right streak of the first order": (268, 66, 18, 44),
    "half order": (240, 70, 10, 10),
    "Kikuchi": (230, 100, 40, 12),
    "background": (232, 108, 40, 12),
}
AT_THE_EDGES = {
    "upper left corner": (0, 0, 12, 12),
    "upper right corner": (WIDTH - 8, 0, 8, 8),
    "lower left corner": (0, HEIGHT - 9, 9, 9),
    "a name longer than its region is wide": (WIDTH - 10, HEIGHT - 10, 10, 10),
    "everything": (0, 0, WIDTH, HEIGHT),
}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Command]:
    """A preview."""
    command = conftest.Command(
        tmp_path_factory.mktemp("command"), *("view", "--camera", "simulated", "--fps", "20")
    )
    yield command
    command.stop()


def follow(page: Page, regions: dict[str, tuple[int, int, int, int]]) -> None:
    """Have the station follow these, as a recipe does."""
    body = [
        {"name": name, "x": x, "y": y, "width": width, "height": height}
        for name, (x, y, width, height) in regions.items()
    ]
    status = page.evaluate(
        """(body) => fetch("/api/v1/regions", { method: "PUT", body,
            headers: { "Content-Type": "application/json" } }).then((answer) => answer.status)""",
        json.dumps({"regions": body}),
    )
    assert status == 200
    expect(page.locator("#overlay text")).to_have_text(list(regions))


# Where the letters are: a text's own box has room above and below them, which may touch another's.
INK = """
() => {
    const stage = document.querySelector("#stage").getBoundingClientRect();
    return [...document.querySelectorAll("#overlay text")].map((text) => {
        const { x, y, width, height } = text.getBoundingClientRect();
        return { name: text.textContent, left: x - stage.x, top: y - stage.y + 2, right: x - stage.x + width,
                 bottom: y - stage.y + height - 1, over: stage.width, down: stage.height };
    });
}
"""


@pytest.mark.parametrize("size", [(1280, 900), (400, 860)])
@pytest.mark.parametrize("regions", [CLOSE, AT_THE_EDGES, {**CLOSE, **AT_THE_EDGES}])
def test_names_are_inside_the_picture_and_lie_on_no_other(
    page: Page, regions: dict[str, tuple[int, int, int, int]], size: tuple[int, int]
) -> None:
    resize(page, *size)
    follow(page, regions)
    names = page.evaluate(INK)
    assert [one["name"] for one in names] == list(regions)
    for at, one in enumerate(names):
        assert one["left"] >= -1, one
        assert one["top"] >= -1, one
        assert one["right"] <= one["over"] + 1, one
        assert one["bottom"] <= one["down"] + 1, one
        for other in names[:at]:
            is_beside = one["left"] >= other["right"] or other["left"] >= one["right"]
            is_above = one["top"] >= other["bottom"] or other["top"] >= one["bottom"]
            assert is_beside or is_above, (one, other)


def test_a_preview_has_no_violations_with_the_camera_in_sight(page: Page) -> None:
    expect(page.locator("#camera-form")).to_be_visible()
    assert Axe().run(page).violations_count == 0
