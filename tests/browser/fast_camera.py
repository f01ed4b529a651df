"""A fast camera's run with its page open in a browser and four regions followed: nothing may be lost.

``python -m tests.browser.fast_camera --fps 1000 --seconds 30`` records such a run, looks through every frame
of the recording, and says how many of them the page has drawn meanwhile.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.browser.conftest import CHROMIUM_FLAGS, Command, wait_until_it_shows
from tests.browser.test_station_page import REGIONS
from tests.integration.command.station_campaign import numbers_in

from rheed_acquire import RecordedRun

DRAWN = """
() => {
    window.drawn = 0;
    const kind = CanvasRenderingContext2D.prototype, draw = kind.putImageData;
    kind.putImageData = function (...given) { window.drawn += 1; return draw.apply(this, given); };
}
"""


def main() -> int:
    """Record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("there is no chromium: apt-get install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        command = Command(
            Path(place),
            *("--camera", "simulated", "--simulated.stamp", "--fps", str(given.fps), "--view"),
            *("--simulated.width", "500", "--simulated.height", "300"),
            *(word for region in REGIONS for word in ("--region", region)),
        )
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(command.url)
            wait_until_it_shows(page)
            page.evaluate(DRAWN)
            page.wait_for_timeout(given.seconds * 1e3)
            drawn = page.evaluate("() => window.drawn")
            strips = page.locator("#strips .strip").count()
        finally:
            browser.close()
            exit_code = command.stop()
        (folder,) = (path.parent for path in Path(place, "runs").rglob("stream.json"))
        ids = numbers_in(RecordedRun(folder))
    missing = ids[-1] + 1 - ids[0] - len(set(ids))
    print(f"exit code {exit_code}; {len(ids)} frames, {missing} missing, {len(ids) - len(set(ids))} twice")
    print(f"the page drew {drawn} times in {given.seconds:g} s, {strips} strips")
    return 0 if exit_code == 0 and ids == list(range(ids[0], ids[0] + len(ids))) else 1


if __name__ == "__main__":
    sys.exit(main())
