"""The overview in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.integration.overview_server import Serving, serving
from tests.integration.server.conftest import CHUNK_SIZE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '<img src=x onerror="alert(1)"> ' + "a-name-without-end" * 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("overview") / "runs") as server:
        with server.client() as client:
            for name in (*(f"Growth {number}" for number in range(12)), HOSTILE):
                ended = client.create(data_item_name=name)
                client.upload(ended, 1, client.make_frames(CHUNK_SIZE))
                assert client.end(ended).status_code == 200
            for name in ("MBE 1", "MBE 2", "MBE 3", HOSTILE):
                data_id = client.create(data_item_name=name)
                frames = np.tile(np.arange(0, 240, 30, dtype=np.uint8), (CHUNK_SIZE, 6, 1))
                if name != "MBE 3":
                    client.upload(data_id, 0, frames)
        yield server


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_to_object_to_nothing_is_cut_and_nobody_elses_code_runs(
    browser: Browser, server: Serving, scheme: str, tmp_path: Path
) -> None:
    heard: list[str] = []
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        http_credentials={"username": "anybody", "password": server.read_key},
    )
    page = context.new_page()
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
    for width, height in ((1280, 900), (1920, 1080), (400, 800)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(server.endpoint)
        expect(page.locator(".card")).to_have_count(4)
        page.wait_for_function(
            "() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
        )
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
    page.get_by_label("Search", exact=True).fill("growth 11")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Growth 11").click()
    expect(page.locator("h1")).to_have_text("Growth 11")
    context.close()
    assert [one for one in heard if "status of 401" not in one] == []


def test_the_page_renews_what_is_streamed(browser: Browser, server: Serving) -> None:
    context = browser.new_context(http_credentials={"username": "x", "password": server.read_key})
    page = context.new_page()
    page.goto(server.endpoint)
    with server.client() as client:
        data_id = client.create(data_item_name="Begun meanwhile")
        expect(page.locator("#open h3", has_text="Begun meanwhile")).to_have_count(1)
        client.end(data_id)
        expect(page.locator("#open h3", has_text="Begun meanwhile")).to_have_count(0)
    context.close()
