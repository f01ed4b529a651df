"""A shortcut starts the command that it was made for, whatever the command's words are made of."""

from __future__ import annotations

import configparser
import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.system.shortcut import desktop_entry, make_shortcut, shortcut_places

WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))), min_size=1)
AWKWARD = ["a b", "it's", '"', "$HOME", "`id`", "\\", "%f", "Größe 例", "-x", "a=b;c", "", "back\\\\slash\\"]
SAYS_ITS_ARGUMENTS = """
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
part = path.with_suffix(".part")
part.write_text(json.dumps(sys.argv[2:]), "utf-8")
part.replace(path)
"""


def read_exec(entry: str) -> list[str]:
    """Read the command of an entry as a desktop does: the value's escapes first, then the quotes."""
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(entry)
    value = re.sub(r"\\(.)", r"\1", parser["Desktop Entry"]["Exec"])
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', value)
    assert " ".join(f'"{word}"' for word in words) == value
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in words]


@given(WORDS)
def test_a_desktop_entry_gives_the_command_back(command: list[str]) -> None:
    assert read_exec(desktop_entry("RHEED", command, "shows it")) == command


@pytest.mark.skipif(sys.platform == "win32", reason="run by a shell")
def test_a_command_file_starts_the_command(tmp_path: Path) -> None:
    said = tmp_path / "said.json"
    command = [sys.executable, "-c", SAYS_ITS_ARGUMENTS, str(said), *AWKWARD]
    made = make_shortcut(tmp_path / "Desk top", "RHEED view", command, "shows it", system="darwin")
    subprocess.run([made], check=True)
    assert json.loads(said.read_text("utf-8")) == AWKWARD


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")
def test_a_desktop_file_may_be_executed_by_its_user_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    for _ in range(2):
        made = make_shortcut(tmp_path, "RHEED view", ["/bin/true"], "shows it")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' shell makes and starts it")
def test_a_windows_shortcut_starts_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "Schreibtisch 例"
    said, script = tmp_path / "said.json", tmp_path / "say it.py"
    script.write_text(SAYS_ITS_ARGUMENTS, "utf-8")
    for _ in range(2):
        made = make_shortcut(
            folder, "RHEED view", [sys.executable, str(script), str(said), *AWKWARD], "shows it"
        )
    assert list(folder.iterdir()) == [made]
    if sys.platform == "win32":
        os.startfile(made)  # as a double click does
    deadline = time.monotonic() + 60
    while not said.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert json.loads(said.read_text("utf-8")) == AWKWARD


def test_a_folder_that_cannot_be_written_to_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_shortcut(tmp_path / "file", "RHEED view", [sys.executable], "shows it")


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")
def test_without_a_desktop_it_is_in_the_menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_DESKTOP_DIR"):
        monkeypatch.delenv(name, raising=False)
    menu = tmp_path / ".local" / "share" / "applications"
    assert shortcut_places() == [menu]
    (tmp_path / "Desktop").mkdir()
    assert shortcut_places() == [tmp_path / "Desktop", menu]
