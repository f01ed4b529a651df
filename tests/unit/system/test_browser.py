"""A page is opened in the user's browser, which is told nothing but the URL."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from rheed_acquire.system.browser import browser_command, open_in_browser

URL = "http://127.0.0.1:8765/?ticket=a&b=%22c"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the desktop's way on Linux")


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_the_systems_own_program_gets_the_url_as_one_argument(system: str) -> None:
    command = browser_command(URL, system=system, environment={})
    assert command is not None
    assert command[-1] == URL


def test_windows_program_is_found_where_windows_is() -> None:
    command = browser_command(URL, system="win32", environment={"SYSTEMROOT": r"D:\Win"})
    assert command == [r"D:\Win\System32\rundll32.exe", "url.dll,FileProtocolHandler", URL]


def test_without_a_desktop_no_browser_of_text_takes_the_terminal() -> None:
    assert browser_command(URL, system="linux", environment={"PATH": "/usr/bin:/bin"}) is None


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for xdg-open has been told."""
    program, opened = tmp_path / "xdg-open", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\nenv | grep 5ecret >> "{opened}"\necho "$@" >> "{opened}"\n', "utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":9")
    return opened


@linux_only
def test_the_browser_is_told_the_url_and_no_key(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AS_API_KEY", "5ecret")
    assert open_in_browser(URL)
    deadline = time.monotonic() + 60
    while not opened.exists() or URL not in opened.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert opened.read_text("utf-8") == f"{URL}\n"


@linux_only
def test_a_program_that_cannot_be_started_is_no_browser(opened: Path) -> None:
    (opened.parent / "xdg-open").write_text("#!/no/such/interpreter\n", "utf-8")
    assert not open_in_browser(URL)
