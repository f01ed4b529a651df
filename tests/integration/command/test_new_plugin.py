"""``new-plugin``: what it writes, and what it refuses; .ci/check_scaffold.sh checks that the result works."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.commands.new_plugin import check_name
from rheed_acquire.errors import SettingsError

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

FILES = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "src/rheed_acquire_two_words/__init__.py",
    "src/rheed_acquire_two_words/camera.py",
    "src/rheed_acquire_two_words/py.typed",
    "src/rheed_acquire_two_words/settings.py",
    "src/rheed_acquire_two_words/stand_in.py",
    "tests/test_camera.py",
}


def written(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_complete_distribution_is_written_and_the_next_commands_are_named(command: Command) -> None:
    pytest.importorskip("copier", reason="copier is not installed")
    done = command("new-plugin", "two-words", "--dir", "plugins", "--defaults")
    assert (done.returncode, done.stderr) == (0, "")
    target = Path("plugins", "rheed-acquire-two-words")
    assert done.stdout.splitlines()[-3:] == [
        f'  python -m pip install -e "{target}[test]"',
        f'  python -m pytest "{target}"',
        "  rheed-acquire --camera two-words --duration 5",
    ]
    files = written(command.folder / target)
    assert set(files) == FILES
    # What is left of the template's own language, but for the expressions of the CI workflow.
    assert not [name for name, text in files.items() if "{%" in text or "{{" in text.replace("${{", "")]
    assert "os: [ubuntu-latest, windows-latest, macos-latest]" in files[".github/workflows/ci.yml"]
    assert "runs-on: ${{ matrix.os }}" in files[".github/workflows/ci.yml"]
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"]["rheed_acquire"] == {"two-words": "rheed_acquire_two_words"}
    assert project["license"] == "Apache-2.0"
    assert files["LICENSE"].split()[:2] == ["Apache", "License"]


def test_what_the_author_answers_is_written(command: Command) -> None:
    pytest.importorskip("copier", reason="copier is not installed")
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rheed_acquire", "new-plugin", "asked"],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        cwd=command.folder,
        # Or it would ask the terminal where its cursor is, and wait for the answer.
        env=command.environment(PROMPT_TOOLKIT_NO_CPR="1", TERM="xterm"),
    )
    os.close(its_end)
    shown = b""
    try:
        for question, answer in (
            (b"What is the camera", "Zoë's camera\r"),
            (b"Who writes", "Zoë O'Brien\r"),
            (b"Under which licence", "\x1b[B\x1b[B\r"),
        ):
            while question not in shown:
                shown += os.read(terminal, 4096)
            os.write(terminal, answer.encode())
        # It writes no more than fits into the terminal's buffer.
        assert process.wait(60) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    files = written(command.folder / "rheed-acquire-asked")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert (project["description"], project["license"]) == ("Zoë's camera", "MIT")
    assert project["authors"] == [{"name": "Zoë O'Brien"}]
    assert " Zoë O'Brien\n" in files["LICENSE"]
    assert files["LICENSE"].startswith("MIT License\n")
    assert 'description="Zoë\'s camera",' in files["src/rheed_acquire_asked/__init__.py"]


@pytest.mark.parametrize("way", [[], ["--callback"]])
@pytest.mark.parametrize("name", ["q", "hamamatsu-orca-flash4-lt"])
def test_what_is_written_is_linted_and_formatted_whatever_the_length_of_its_name(
    command: Command, name: str, way: list[str]
) -> None:
    pytest.importorskip("copier", reason="copier is not installed")
    pytest.importorskip("ruff", reason="ruff is not installed")
    assert command("new-plugin", name, "--defaults", *way).returncode == 0
    camera = next((command.folder / f"rheed-acquire-{name}" / "src").glob("*/camera.py"))
    base = "CallbackCamera" if way else "GrabLoopCamera"
    assert f"Camera({base}):" in camera.read_text(encoding="utf-8")
    for job in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *job, "--no-cache"],
            cwd=command.folder / f"rheed-acquire-{name}",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_a_folder_that_exists_is_not_overwritten(command: Command) -> None:
    folder = command.folder / "rheed-acquire-mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("of years", encoding="utf-8")
    said = command.error("new-plugin", "mine", "--defaults")
    assert "rheed-acquire-mine is there already and is not overwritten" in said
    assert written(folder) == {"notes.txt": "of years"}


def test_a_place_where_no_folder_can_be_made_is_named(command: Command) -> None:
    command.write("taken", "a file")
    said = command.error("new-plugin", "mine", "--defaults", "--dir", "taken")
    assert f"{Path('taken', 'rheed-acquire-mine')} cannot be made (--dir): " in said


def test_without_a_terminal_nothing_is_asked_and_nothing_written(command: Command) -> None:
    pytest.importorskip("copier", reason="copier is not installed")
    assert "--defaults asks none" in command.error("new-plugin", "mine")
    assert not (command.folder / "rheed-acquire-mine").exists()


def test_without_copier_the_extra_that_brings_it_is_named(command: Command) -> None:
    command.write(
        "without.py",
        "import sys\n"
        "sys.modules['copier'] = None\n"
        "from rheed_acquire.cli import main\n"
        "raise SystemExit(main(['new-plugin', 'mine', '--defaults']))\n",
    )
    done = command.script("without.py")
    assert done.returncode == 2
    assert done.stderr == (
        'error: new-plugin needs copier, which is not installed: pip install "rheed-acquire[author]"\n'
    )
    assert not (command.folder / "rheed-acquire-mine").exists()


def test_the_help_is_printed_without_copier_and_numpy(command: Command) -> None:
    command.write(
        "light.py",
        "import sys\n"
        "from rheed_acquire.cli import main\n"
        "try:\n"
        "    main(['new-plugin', '--help'])\n"
        "except SystemExit:\n"
        "    assert not {'copier', 'numpy', 'pluggy'} & set(sys.modules)\n"
        "    raise\n",
    )
    done = command.script("light.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: rheed-acquire new-plugin ")
    assert "new-plugin  write" in command("--help").stdout


@pytest.mark.parametrize("name", ["My-Cam", "2d", "my--cam", "my-", "_my", "my.cam", "größe", "my cam", ""])
def test_a_name_that_cannot_be_a_flag_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="must be lower-case letters and digits"):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("basler", "the name 'basler' is taken by rheed-acquire "),
        ("rheed", "the name 'rheed' is taken by rheed-acquire "),  # a streamer
        ("rheed_streamer", "is taken by rheed-acquire "),  # a plugin, with its - written as _
        ("chunk-size", "the camera name 'chunk-size' is that of a setting of the run"),
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, expected: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_name(name)
    assert expected in str(raised.value)


def test_the_name_of_a_plugin_that_fails_to_load_is_taken_too(command: Command) -> None:
    command.plugins.add("bad-camera", "import no_such_sdk", plugin="bad", version="0.3")
    assert command.error("new-plugin", "bad", "--defaults") == (
        "the name 'bad' is taken by bad-camera 0.3; choose another"
    )
