"""``rheed-acquire show``: runs in the terminal, and their frames for other programs.

The run is a process of its own; what looks at it afterwards is called in this one, to be quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from rheed_acquire.cli import main

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD = ("--camera", "thirdparty", "--thirdparty.fps", "50", "--frames", "120")


class Show:
    """Calls the command in the folder of the runs."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        """Return what it prints, where all goes well."""
        assert main(["show", *arguments]) == 0
        return self._capsys.readouterr().out

    def error(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code and the one line that it says."""
        code = main(list(arguments))
        printed = self._capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        return code, line.removeprefix("error: ")


@pytest.fixture
def show(command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Show:
    monkeypatch.chdir(command.folder)
    return Show(capsys)


def test_runs_are_listed_shown_and_exported(command: Command, show: Show) -> None:
    assert show("--output", ".") == "no runs in .\n"
    figures = command.report(*THIRD, "--region", "counter=4x1+0+0", "--stream-name", "growth 42")
    # This program gives no such name to a recording, but others may.
    stream = Path(figures["output"]) / "stream.json"
    stream.write_text(stream.read_text().replace("growth 42", "growth \\u001b[31m42"))
    titles, row = show().splitlines()
    assert titles.split()[:3] == ["captured", "(UTC)", "name"]
    assert "growth \\x1b[31m42" in row
    assert row.split()[-6:] == [figures["data_id"][:8], "120", "50", "2.4", "s", "delivered"]
    (run,) = json.loads(show("--json"))
    assert (run["data_id"], run["frames"], run["exit_code"]) == (figures["data_id"], 120, 0)

    lines = show(figures["data_id"]).splitlines()
    assert lines[0] == "delivered: every frame that the camera delivered has arrived"
    assert any(line.startswith("  camera") and "Third Party One, serial TP-1" in line for line in lines)
    curves = {line.split()[0]: line for line in lines if " to " in line}
    assert curves["mean"].endswith("0 to 29.75")
    assert "▁" in curves["mean"]
    assert "▁" not in command("show", "growth", PYTHONUTF8="0", PYTHONIOENCODING="ascii").stdout
    assert json.loads(show("growth", "--json"))["report"]["run"] == figures

    assert show("growth", "--export", "one.png", "--frames", "7") == "one.png: 1 frame\n"
    assert int(np.asarray(Image.open(command.folder / "one.png"))[0, 0]) == 7
    stack = show("growth", "--export", "some.tif", "--frames", "10:-10", "--every", "25", "--json")
    assert json.loads(stack) == {"files": ["some.tif"], "frames": 4}
    assert tifffile.imread(command.folder / "some.tif")[:, 0, 0].tolist() == [10, 35, 60, 85]
    assert show("growth", "--export", "all.mp4") == "all.mp4: 120 frames\n"
    assert (command.folder / "all.mp4").stat().st_size > 500


def test_a_recording_without_a_report_is_shown_as_far_as_it_is_known(command: Command, show: Show) -> None:
    command.report(*THIRD)
    (file,) = command.folder.glob("runs/*/report.json")
    file.unlink()
    shown = show(str(file.parent))
    assert shown.startswith("recorded: what the run itself reported of its end is not known\n")
    assert "  frames lost      unknown\n" in shown
    assert "  frames recorded  120\n" in shown


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("show", "--output", "runs/broken/stream.json"), "cannot be listed", 2),
        (("show", "no-such"), "there is no run 'no-such'", 2),
        (("show", "--frames", "1:2"), "--frames and --every choose what --export FILE writes", 2),
        (("show", "--export", "a.png"), "--export of which run?", 2),
        (("show", "x", "--export", "a.png", "--every", "0"), "'0' is no step, which is 1 or more", 2),
        (("show", "--bogus"), "unrecognized arguments: --bogus", 2),
        (("show", "broken"), "holds no recording and no report that was finished", 1),
        (("show", "broken", "--export", "a.png"), "holds no recording", 1),
        (("report",), "which run? rheed-acquire show lists them", 2),
        (("report", "no-such"), "there is no run 'no-such'", 2),
        (("report", "broken"), "holds no recording", 1),
        (("report", "a", "b"), "unrecognized arguments: b", 2),
        (("report", "a", "--region", "x"), "must be NAME=WIDTHxHEIGHT+X+Y", 2),
    ],
)
def test_wrong_input_is_one_clear_line(
    command: Command, show: Show, arguments: tuple[str, ...], told: str, code: int
) -> None:
    broken = command.folder / "runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "stream.json").write_text("{}")
    was, line = show.error(*arguments)
    assert (was, told in line) == (code, True), line
    assert not Path("a.png").exists()
