"""Runs a page: each block as what it is, and what cannot run as far as it can be checked."""

from __future__ import annotations

import configparser
import doctest
import json
import re
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree
from collections.abc import Iterator
from pathlib import Path

from tests.docs.command_lines import command_lines, has_command, logical_lines, variables
from tests.docs.pages import Block, Page, PageError
from tests.docs.sessions import BlockError, PageSession

SHELLS = frozenset({"sh", "bash", "console"})
RUN = SHELLS | {"python"}
FILES = frozenset({"toml", "json", "ini"})
SHOWN = frozenset({"text"})
WINDOWS = frozenset({"powershell", "bat"})

CHECKER = Path(__file__).with_name("command_lines.py")

_SETTINGS_FILE = re.compile(r"rheed-acquire[\w.-]*\.toml|[\w-]+\.rheed\.toml")
_DURATION = re.compile(r"(--duration[ =])\d+(\.\d+)?")
"""Runs on a page last three seconds, whatever the reader is told."""
_TYPED = re.compile(r"^(\$ |python -m |pip install |sudo )", re.MULTILINE)
_FLAG = re.compile(r"--[a-z][\w.-]*")


class PageRun:
    """One page on its way through its blocks.

    Parameters
    ----------
    session
        Where it runs; None to look at the blocks without running any.
    """

    def __init__(self, page: Page, session: PageSession) -> None:
        self._page, self._session = page, session
        self._stand_ins: dict[str, str] = {}
        self._used: set[str] = set()
        self._commands: list[list[str]] = []

    def run(self) -> None:
        """Run all of it.

        Raises
        ------
        PageError
            A block does not say what it is, or did not do what the page says.
        """
        for block in self._page.blocks:
            try:
                self._prepare(block)
                self._take(block)
            except BlockError as error:
                raise PageError(f"{self._place(block)}\n{block.text}\n{error}") from None
        unused = self._stand_ins.keys() - self._used
        if unused:
            raise PageError(f"{self._page.name}: stand-ins for what no command says: {sorted(unused)}")
        self._check_names()

    def _place(self, block: Block) -> str:
        return f"{self._page.name}:{block.line}"

    def _prepare(self, block: Block) -> None:
        for value in block.values("stand-in"):
            real, sign, stand_in = value.partition("=>")
            if not sign:
                raise PageError(f"{self._place(block)}: a stand-in is written A => B, not {value!r}")
            self._stand_ins[real.strip()] = stand_in.strip()
        for value in block.values("environment"):
            self._session.run_shell(f"export {value}\n", "environment")

    def _take(self, block: Block) -> None:
        language = block.language
        reasons = block.values("not run")
        if reasons:
            if not all(reasons):
                raise PageError(f"{self._place(block)}: it is not run; say why")
            self._commands += command_lines(block.text, language)
        elif block.file is not None:
            self._write(block)
        elif language in SHELLS:
            self._run_shell(block)
        elif language == "python":
            for code in block.values("before"):
                self._session.run_python(code, self._place(block))
            # With its own line numbers, for the traceback.
            text = "\n" * (block.line - 1) + block.text
            self._session.run_python(text, self._place(block))
        elif language in FILES:
            # Without a name it is nobody's file, and TOML is of settings.
            path = self._session.folder.parent / f"{language}-of-{block.line}.rheed.{language}"
            path.write_text(block.text, encoding="utf-8")
            self._check_file(path, block.text, language)
        elif language in SHOWN:
            if _TYPED.search(block.text):
                raise PageError(f"{self._place(block)}: commands are not {language}: say which shell's")
        else:
            known = ", ".join(sorted(RUN | SHOWN))
            raise PageError(
                f"{self._place(block)}: a block in {language or 'no language'!r} is neither run, as "
                f"{known} are, nor a file with a caption; say `not run: REASON`"
            )

    # ---- commands --------------------------------------------------------------------------------------

    def _in_test(self, text: str) -> str:
        for real, stand_in in self._stand_ins.items():
            if real in text:
                self._used.add(real)
                text = text.replace(real, stand_in)
        return _DURATION.sub(r"\g<1>3", text)

    def _run_shell(self, block: Block) -> None:
        for code in block.values("before"):
            self._session.run_shell(f"{code}\n", self._place(block))
        expected_code = int((block.values("exit code") or ["0"])[-1])
        if block.language != "console":
            self._session.run_shell(self._in_test(block.text), self._place(block), code=expected_code)
            return
        steps = list(_console(block.text))
        if not steps:
            raise BlockError("no line begins with `$ `")
        compared = "compared" in block.values("output")
        for number, (command, shown) in enumerate(steps, start=1):
            ends_with = expected_code if number == len(steps) else 0
            printed = self._session.run_shell(self._in_test(command), self._place(block), code=ends_with)
            if compared and not _agrees(shown, printed):
                raise BlockError(f"{command} printed\n{printed}")

    # ---- files -----------------------------------------------------------------------------------------

    def _write(self, block: Block) -> None:
        assert block.file is not None
        language = block.language
        if "/" in block.file[:1] or ":" in block.file or block.file.startswith(("~", "\\")):
            # Of a place that a test has no business in: checked where it is written.
            name = re.split(r"[/\\]", block.file)[-1]
        else:
            name = block.file
        for code in block.values("before"):
            self._session.run_shell(f"{code}\n", self._place(block))
        path = self._session.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.text if block.language == "ini" else self._in_test(block.text)
        if block.continues:
            if not path.exists():
                raise BlockError(f"{block.file} is continued and was not begun")
            # With the space between that a formatter leaves.
            space = "\n\n" if language == "python" and text[:1] != " " else "\n"
            text = path.read_text(encoding="utf-8").rstrip() + f"\n{space}{text}"
        path.write_text(text, encoding="utf-8", newline="\n")
        self._commands += command_lines(block.text, block.language)
        self._check_file(path, text, language)

    def _check_file(self, path: Path, text: str, language: str) -> None:
        try:
            if language == "toml":
                tomllib.loads(text)
            elif language == "json":
                json.loads(text)
            elif language == "ini":
                parser = configparser.ConfigParser(strict=False, interpolation=None)
                parser.optionxform = str  # type: ignore[assignment]
                parser.read_string(text)
            elif language == "xml":
                xml.etree.ElementTree.fromstring(text)
            elif language == "python":
                compile(text, path.name, "exec")
        except (ValueError, configparser.Error, SyntaxError, xml.etree.ElementTree.ParseError) as error:
            raise BlockError(f"{path.name} cannot be read: {error}") from None
        if _SETTINGS_FILE.fullmatch(path.name):
            self._commands.append(["config", "--config", str(path)])
        if path.suffix == ".service" and shutil.which("systemd-analyze"):
            self._verify_unit(path, text)

    def _verify_unit(self, path: Path, text: str) -> None:
        path.write_text(self._in_test(text), encoding="utf-8")
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if path.name in line]
        if done.returncode or said:
            raise BlockError(f"systemd does not take it:\n{done.stderr}")

    # ---- names -----------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        """Hold every command that was not run, and every flag and variable of the page, to the catalogue."""
        inline = [code for _, code in self._page.inline_code]
        text = "\n".join(inline)
        flags: set[str] = set()
        foreign: set[str] = set()
        for code in inline:
            (flags if code.startswith(("--", "rheed-acquire")) else foreign).update(_FLAG.findall(code))
        for block in self._page.blocks:
            text += f"\n{block.text}"
            for line in logical_lines(block.text, block.language):
                if not has_command(line):
                    foreign.update(_FLAG.findall(line))
        question = {
            "commands": self._commands,
            "flags": sorted(flags - foreign),
            "variables": sorted(variables(text)),
        }
        problems = self._session.ask_program(CHECKER, question) if any(question.values()) else []
        if problems:
            assert isinstance(problems, list)
            raise PageError(f"{self._page.name}: " + "\n".join(problems))


def _console(text: str) -> Iterator[tuple[str, str]]:
    """Cut a console block into commands, each with what it shows."""
    command, shown = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], ""
        elif command.endswith("\\\n"):
            command += line.removeprefix("> ")
        elif command:
            shown += line
    if command:
        yield command, shown


def _agrees(shown: str, printed: str) -> bool:
    def plain(text: str) -> str:
        return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())

    return doctest.OutputChecker().check_output(plain(shown), plain(printed), doctest.ELLIPSIS)
