"""``report.html`` in a browser that has no network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.unit.run_report.test_page import HOSTILE, PICTURE, named

from rheed_acquire.run_report.page import render

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
        assert page.locator("figure.plot > svg").count() == 0
        assert page.locator("h1").inner_text() == "".join(HOSTILE[:6])
        assert page.locator("script").count() == 3
        browser.close()
    assert [one for one in heard if not one.startswith(("file:", "data:image/jpeg"))] == []
