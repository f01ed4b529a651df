"""The live display, in a terminal of 80 columns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.integration.command.conftest import silent_after

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal in Python")

_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """So much of a terminal as a display that is drawn over itself needs: no scrolling, no colours."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0
        self.cursor_shown = True
        self.shown: list[list[str]] = []
        """What was there each time that a drawing began to be erased."""
        self._has_drawn = False

    def feed(self, text: str) -> None:
        for arguments, command, control, words in _PIECE.findall(text):
            if words:
                self._write(words)
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self._down()
            elif command == "K":
                assert arguments == "2"
                if self._has_drawn:
                    self.shown.append(self.text)
                    self._has_drawn = False
                self.lines[self.row] = ""
            elif command == "A":
                self.row = max(0, self.row - int(arguments or 1))
            elif command in "hl" and arguments == "?25":
                self.cursor_shown = command == "h"
            else:
                assert command == "m", f"unexpected {arguments}{command}"

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def _write(self, words: str) -> None:
        self._has_drawn = True
        for character in words:
            if self.column == self.columns:
                self._down()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    @property
    def text(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


def run_in_terminal(command: Command, *arguments: str, **variables: str) -> tuple[int, Screen]:
    """Return the exit code, and the screen with all that was drawn on it, however it came in pieces."""
    import pty

    controller, terminal = pty.openpty()
    screen, written = Screen(80), b""
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "rheed_acquire", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=command.folder,
            env=command.environment(TERM="xterm", COLUMNS="80", LINES="24", **variables),
        )
        os.close(terminal)
        while True:
            try:
                piece = os.read(controller, 65536)
            except OSError:  # Linux says so where others end
                piece = b""
            if not piece:
                break
            written += piece
        screen.feed(written.decode())
        return process.wait(60), screen
    finally:
        os.close(controller)


def test_the_display_leaves_only_the_log_and_the_summary_behind(command: Command) -> None:
    camera = ("--camera", "thirdparty", "--frames", "150", "--chunk-size", "100", "--thirdparty.skip", "20")
    code, screen = run_in_terminal(command, *camera, "--verbosity", "3")
    assert code == 3
    assert screen.cursor_shown
    left = "\n".join(screen.text)
    starts = [
        r"\d{4}-\d\d-\d\d [\d:,]+ INFO ",
        r"camera Third Party One \(serial TP-1\), 32 x 24 Mono8, 50 frames/s$",
        r"stream recorded in runs/",
        r"INCOMPLETE: 150 frames received",
        r"  (camera|stream|lost|chunks|recording|warning|problem) +\S",
    ]
    # Lines of the log are longer than the screen is wide: what follows is the rest of one.
    kinds = [
        next((n for n, start in enumerate(starts) if re.match(start, line)), None) for line in screen.text
    ]
    assert kinds.count(1) == kinds.count(2) == kinds.count(3) == 1, left
    assert kinds.index(3) > kinds.index(2) > kinds.index(1)
    for remnant in ("capturing", "uploading", "frames     ", "overrun    "):
        assert remnant not in left
    drawn = [lines for lines in screen.shown if any(line.startswith("capturing") for line in lines)]
    assert drawn, "nothing was shown while it ran"
    table = drawn[-1][-5:]
    assert [line[:11].rstrip() for line in table] == ["capturing", "frames", "gaps", "overrun", "chunks"]
    assert re.fullmatch(r"frames     \d+, [\d.]+/s of 50/s", table[1])
    assert table[2] == "gaps       1, 1 frames missing"
    assert re.fullmatch(r"chunks     \d uploaded, \d queued, [\d.]+ MB/s", table[4])


@pytest.mark.parametrize(
    ("arguments", "work"),
    [(("recover",), "delivering chunks"), (("recover", "--export", "saved"), "writing chunks")],
)
def test_recover_shows_how_many_chunks_it_has_done_and_leaves_only_what_became_of_them(
    command: Command, arguments: tuple[str, ...], work: str
) -> None:
    run = command.start(*silent_after(130))
    command.wait_for("paused")
    run.kill()
    run.communicate()
    if "--export" in arguments:  # and what it would be delivered to is not there
        (command.folder / "runs").rename(command.folder / "moved")
        command.write("runs", "")
    _, screen = run_in_terminal(command, *arguments)
    drawn = [line for lines in screen.shown for line in lines if line.startswith(work)]
    assert any(re.search(r" 0/[12] ", line) for line in drawn), screen.shown
    assert any(re.search(r" ([12])/\1 ", line) for line in drawn), screen.shown
    assert not any(work in line for line in screen.text)
    assert screen.cursor_shown


def test_a_dumb_terminal_gets_plain_lines(command: Command) -> None:
    import pty

    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rheed_acquire", "--camera", "thirdparty", "--frames", "10"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        cwd=command.folder,
        env=command.environment(TERM="dumb"),
    )
    os.close(terminal)
    assert process.communicate(timeout=60)[0].startswith("delivered: all 10 frames")
    written = os.read(controller, 65536).decode()
    os.close(controller)
    assert "\x1b" not in written
    assert written.startswith("camera Third Party One")
