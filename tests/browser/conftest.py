"""A real browser on the page of a real command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PERIOD_S = 1.3
PATIENCE_MS = 50_000
"""After which what a page should show is missing: a time that only a page that never shows it takes."""


class Command:
    """``rheed-acquire`` with a page, in a folder of its own.

    With `plugin`, a folder that holds a distribution with a plugin, that one is installed too.
    """

    def __init__(self, folder: Path, *arguments: str, plugin: Path | None = None) -> None:
        self.folder = folder
        self._log = folder / "stderr.txt"
        path = os.pathsep.join(() if plugin is None else (str(_installed(plugin, folder)), str(plugin)))
        # Drawn numbers, not words, decide about colours: a terminal's settings must not.
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "rheed_acquire", *arguments],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={
                    **os.environ,
                    "RHEED_OUTPUT": str(folder / "runs"),
                    "RHEED_SPOOL_DIR": str(folder / "spool"),
                    "NO_COLOR": "1",
                    "PYTHONPATH": os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH", "")))),
                },
            )
        self.url = self._wait_for(r"view (http\S+)")

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def _wait_for(self, pattern: str) -> str:
        limit = time.monotonic() + PATIENCE_MS / 1000
        while (found := re.search(pattern, self.said)) is None:
            assert self._popen.poll() is None, self.said
            assert time.monotonic() < limit, self.said
            time.sleep(0.05)
        return found[1]

    def stop(self) -> int:
        self._popen.send_signal(signal.SIGINT)
        try:
            return self._popen.wait(PATIENCE_MS / 1000)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise


def until(page: Page, is_so: Callable[[], bool]) -> None:
    """Wait for what no locator can tell, as the picture's pixels."""
    limit = time.monotonic() + PATIENCE_MS / 1000
    while not is_so():
        assert time.monotonic() < limit, "it never came to that"
        page.wait_for_timeout(50)


def resize(page: Page, width: int, height: int) -> None:
    """Give the window a size, and the page the time to draw everything anew in it."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _installed(plugin: Path, folder: Path) -> Path:
    """Write what pip would, so that a plugin is found as any other is."""
    (package,) = (found.parent for found in plugin.glob("*/__init__.py"))
    info = folder / "site" / f"{package.name}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[rheed_acquire]\n{package.name} = {package.name}\n")
    return info.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, headless; its profile is new and goes with it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    playwright_api = pytest.importorskip("playwright.sync_api")
    playwright_api.expect.set_options(timeout=PATIENCE_MS)
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=list(CHROMIUM_FLAGS), headless=True
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Command]:
    """One for all tests of a file: a simulated camera before a growing crystal, and its run."""
    command = Command(
        tmp_path_factory.mktemp("command"),
        *("--camera", "simulated", "--view", "--stream-name", "Growth 42"),
        *("--simulated.oscillation-period-s", str(PERIOD_S)),
    )
    yield command
    command.stop()


@pytest.fixture
def page(browser: Browser, command: Command) -> Iterator[Page]:
    """The page, opened anew; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def failed(request: Request) -> None:
        # What is on its way when a page is closed or loaded again fails, which is no fault.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"failed: {request.url} ({request.failure})")

    page.on("requestfailed", failed)
    page.goto(command.url)
    wait_until_it_shows(page)
    yield page
    # Nor is a request that is refused.
    heard = [one for one in complaints if "responded with a status of 4" not in one]
    page.close()
    context.close()
    assert heard == []


def wait_until_it_shows(page: Page) -> None:
    """Wait for the page's first frame and for the run's state: each comes when it comes."""
    page.locator("#no-frame").wait_for(state="hidden")
    page.locator("#figures dt").first.wait_for()
