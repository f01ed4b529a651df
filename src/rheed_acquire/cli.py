"""The ``rheed-acquire`` command: which subcommand, which exit code.

Exit codes: 0 every received frame is delivered and there were no gaps; 1 the run failed; 2 wrong usage or
settings; 3 it ran but frames were lost (the report says where); 130 interrupted twice.

Nothing heavy is imported here: each subcommand brings what it needs when it is called.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from rheed_acquire.commands.overview import COMMANDS, module_of
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.system.command_begun import note_command
from rheed_acquire.system.terminal import exit_code_of, expect_json, kept_stdout, write_failure, write_note

FAILED, INTERRUPTED = 1, 130
END_LIMIT_S = 10.0
"""How long Python may take to end: it waits for threads, and an SDK may have left some that never return."""


def command() -> NoReturn:
    """Run the command and end the process, also where a plugin's thread would keep it."""
    note_command()
    exit_code = FAILED
    try:
        exit_code = main()
    finally:
        threading.Thread(target=_end, args=(exit_code,), name="end", daemon=True).start()
    raise SystemExit(exit_code)


def _end(exit_code: int) -> None:
    time.sleep(END_LIMIT_S)
    os._exit(exit_code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv
        Its arguments; None for those of the process, which is to end with the command.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with kept_stdout(for_good=argv is None):
        if "--json" in arguments:
            expect_json()
        return exit_code_of(_run(arguments, for_good=argv is None))


def _run(arguments: list[str], *, for_good: bool) -> int:
    try:
        return _dispatch(arguments)
    except RheedAcquireError as error:
        write_failure(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        write_failure("interrupted", INTERRUPTED)
        if for_good:
            # Of a library's reads that end with the process, asyncio and Python would tell at length.
            logging.getLogger("asyncio").disabled = True
            warnings.simplefilter("ignore")
            sys.unraisablehook = lambda _: None
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001
        # A bug of ours. Who mends it wants the traceback, and a script the one object.
        write_note(*(f"    {line}" for line in traceback.format_exc().splitlines()))
        write_failure(f"this is a bug of rheed-acquire: {type(error).__name__}: {error}", FAILED)
        return FAILED


def _dispatch(arguments: list[str]) -> int:
    name = "run"
    if arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            raise SettingsError(
                f"there is no command {name!r}; {hint} (a run has none: rheed-acquire --camera NAME)"
            )
    command = import_module(module_of(name))
    return int(command.main(arguments))
