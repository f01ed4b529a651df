"""What other instruments say, below the regions of the page and over the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tests.browser.conftest import Command

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect
from tests.browser import conftest

LOG = "log.csv"
CHANNELS = ("name=pressure unit=mbar path=log.csv column=p", "name=valve path=absent.csv column=1")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Command]:
    """A run with a region, beside one instrument that works and one that does not."""
    folder = tmp_path_factory.mktemp("command")
    (folder / LOG).write_text("p\n", encoding="utf-8")
    command = conftest.Command(
        folder,
        *("--camera", "simulated", "--view", "--region", "specular=26x40+237+65"),
        *(word for channel in CHANNELS for word in ("--csv.channel", channel)),
    )
    yield command
    command.stop()


def write(command: Command, value: str) -> None:
    with (command.folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{value}\n")


def test_each_instrument_has_a_strip_below_the_regions(command: Command, page: Page) -> None:
    strips = page.locator("#strips > .strip")
    expect(strips).to_have_count(3)
    names = strips.locator(".strip-name")
    expect(names).to_have_text(["specular", "pressure", "valve"])
    write(command, "1.25e-9")
    expect(strips.nth(1).locator(".strip-main")).to_have_text("1.25e-9 mbar")
    write(command, "2.5e-9")
    expect(strips.nth(1).locator(".strip-main")).to_have_text("2.5e-9 mbar")
    expect(strips.nth(1).locator("canvas")).to_be_visible()
    expect(strips.nth(2).locator(".period")).to_have_text("cannot be read")
