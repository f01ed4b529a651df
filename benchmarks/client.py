"""`RHEEDStreamer` against the public Atomscale client, chunk by chunk into the same server.

Each side is a fresh process in each round, with a server and a spool of its own on the same disk, and pushes
the same frames. Ours syncs what it takes to disk; the public client does as it does. It is run as a black
box by the interpreter that ``RHEED_INTEROP_PYTHON`` names, or by this one where it has ``atomscale``.

End to end is from the first push to the return of `finalize`, with every chunk confirmed, in bytes of pixels.
Against the local server both share the processors with its decoding; against the sink they have them nearly
to themselves. Paced, a chunk is pushed whenever a camera would have filled it, every two seconds; drain is
then the time from the last push's return to that of `finalize`. Sent is what the server received: ours
compresses as hard as it has time for, the public client always equally. Memory is the pushing process's peak
of resident pages less what was resident once client and frames were loaded.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._frames import contents, make_frames
from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._scratch import environment_apart, scratch_folder
from benchmarks._servers import SERVERS
from benchmarks._table import Row

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

    @property
    def megabytes(self) -> float:
        """Pixels of all chunks, in MB."""
        return self.chunks * self.chunk_frames * self.height * self.width / 1e6


def rows(quick: bool) -> Iterator[Row]:
    """Compare in every case."""
    interpreters = {OURS: sys.executable, THEIRS: peer_interpreter()}
    for case in cases(quick):
        yield from _compare(case, interpreters)


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


def cases(quick: bool) -> Iterator[Case]:
    """Every combination that is measured."""
    if quick:
        for content in contents():
            for server in SERVERS:
                yield Case(content, 240, 300, 500, server, paced=False, chunks=4, rounds=2)
        yield Case(contents()[0], 240, 300, 500, "local server", paced=True, chunks=3, rounds=1)
        return
    for count, height, width, chunks in ((240, 300, 500, 40), (60, 1038, 1388, 20)):
        for content in contents():
            for server in SERVERS:
                yield Case(content, count, height, width, server, paced=False, chunks=chunks, rounds=4)
                if content == "real":
                    yield Case(content, count, height, width, server, False, chunks, 2, THEIR_LEVEL)
            yield Case(content, count, height, width, "local server", paced=True, chunks=5, rounds=2)


def _compare(case: Case, interpreters: dict[str, str]) -> Iterator[Row]:
    measured: dict[str, list[Figures]] = {side: [] for side in interpreters}
    with scratch_folder() as folder:
        frames = folder / "frames.npy"
        count = min(LOADED_CHUNKS, case.chunks) * case.chunk_frames
        np.save(frames, make_frames(case.content, count, case.height, case.width))
        for _, side in turns(list(interpreters), case.rounds):
            measured[side].append(_push(case, side, interpreters[side], frames))

    def row(
        name: str, unit: str, figure: Callable[[Figures], float], more: Callable[[Figures], str] | None = None
    ) -> Row:
        ours, theirs = ([figure(one) for one in measured[side]] for side in (OURS, THEIRS))
        cells = []
        for side, figures in ((OURS, ours), (THEIRS, theirs)):
            extra = f" ({more(measured[side][-1])})" if more else ""
            cells.append(f"{short(statistics.median(figures))} {unit}{extra}")
        return (f"{case}: {name}", cells[0], f"{THEIRS} {cells[1]}", str(Spread.of_ratios(ours, theirs)))

    if case.paced:
        yield row("drain", "s", lambda one: one["drain_s"])
    else:
        yield row("end to end", "MB/s", lambda one: case.megabytes / one["seconds"])
    yield row("push, median", "ms", lambda one: 1e3 * statistics.median(one["pushes_s"]))
    yield row("push, longest", "ms", lambda one: 1e3 * max(one["pushes_s"]))
    yield row("sent per GB of pixels", "GB", lambda one: one["sent"] / case.megabytes / 1e6)
    yield row("processor time per GB", "s", lambda one: one["cpu_s"] / case.megabytes * 1e3)
    if all(one["memory_peak"] for figures in measured.values() for one in figures):
        yield row(
            "memory",
            "MB",
            lambda one: max(1e-3, (one["memory_peak"] - one["memory_before"]) / 1e6),
            lambda one: f"{one['memory_peak'] / 1e6:,.0f} in all",
        )


def _push(case: Case, side: str, interpreter: str, frames: Path) -> Figures:
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
