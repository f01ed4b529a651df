"""The whole campaign: ``python -m tests.faults.campaign --runs 100 --seed 1``, from the project's root.

Each run has a seed of its own, printed with what became of it; ``--runs 1 --seed N`` makes that one again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.kill_run import KillOutcome, KillRun

from rheed_acquire.server.process import LocalServer


def make_runs(seeds: Sequence[int], folder: Path, at_once: int) -> Iterator[KillOutcome]:
    """Make runs, some at once, on one local server; a run that failed leaves its folder behind."""

    def make(seed: int) -> KillOutcome:
        own = folder / f"run-{seed}"
        outcome = KillRun(seed, own, server).make()
        if outcome.failure is None:
            shutil.rmtree(own, ignore_errors=True)
        return outcome

    with LocalServer(folder / "runs") as server, ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(make, seeds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the campaign; 0 where every run delivered every frame."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count up from it")
    parser.add_argument("--at-once", type=int, default=3, help="runs at the same time")
    parser.add_argument("--keep", type=Path, default=None, help="folder for what runs leave behind")
    given = parser.parse_args(arguments)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="campaign-"))
    begun = time.monotonic()
    outcomes = []
    for outcome in make_runs(range(given.seed, given.seed + given.runs), folder, given.at_once):
        outcomes.append(outcome)
        print(outcome, flush=True)
    failed = [outcome.seed for outcome in outcomes if outcome.failure is not None]
    kills = sum(outcome.kills for outcome in outcomes)
    frames = sum(outcome.taken for outcome in outcomes)
    print(
        f"{len(outcomes)} runs, {kills} kills, {frames} frames taken, {len(failed)} runs failed, "
        f"{time.monotonic() - begun:.0f} s"
    )
    for what in ("instant", "weather"):
        print(f"  by {what}: {dict(Counter(getattr(outcome, what) for outcome in outcomes))}")
    if failed:
        print(f"  failed seeds: {failed}; what they left is in {folder}")
    elif given.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    vain = sum(not outcome.taken for outcome in outcomes)
    if 2 * vain > len(outcomes):
        print(f"{vain} runs were killed before their first frame: that shows nothing")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
