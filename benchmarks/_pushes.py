"""Chunks pushed by one client into one server, in a process of its own that measures itself.

Ours is run by this interpreter. The public client is run as a black box by the interpreter that
``RHEED_INTEROP_PYTHON`` names, or by this one where it has ``atomscale``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks._rounds import UnavailableError
from benchmarks._scratch import environment_apart, scratch_folder
from benchmarks._servers import SERVERS

OURS, THEIRS = "rheed-acquire", "atomscale"
CHUNK_S = 2.0
LIMIT_S = 300.0
THEIR_LEVEL = 3
LOADED_CHUNKS = 2
"""Chunks that differ; they are pushed in turn."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """What is pushed, where to, and how often.

    Attributes
    ----------
    chunk_frames, height, width
        Of one chunk.
    paced
        Whether chunks come as a camera fills them.
    chunks, rounds
        Chunks per round and side, and rounds.
    level
        Of zstd, for ours; None where it follows the load. The public client's is always 3.
    """

    content: str
    chunk_frames: int
    height: int
    width: int
    server: str
    paced: bool
    chunks: int
    rounds: int
    level: int | None = None

    def __str__(self) -> str:
        pace = "paced" if self.paced else "unpaced"
        level = "" if self.level is None else f", level {self.level}"
        return f"{self.height} x {self.width}, {self.content}, {self.server}, {pace}{level}"

    def at_level(self, level: int | None) -> Case:
        """The same with another level."""
        return replace(self, level=level)

    @property
    def megabytes(self) -> float:
        """Pixels of all chunks, in MB."""
        return self.chunks * self.chunk_frames * self.height * self.width / 1e6


def peer_interpreter() -> str:
    """Find the interpreter that has the public client.

    Raises
    ------
    UnavailableError
        There is none.
    """
    named = os.environ.get("RHEED_INTEROP_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("atomscale") is None:
        raise UnavailableError(
            'the public client is not installed: pip install "rheed-acquire[atomscale]", or name an '
            "interpreter that has it in RHEED_INTEROP_PYTHON"
        )
    return sys.executable


def push(case: Case, side: str, interpreter: str, frames: Path) -> Figures:
    """Push once, in a process of its own.

    Raises
    ------
    RuntimeError
        The client failed, or the server has not confirmed every chunk.
    """
    with scratch_folder() as folder, SERVERS[case.server](folder) as server:
        task = {
            "client": side,
            "endpoint": server.endpoint,
            "api_key": server.api_key.get_secret_value(),
            "frames": str(frames),
            "chunk_frames": case.chunk_frames,
            "chunks": case.chunks,
            "fps": case.chunk_frames / CHUNK_S,
            "interval_s": CHUNK_S if case.paced else 0.0,
            "options": {"compression_level": case.level} if side == OURS else {},
        }
        done = subprocess.run(
            [interpreter, str(Path(__file__).with_name("_push_program.py"))],
            input=json.dumps(task),
            env=environment_apart(folder),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{side} failed:\n{done.stderr[-2000:]}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        confirmed, figures["sent"] = server.received(figures["data_id"])
        if confirmed != case.chunks:
            raise RuntimeError(f"{side}: {confirmed} of {case.chunks} chunks arrived: {figures['report']}")
    return figures
