"""What more processors bring: the same pushes, with client and server kept to 1, 2, 4 ... of them.

Both sides take turns in each round, as in `benchmarks.client`, and share the processors with the server that
they push into. ``auto`` compresses by the load; ``equal bytes`` as the public client does. Beside each is
the public client on as many processors.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks._frames import contents, make_frames
from benchmarks._pushes import LOADED_CHUNKS, OURS, THEIR_LEVEL, THEIRS, Case, peer_interpreter, push
from benchmarks._rounds import Spread, UnavailableError, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._table import Row

CHUNK_FRAMES, HEIGHT, WIDTH = 240, 300, 500
AUTO, EQUAL = "auto", "equal bytes"
SIDES = {AUTO: (OURS, None), EQUAL: (OURS, THEIR_LEVEL), THEIRS: (THEIRS, None)}


def rows(quick: bool) -> Iterator[Row]:
    """Push on more and more processors."""
    if not hasattr(os, "sched_setaffinity"):
        raise UnavailableError("this system keeps no process to some of its processors: Linux does")
    interpreters = {OURS: sys.executable, THEIRS: peer_interpreter()}
    chunks, rounds = (8, 1) if quick else (20, 4)
    for content in contents():
        for server in ("sink", "local server"):
            for processors in counts():
                size = (CHUNK_FRAMES, HEIGHT, WIDTH)
                case = Case(content, *size, server, paced=False, chunks=chunks, rounds=rounds)
                with only(processors):
                    yield from _compare(case, processors, interpreters)


def counts() -> list[int]:
    """1, 2, 4 ... of the processors that this process may use, and all of them."""
    there = len(os.sched_getaffinity(0))
    return sorted({*(2**power for power in range(there.bit_length()) if 2**power <= there), there})


@contextmanager
def only(processors: int) -> Iterator[None]:
    """Keep this process, and what it starts, to so many processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:processors])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _compare(case: Case, processors: int, interpreters: dict[str, str]) -> Iterator[Row]:
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    sent: dict[str, float] = {}
    with scratch_folder() as folder:
        frames = folder / "frames.npy"
        np.save(frames, make_frames(case.content, LOADED_CHUNKS * case.chunk_frames, case.height, case.width))
        for _, side in turns(list(SIDES), case.rounds):
            client, level = SIDES[side]
            figures = push(case.at_level(level), client, interpreters[client], frames)
            rates[side].append(case.megabytes / figures["seconds"])
            sent[side] = figures["sent"] / case.megabytes / 1e6
    for side in (AUTO, EQUAL):
        mine, theirs = statistics.median(rates[side]), statistics.median(rates[THEIRS])
        yield (
            f"{case.content}, {case.server}, {processors} processors, {side}",
            f"{short(mine)} MB/s ({sent[side]:.2f} GB sent per GB)",
            f"{THEIRS} {short(theirs)} MB/s",
            str(Spread.of_ratios(rates[side], rates[THEIRS])),
        )
