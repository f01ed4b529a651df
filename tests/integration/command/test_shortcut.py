"""``rheed-acquire shortcut``: from an installed package to a page in the browser, without a terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

LIMIT_S = 60.0


def home(command: Command) -> tuple[Path, dict[str, str]]:
    """A home folder with nothing in it, and the variables that make it one."""
    folder = command.folder / "home"
    folder.mkdir()
    return folder, {"HOME": str(folder), "USERPROFILE": str(folder)}


def test_without_a_settings_file_one_is_written_that_works(command: Command) -> None:
    folder, variables = home(command)
    done = command("shortcut", "--dir", str(folder / "desk"), **variables)
    assert done.returncode == 0, done.stderr
    settings = folder / "RHEED" / "rheed-acquire.toml"
    assert [line for line in done.stdout.splitlines() if str(settings) in line] == done.stdout.splitlines()
    (made,) = (folder / "desk").iterdir()
    assert made.stem == "RHEED view"
    shown = command("config", "--config", str(settings), **variables)
    assert re.search(r"camera +simulated", shown.stdout), shown.stdout
    settings.write_text("camera = 'thirdparty'\n", "utf-8")
    assert command("shortcut", "--dir", str(folder / "desk"), **variables).returncode == 0
    assert settings.read_text("utf-8") == "camera = 'thirdparty'\n"


def test_the_settings_file_of_the_folder_is_taken_and_another_gets_a_shortcut_of_its_own(
    command: Command,
) -> None:
    command.write("rheed-acquire.toml", 'camera = "simulated"\n')
    command.write("gun.toml", 'camera = "simulated"\n')
    for arguments in ((), ("gun.toml",)):
        done = command("shortcut", *arguments, "--dir", "desk")
        assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in (command.folder / "desk").iterdir()) == [
        "RHEED view",
        "RHEED view gun",
    ]


def test_settings_that_no_view_could_start_with_get_no_shortcut(command: Command) -> None:
    command.write("none.toml", "")
    command.write("wrong.toml", 'camera = "simulated"\nchunk_siez = 3\n')
    command.write("taken", "")
    for file, said in (
        ("nowhere.toml", "there is no settings file"),
        ("none.toml", "choose a camera"),
        ("wrong.toml", "chunk_size"),
    ):
        assert said in command.error("shortcut", file, "--dir", "desk")
    assert "--dri" in command.error("shortcut", "--dri", "desk")
    assert not (command.folder / "desk").exists()
    command.write("rheed-acquire.toml", 'camera = "simulated"\n')
    assert "--dir" in command.error("shortcut", "--dir", "taken")


@pytest.mark.skipif(sys.platform != "linux", reason="with a stand-in for the browser")
def test_what_it_starts_opens_the_page_in_the_browser_and_ends_with_the_view(command: Command) -> None:
    bin_folder, opened = command.folder / "bin", command.folder / "opened"
    bin_folder.mkdir()
    browser = bin_folder / "xdg-open"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}.part" && mv "{opened}.part" "{opened}"\n', "utf-8")
    browser.chmod(0o700)
    lab = command.folder / "lab"
    lab.mkdir()
    (lab / "gun.toml").write_text('camera = "simulated"\n', "utf-8")
    process = command.start(
        *("shortcut", "--start", "lab/gun.toml"), PATH=f"{bin_folder}:/usr/bin:/bin", DISPLAY=":9"
    )
    command.wait_for("opened")
    url = opened.read_text("utf-8").strip()
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    live = url.replace("http", "ws").partition("?")[0] + "live"
    with connect(live, additional_headers={"Cookie": cookie}, max_size=None) as page:
        while '"phase": "preview"' not in str(page.recv(LIMIT_S)):  # the camera is still being opened
            pass
    os.kill(command.child(process, "view"), signal.SIGINT)
    command.interrupt(process)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    token = next(line for line in err.splitlines() if line.startswith("view ")).partition("token=")[2]
    assert token not in url
    assert url.partition("ticket=")[2] not in err


def test_its_exit_code_is_that_of_the_view(command: Command) -> None:
    command.write("gun.toml", 'camera = "simulated"\n[simulated]\nimages = "nowhere"\n')
    done = command("shortcut", "--start", "gun.toml")
    assert done.returncode not in (0, 130)
    assert "nowhere" in done.stderr
    assert "press Enter" not in done.stderr  # nobody is there to press it
