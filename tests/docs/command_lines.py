"""The ``rheed-acquire`` commands in a text, and whether the command would take them.

Run as a program (by the interpreter of a page, which has the page's plugins) it reads command lines and names
of flags and variables from stdin, as JSON, and writes what is wrong with them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

# The folder of a virtual environment may stand before it, and .exe behind.
_COMMAND = re.compile(
    r"(?:^|[\s;&|(=`$]|(?P<quote>[\"']))(?:\S*(?:bin/|Scripts\\))?rheed-acquire(?:\.exe)?(?=\s|$)"
)
_XML_ARGUMENTS = re.compile(r"<arguments>(.*?)</arguments>", re.DOTALL)
_VARIABLE = re.compile(r"\bRHEED_[A-Z][A-Z0-9_]*")
_ABSOLUTE = re.compile(r"/etc/|[A-Z]:\\")
_ENDS = frozenset({"|", ";", "&", "&&", "||", ">", ">>", "2>", "<", ")", "#"})
_WINDOWS = frozenset({"powershell", "bat"})
_WITH_COMMANDS = _WINDOWS | {"sh", "bash", "console", "ini", "xml"}

READERS_CAMERA = "mycamera"
"""What the pages call the backend that the reader may write."""


def logical_lines(text: str, language: str) -> Iterator[str]:
    """Join what a backslash (in PowerShell a backtick, in cmd.exe a caret) continues."""
    sign = {"powershell": "`", "bat": "^"}.get(language, "\\")
    return iter(text.replace(f"{sign}\n", " ").splitlines())


def command_lines(text: str, language: str) -> list[list[str]]:
    """Find the arguments of each ``rheed-acquire`` in a block of a language that has commands."""
    found: list[list[str]] = []
    if language not in _WITH_COMMANDS:
        return found
    if language == "xml":
        return [_arguments(given, is_windows=True) for given in _XML_ARGUMENTS.findall(text)]
    for line in logical_lines(text, language):
        if line.lstrip().startswith("#"):
            continue
        for command in _COMMAND.finditer(line):
            rest = line[command.end() :]
            if command["quote"]:
                rest = rest.partition(command["quote"])[0]
            found.append(_arguments(rest, is_windows=language in _WINDOWS))
    return found


def has_command(line: str) -> bool:
    """Say whether ``rheed-acquire`` is called in a line, of whatever language."""
    return _COMMAND.search(line) is not None


def variables(text: str) -> set[str]:
    """Find the environment variables of this project."""
    return set(_VARIABLE.findall(text))


def _arguments(rest: str, *, is_windows: bool) -> list[str]:
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    if is_windows:
        lexer.escape = ""
    words: list[str] = []
    for word in lexer:
        if word in _ENDS or word[0] in "|;&<>)":
            break
        words.append(word)
    # 2>file: the number is no argument.
    if words and rest.rpartition(words[-1])[2].startswith(">") and words[-1].isdecimal():
        words.pop()
    return words


class _ParsedError(BaseException):
    """The command line is right; nothing of what it asks for shall happen."""


def problem_of(arguments: list[str]) -> str | None:
    """Return what the command says of these arguments before it does anything, or None."""
    from rheed_acquire.cli import main
    from rheed_acquire.commands.overview import COMMANDS
    from rheed_acquire.errors import SettingsError

    module: Any = None
    if arguments and arguments[0] in COMMANDS:
        module = import_module(f"rheed_acquire.commands.{arguments[0].replace('-', '_')}")
    elif not arguments or arguments[0].startswith("-"):
        module = import_module("rheed_acquire.commands.run")
    said = io.StringIO()
    real_load = getattr(module, "load", None)

    def load(given: list[str]) -> None:
        assert real_load is not None
        host, settings = real_load(given)
        if settings.run.camera not in (None, *host.cameras):
            raise SettingsError(f"there is no camera {settings.run.camera!r}")
        raise _ParsedError

    real_parse = argparse.ArgumentParser.parse_args
    arguments = _without_absent_files(arguments)

    def parse_args(self: Any, *given: Any, **more: Any) -> None:
        real_parse(self, *given, **more)
        raise _ParsedError

    if real_load is not None:
        module.load = load
    argparse.ArgumentParser.parse_args = parse_args  # type: ignore[method-assign,assignment]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(arguments)
    except (_ParsedError, SystemExit):  # --help ends the process
        return None
    finally:
        argparse.ArgumentParser.parse_args = real_parse  # type: ignore[method-assign]
        if real_load is not None:
            module.load = real_load
    return None if code == 0 else said.getvalue().strip()


def _without_absent_files(arguments: list[str]) -> list[str]:
    """Leave out a settings file that lies on the reader's computer only."""
    kept: list[str] = []
    for word in arguments:
        if kept and kept[-1] == "--config" and _ABSOLUTE.match(word):
            kept.pop()
        else:
            kept.append(word)
    return kept


def unknown_names(flags: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return those of the flags and variables that no command has."""
    from rheed_acquire.commands import replay, spool
    from rheed_acquire.commands.overview import COMMANDS
    from rheed_acquire.host.plugins import PluginHost
    from rheed_acquire.settings.catalogue import Catalogue
    from rheed_acquire.settings.variables import FOREIGN_VARIABLES
    from rheed_acquire.testing import pytest_plugin

    catalogue = Catalogue(PluginHost())
    known = {"--help", "--version", "--export", replay.INSPECT, spool.CLEAR, spool.DELETE, *catalogue.by_flag}
    known |= {f"--no-{flag[2:]}" for flag, setting in catalogue.by_flag.items() if setting.is_flag}
    prefixes = tuple(f"{flag}." for flag, setting in catalogue.by_flag.items() if setting.is_mapping)

    def collect(self: argparse.ArgumentParser, *given: Any, **more: Any) -> None:
        known.update(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                known.update(*(one._option_string_actions for one in action.choices.values()))
        raise _ParsedError

    real_parse = argparse.ArgumentParser.parse_args
    argparse.ArgumentParser.parse_args = collect  # type: ignore[method-assign,assignment]
    try:
        for name in (
            "mark",
            "new-plugin",
            "report",
            "serve",
            "serve keys",
            "serve prune",
            "set",
            "shortcut",
            "show",
            "start",
            "status",
            "stop",
        ):
            command, *more = name.split()
            assert command in COMMANDS
            with contextlib.suppress(_ParsedError):
                import_module(f"rheed_acquire.commands.{command.replace('-', '_')}").main(more)
    finally:
        argparse.ArgumentParser.parse_args = real_parse  # type: ignore[method-assign]

    class Options:
        def getgroup(self, *given: str) -> Options:
            return self

        def addoption(self, name: str, **details: Any) -> None:
            known.add(name)

    pytest_plugin._add_options(Options())  # type: ignore[arg-type]
    prefixes += (f"--{READERS_CAMERA}.",)
    wrong = [flag for flag in flags if flag not in known and not flag.startswith(prefixes)]
    maps = tuple(f"{setting.variable}__" for setting in catalogue.settings.values() if setting.is_mapping)
    maps += (f"RHEED_{READERS_CAMERA.upper()}__",)
    wrong += [
        name
        for name in names
        if name not in catalogue.by_variable and name not in FOREIGN_VARIABLES and not name.startswith(maps)
    ]
    return wrong


def main() -> None:
    """Answer what stdin asks."""
    asked = json.load(sys.stdin)
    for name in [name for name in os.environ if name.startswith(("RHEED_", "AS_API_"))]:
        del os.environ[name]
    problems = []
    for arguments in asked["commands"]:
        problem = problem_of(list(arguments))
        if problem is not None:
            problems.append(f"rheed-acquire {shlex.join(arguments)}: {problem}")
    wrong = unknown_names(asked["flags"], asked["variables"])
    json.dump(problems + [f"{name} does not exist" for name in wrong], sys.stdout)


if __name__ == "__main__":
    main()
