"""What the import of a plugin's module takes in, seen in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.testing.rules import Rule, broken

_PROGRAM = "import importlib, sys; importlib.import_module(sys.argv[1]); print('\\n'.join(sys.modules))"
HEAVY = ("numpy",)
"""What takes so long to import that ``rheed-acquire --help`` would be slow, besides an SDK."""


def check_import(module: str, backend: CameraBackend) -> None:
    """Import a plugin's module as the program's help does: without its SDK, and without numpy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _PROGRAM, module], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode != 0:
        broken(Rule.IMPORT, f"import {module} fails: {done.stderr.strip().splitlines()[-1:]}")
    taken = set(done.stdout.split())
    heavy = [name for name in (*backend.requires, *HEAVY) if name in taken]
    if heavy:
        broken(Rule.IMPORT, f"import {module} imports {', '.join(heavy)} too")
