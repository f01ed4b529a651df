"""stdout is the command's own: what SDKs print, close and leave behind does not reach it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.cli import main

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

NOISE = """
import atexit
import ctypes
import os
import subprocess
import sys
from pathlib import Path

WHAT = {what!r}


def from_c(text):
    libc = ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt
    libc.printf(text.encode() + b"\\n")
    libc.fflush(None)


def make_noise(where):
    text = f"noise {{where}}"
    if WHAT == "print":
        print(text, flush=True)
    elif WHAT == "descriptor":
        os.write(1, text.encode() + b"\\n")
    elif WHAT == "c":
        from_c(text)
    elif WHAT == "child":
        subprocess.run([sys.executable, "-c", f"print({{text!r}})"], check=True)
    elif WHAT == "at exit":
        atexit.register(lambda: (print(text, flush=True), os.write(1, b"noise\\n")))
    elif WHAT == "close":
        sys.stdout.close()
    elif WHAT == "close descriptor" and where == "import":  # later, it is that of another file
        os.close(1)


make_noise("import")
"""
IN_CAMERA = """
class Noisy(ThirdPartyCamera):
    def start(self, on_frame, on_fault):
        make_noise("start")
        super().start(on_frame, on_fault)

    def stop(self):
        super().stop()
        make_noise("stop")


ThirdPartyCamera.__init__.__globals__["ThirdPartyCamera"] = Noisy
"""
WAYS = ("print", "descriptor", "c", "child", "at exit", "close", "close descriptor")


def add_noisy(command: Command, what: str) -> None:
    from tests.integration.command.conftest import THIRD_PARTY

    noisy = NOISE.format(what=what) + THIRD_PARTY.replace("thirdparty", "noisy")
    hook = noisy.index("@hookimpl")
    command.plugins.add("noisy-camera", noisy[:hook] + IN_CAMERA + "\n\n" + noisy[hook:], plugin="noisy")


@pytest.mark.parametrize("what", WAYS)
def test_what_a_plugin_prints_is_on_stderr_and_stdout_holds_the_one_object(
    command: Command, what: str
) -> None:
    add_noisy(command, what)
    done = command("--camera", "noisy", "--frames", "110", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames_received"] >= 110
    assert ("noise" in done.stderr) is not what.startswith("close")
    listed = command("cameras")
    assert listed.returncode == 0
    assert "TP-1" in listed.stdout
    assert "noise" not in listed.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way to close descriptors")
@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
def test_streams_that_are_closed_from_the_beginning_end_no_run(command: Command, closed: str) -> None:
    closings = " ".join(f"{one}>&-" for one in closed.split())
    shell = f'"{sys.executable}" -m rheed_acquire --camera thirdparty --frames 110 --json {closings}'
    done = subprocess.run(
        ["sh", "-c", shell],
        capture_output=True,
        text=True,
        cwd=command.folder,
        env=command.environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout == "") is ("1" in closed)
    assert len(list((command.folder / "runs").glob("*/report.json"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's pipe")
@pytest.mark.parametrize("streams", ["|", "2>&1 |"])
def test_a_reader_that_goes_away_neither_ends_a_run_nor_changes_its_exit_code(
    command: Command, streams: str
) -> None:
    """It has gone before the first line, and the run says some; ``true`` reads none."""
    run = f'"{sys.executable}" -m rheed_acquire --camera thirdparty --frames 400 --verbosity 3'
    done = subprocess.run(
        ["sh", "-c", f'{{ {run}; echo "code $?" > code; }} {streams} true'],
        capture_output=True,
        text=True,
        cwd=command.folder,
        env=command.environment(PYTHONUNBUFFERED=""),
        timeout=60,
    )
    assert (command.folder / "code").read_text() == "code 0\n", done.stderr
    for bad in ("Traceback", "Exception ignored", "Broken"):
        assert bad not in done.stderr
    (report,) = (command.folder / "runs").glob("*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["run"]["frames_received"] >= 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_result_that_cannot_be_written_is_a_failure_with_a_sentence(command: Command) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rheed_acquire", "config", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=command.folder,
            env=command.environment(),
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"


FAILURES: dict[str, tuple[tuple[str, ...], int]] = {
    "a wrong flag": (("--camera", "thirdparty", "--fps", "fast", "--json"), 2),
    "no such camera": (("--camera", "nothing", "--json"), 2),
    "a run that is not there": (("show", "nothing", "--json"), 2),
    "no run at all": (("report", "--json"), 2),
    "a wrong command": (("shwo", "--json"), 2),
}


@pytest.mark.parametrize("which", FAILURES)
def test_a_failure_is_one_object_too_and_a_line_on_stderr(command: Command, which: str) -> None:
    arguments, code = FAILURES[which]
    done = command(*arguments)
    assert done.returncode == code
    said = json.loads(done.stdout)
    assert said["exit_code"] == code
    assert done.stderr.splitlines() == [f"error: {line}" for line in said["error"].splitlines()]


def test_the_object_is_printed_also_where_json_is_asked_for_in_the_environment(command: Command) -> None:
    done = command("--camera", "nothing", RHEED_JSON_REPORT="true")
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2


def test_within_python_stdout_is_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    assert main(["config", "--json"]) == 0
    assert sys.stdout is before
    assert json.loads(capfd.readouterr().out)
    print("ours", flush=True)
    os.write(1, b"ours too\n")
    assert capfd.readouterr().out == "ours\nours too\n"


def test_a_stand_in_for_stdout_gets_what_the_command_says(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import contextlib
    import io

    file = io.StringIO()
    with contextlib.redirect_stdout(file):
        assert main(["config", "--json"]) == 0
        assert sys.stdout is file
    assert json.loads(file.getvalue())


def test_what_a_bug_of_ours_raises_is_an_object_and_a_sentence(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rheed_acquire.commands import config

    def fail(arguments: object) -> int:
        raise ZeroDivisionError("\x1b[31m\ndelivered: all")

    monkeypatch.setattr(config, "main", fail)
    assert main(["config", "--json"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out) == {
        "error": "this is a bug of rheed-acquire: ZeroDivisionError: \x1b[31m\ndelivered: all",
        "exit_code": 1,
    }
    assert "\x1b" not in err
    assert "Traceback" in err
    assert all(line.startswith(("error: ", "    ")) for line in err.splitlines())
