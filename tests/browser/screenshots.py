"""Makes the pictures of the page that the documentation shows: ``python -m tests.browser.screenshots``.

They are written to docs/images; look at them before they are committed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.browser.conftest import CHROMIUM_FLAGS, Command
from tests.browser.test_page import drag, stage_position

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
GROWN_MS = 24_000
"""How long traces grow before they are shown."""


def prepare(page: Page) -> None:
    """Two regions and a line, as one would set them for a growth."""
    page.click("[data-tool=region]")
    drag(page, (237, 65), (262, 104))
    drag(page, (284, 60), (302, 104))
    page.click("#show-regions")
    page.get_by_label("name of region 2", exact=True).fill("streak")
    page.keyboard.press("Tab")
    page.click("#show-regions")
    page.select_option("#colours", "green")
    page.get_by_text("Levels", exact=True).click()
    page.locator("#gamma").fill("0.6")
    page.get_by_text("Levels", exact=True).click()
    page.select_option("#window", "30")
    page.keyboard.press("1")
    page.select_option("#since", "latest")
    page.select_option("#oscillations", "10")
    page.wait_for_timeout(GROWN_MS)
    page.mouse.move(*stage_position(page, 250, 80))
    page.wait_for_timeout(300)


def main() -> int:
    """Make them."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("there is no chromium: apt-get install chromium", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = Command(Path(folder), "--camera", "simulated", "--view", "--stream-name", "GaAs 1042")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
            page.goto(command.url)
            page.locator("#no-frame").wait_for(state="hidden")
            prepare(page)
            page.screenshot(path=IMAGES / "view-dark.png", full_page=True)
            page.select_option("#theme", "light")
            page.select_option("#colours", "viridis")
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / "view-light.png", full_page=True)
            page.select_option("#theme", "dark")
            page.select_option("#colours", "inferno")
            page.set_viewport_size({"width": 768, "height": 1024})
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / "view-tablet.png", full_page=True)
        finally:
            browser.close()
            command.stop()
    print(f"written to {IMAGES}: view-dark.png, view-light.png, view-tablet.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
