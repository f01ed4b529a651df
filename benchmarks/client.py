"""`RHEEDStreamer` against the public Atomscale client, chunk by chunk into the same server.

Each side is a fresh process in each round, with a server and a spool of its own on the same disk, and pushes
the same frames. Ours has every chunk in memory that outlives its process, and on disk where the server is
late; the public client does as it does.

End to end is from the first push to the return of `finalize`, with every chunk confirmed, in bytes of pixels.
Against the local server both share the processors with its decoding; against the sink they have them nearly
to themselves. Paced, a chunk is pushed whenever a camera would have filled it, every two seconds; drain is
then the time from the last push's return to that of `finalize`. Sent is what the server received: ours
compresses as hard as it has time for, the public client always equally. Written is what the
system counts as written to disk by the pushing process (Linux). Memory is the pushing process's peak
of resident pages less what was resident once client and frames were loaded.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks._frames import contents, make_frames
from benchmarks._pushes import LOADED_CHUNKS, OURS, THEIR_LEVEL, THEIRS, Case, Figures, peer_interpreter, push
from benchmarks._rounds import Spread, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._servers import SERVERS
from benchmarks._table import Row


def rows(quick: bool) -> Iterator[Row]:
    """Compare in every case."""
    interpreters = {OURS: sys.executable, THEIRS: peer_interpreter()}
    for case in cases(quick):
        yield from _compare(case, interpreters)


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
        yield Case("shot noise", count, height, width, "sink", False, chunks // 2, 2)


def _compare(case: Case, interpreters: dict[str, str]) -> Iterator[Row]:
    measured: dict[str, list[Figures]] = {side: [] for side in interpreters}
    with scratch_folder() as folder:
        frames = folder / "frames.npy"
        count = min(LOADED_CHUNKS, case.chunks) * case.chunk_frames
        np.save(frames, make_frames(case.content, count, case.height, case.width))
        for _, side in turns(list(interpreters), case.rounds):
            measured[side].append(push(case, side, interpreters[side], frames))

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
    if all(one["written"] is not None for figures in measured.values() for one in figures):
        # Nothing at all is the aim, and no ratio can be made of it.
        ours, theirs = (
            statistics.median(one["written"] / case.megabytes / 1e6 for one in measured[side])
            for side in (OURS, THEIRS)
        )
        yield (f"{case}: written per GB of pixels", f"{ours:.2f} GB", f"{THEIRS} {theirs:.2f} GB", "")
    yield row("processor time per GB", "s", lambda one: one["cpu_s"] / case.megabytes * 1e3)
    if all(one["memory_peak"] for figures in measured.values() for one in figures):
        yield row(
            "memory",
            "MB",
            lambda one: max(1e-3, (one["memory_peak"] - one["memory_before"]) / 1e6),
            lambda one: f"{one['memory_peak'] / 1e6:,.0f} in all",
        )
