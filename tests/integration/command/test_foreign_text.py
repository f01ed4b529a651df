"""Whatever cameras and plugins call themselves: what is printed or written does not fail for it, nor obey."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

HOSTILE = """
import logging
import threading
import time

from pydantic import BaseModel, Field
from rheed_acquire import (
    Camera, CameraBackend, CameraError, CameraInfo, DeviceInfo, Frame, SettingReadback, hookimpl
)

# A window's title, a colour, a forged line of ours, text that runs backwards, a byte of Latin-1, markup.
NASTY = "\\x1b]0;owned\\x07\\x1b[31m\\x9b2J\\ndelivered: all\\r\\u202eabc\\udce9\\ud800[red]:smile:\\x00"


def named(field):
    return field + NASTY


NAMES = ("model", "vendor", "serial", "user_id", "address")
DEVICE = DeviceInfo("hostile", **{name: named(name) for name in NAMES})


class Settings(BaseModel):
    level: str = Field("x", description=named("level"))
    fails: bool = Field(False, description="fail when opened")


class HostileCamera(Camera):
    def __init__(self):
        self._stop = threading.Event()
        self._thread = None

    @property
    def info(self):
        settings = (SettingReadback(named("asked"), asked=named("a"), actual=named("b")),)
        return CameraInfo(
            DEVICE, 32, 24, "Mono8", 50.0, firmware=named("firmware"), settings=settings
        )

    def start(self, on_frame, on_fault):
        logging.getLogger("rheed_acquire.hostile").warning(named("log"))
        self._stop.clear()
        self._thread = threading.Thread(target=self._deliver, args=(on_frame, on_fault))
        self._thread.start()

    def _deliver(self, on_frame, on_fault):
        import numpy as np

        pixels, begun, number = np.zeros((24, 32), np.uint8), time.monotonic(), 0
        while not self._stop.wait(max(0.0, begun + number / 50 - time.monotonic())):
            if number != 60:  # a gap
                on_frame(Frame(pixels, number, round(number / 50 * 1e9)))
            number += 1

    def stop(self):
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self):
        self.stop()


def discover(settings):
    return [DEVICE]


def unlucky(settings):
    raise CameraError(named("no licence"))


def open_camera(settings, request):
    if settings.fails:
        raise CameraError(named("cannot be opened"))
    return HostileCamera()


@hookimpl
def rheed_register_cameras(register):
    missing = ("no_such_sdk",), named("pip")
    register(CameraBackend("hostile", named("a camera"), Settings, discover, open_camera))
    register(CameraBackend("unlucky", named("none"), Settings, unlucky, None))
    register(CameraBackend("absent", named("absent"), Settings, discover, None, *missing))
"""
HOSTILE_PLUGIN_FAILS = """
raise RuntimeError("\\x1b]0;owned\\x07\\ndelivered: all\\udce9")
"""
RUN = ("--camera", "hostile", "--frames", "110")


def add_hostile(command: Command) -> None:
    command.plugins.add("hostile-camera", HOSTILE, plugin="hostile")
    command.plugins.add("broken-camera", HOSTILE_PLUGIN_FAILS, plugin="broken")


def assert_harmless(text: str) -> None:
    """Nothing but letters, digits, signs and the line breaks of ours."""
    bad = {one for one in text if one != "\n" and not one.isprintable() and unicodedata.category(one) != "Zs"}
    assert not bad, (bad, text)
    # What forges a line is within a line.
    assert not re.search(r"^delivered: all\r?$|^delivered: all(?! \d+ frames)", text, re.MULTILINE), text


def assert_strict(text: str) -> Any:
    """Valid JSON for a reader that knows neither NaN nor lone surrogates."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    value = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()
    return value


SEVERAL = """
import json, os, sys
from rheed_acquire.cli import main

codes = []
for number, arguments in enumerate(json.loads(sys.argv[1])):
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        file = os.open(f"said-{number}-{descriptor}", flags)
        os.dup2(file, descriptor)
        os.close(file)
    try:
        codes.append(main(arguments))
    except SystemExit as ended:
        codes.append(ended.code or 0)
open("codes", "w").write(json.dumps(codes))
"""
"""Commands one after another in one process: most of a command's time is Python's start."""


@dataclass(frozen=True)
class Said:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    err: str


class Encoded:
    """The command where stdout and stderr have an encoding; whatever it says is harmless."""

    def __init__(self, command: Command, encoding: str) -> None:
        self._command, self._encoding = command, encoding

    def _start(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=self._command.folder,
            env=self._command.environment(PYTHONIOENCODING=self._encoding),
            timeout=100,
        )

    def _said(self, arguments: tuple[str, ...], code: int, out: bytes, err: bytes) -> Said:
        said = Said(code, out.decode(self._encoding), err.decode(self._encoding))
        assert "Traceback" not in said.err, (arguments, said)
        assert_harmless(said.out.replace("\r\n", "\n"))
        assert_harmless(said.err.replace("\r\n", "\n"))
        return said

    def run(self, *arguments: str) -> Said:
        """Run one, in a process of its own."""
        ended = self._start("-m", "rheed_acquire", *arguments)
        return self._said(arguments, ended.returncode, ended.stdout, ended.stderr)

    def run_all(self, *commands: tuple[str, ...]) -> dict[tuple[str, ...], Said]:
        """Run several, in one process."""
        folder = self._command.folder
        ended = self._start("-c", SEVERAL, json.dumps(commands))
        assert ended.returncode == 0, ended.stderr
        codes = json.loads((folder / "codes").read_text())
        written = [[(folder / f"said-{n}-{fd}").read_bytes() for fd in (1, 2)] for n in range(len(commands))]
        return {
            arguments: self._said(arguments, code, *texts)
            for arguments, code, texts in zip(commands, codes, written, strict=True)
        }


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp932"])
def test_no_command_fails_for_a_character_or_lets_one_through(command: Command, encoding: str) -> None:
    add_hostile(command)
    encoded = Encoded(command, encoding)
    named = ("--stream-name", "Größe [red] 成長", "--log-file", "run.log", "--verbosity", "3")
    told, as_json = encoded.run(*RUN, *named), encoded.run(*RUN, "--json")
    assert (told.code, as_json.code) == (3, 3), (told, as_json)
    nasty = r"\x1b]0;owned\x07\x1b[31m\x9b2J\ndelivered: all\r\u202eabc\xe9\ud800[red]:smile:\x00"
    assert f"serial{nasty}" in told.out
    assert_strict(as_json.out)
    reports = (command.folder / "runs").glob("*/report.json")
    older, newer = sorted((report.parent for report in reports), key=lambda path: path.stat().st_mtime)
    for folder in (older, newer):
        report = assert_strict((folder / "report.json").read_text(encoding="utf-8"))
        assert "abc\ufffd\ufffd[red]" in report["camera"]["user_id"]
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert r"abc\xe9\ud800[red]:smile:\x00" in page
        assert_harmless(page)
    assert_harmless((command.folder / "run.log").read_text(encoding="utf-8"))

    listings: list[tuple[str, ...]] = [("cameras",), ("plugins",), ("config",), ("spool",), ("show",)]
    listings += [("show", older.name), ("report", older.name)]
    fails = ("--camera", "hostile", "--hostile.fails")
    # Regions, flags and names as a shell may give them, in whatever encoding its file had.
    strange = b"caf\xe9\x1b[2J\n".decode("utf-8", "surrogateescape")
    wrong = [fails, ("--camera", strange), (f"--{strange}",), ("show", strange), (strange,)]
    objects = [(*listing, "--json") for listing in listings]
    said = encoded.run_all(*listings, *objects, ("--help",), ("recover",), *wrong, (*fails, "--json"))
    for arguments in [*listings, *objects, ("--help",), ("recover",)]:
        assert said[arguments].code == 0, (arguments, said[arguments])
        assert said[arguments].out or arguments == ("recover",)
    for arguments in objects:
        assert_strict(said[arguments].out)
    assert "Größe" in said["show",].out or encoding in ("ascii", "cp932")
    for arguments in wrong:
        assert said[arguments].code in (1, 2), (arguments, said[arguments])
        assert "error: " in said[arguments].err
    assert assert_strict(said[*fails, "--json"].out)["exit_code"] in (1, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="names there are Unicode")
def test_folders_named_in_another_encoding_are_written_to_and_read(command: Command) -> None:
    folder, spool = os.fsdecode(b"r\xe9\x1b[31m"), os.fsdecode(b"s\xe9")
    places = ("--output", folder, "--spool-dir", spool, "--log-file", f"{folder}.log")
    done = command("--camera", "thirdparty", "--frames", "110", *places)
    assert done.returncode == 0, done.stderr
    assert r"r\xe9\x1b[31m/" in done.stdout
    assert_harmless(done.stdout + done.stderr)
    (run,) = (report.parent for report in (command.folder / folder).glob("*/report.json"))
    assert_strict((run / "report.json").read_text(encoding="utf-8"))
    assert (run / "report.html").read_text(encoding="utf-8")
    listed = command("show", "--output", folder)
    assert listed.returncode == 0, listed.stderr
    assert run.name.rpartition("-")[2] in listed.stdout


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal in Python")
def test_in_a_terminal_there_is_no_escape_sequence_but_of_our_own_styles(command: Command) -> None:
    import pty

    add_hostile(command)
    for arguments in (RUN, ("cameras",), ("plugins",), ("show",), ("show", "rheed"), ("--help",)):
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "rheed_acquire", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=command.folder,
            env=command.environment(TERM="xterm-256color", COLUMNS="200", LINES="50"),
        )
        os.close(terminal)
        written = b""
        try:
            while piece := _read(controller):
                written += piece
        finally:
            process.kill()
            process.wait()
            os.close(controller)
        text = written.decode()
        # Colours, and what draws the display over itself: it sets no titles, nor erases what others wrote.
        rest = re.sub(r"\x1b\[(?:[\d;]*m|\?25[hl]|\d*A|2K)|\r", "", text)
        assert_harmless(rest)
        assert "Traceback" not in rest
        if arguments[0] not in ("show", "--help"):
            assert "[red]:smile:" in rest.replace("\n", ""), rest


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so where others end
        return b""


def test_every_text_file_is_readable_as_utf8_whatever_the_locale_is(command: Command) -> None:
    add_hostile(command)
    done = command(*RUN, LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 3, done.stderr
    texts = [
        path
        for path in [*command.folder.rglob("*.json*"), *command.folder.rglob("*.html")]
        if Path(path).is_file()
    ]
    assert len(texts) > 5
    for path in texts:
        path.read_text(encoding="utf-8")
