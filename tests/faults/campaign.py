"""The campaigns, from the project's root: ``python -m tests.faults.campaign kills --runs 100 --seed 1``.

``kills`` kills runs at nasty instants, half of them with an archive; ``archives`` is the same with one in
every run; ``networks`` has runs meet hostile ones. Each run has a seed, printed with what became of
it; ``--runs 1 --seed N`` makes that one again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.faults.hostile_run import HostileRun
from tests.faults.kill_run import ArchivedKillRun, KillRun
from tests.faults.seeded_run import Outcome, OutcomeT, SeededRun

from rheed_acquire.server.process import LocalServer

CAMPAIGNS: Mapping[str, type[SeededRun[Any]]] = {
    "kills": KillRun,
    "archives": ArchivedKillRun,
    "networks": HostileRun,
}


def make_runs(
    kind: type[SeededRun[OutcomeT]], seeds: Sequence[int], folder: Path, at_once: int
) -> Iterator[OutcomeT]:
    """Make runs, some at once, on one local server; a run that failed leaves its folder behind."""

    def make(seed: int) -> OutcomeT:
        own = folder / f"run-{seed}"
        outcome = kind(seed, own, server).make()
        if outcome.fate.failure is None:
            shutil.rmtree(own, ignore_errors=True)
        return outcome

    with LocalServer(folder / "runs") as server, ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(make, seeds)


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that lost or doubled a frame, or said what is not so."""
    return [outcome for outcome in outcomes if outcome.fate.failure is not None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a campaign; 0 where every run delivered every frame and said the truth about them."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign")
    parser.add_argument("campaign", choices=CAMPAIGNS)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count up from it")
    parser.add_argument("--at-once", type=int, default=3, help="runs at the same time")
    parser.add_argument("--keep", type=Path, default=None, help="folder for what runs leave behind")
    given = parser.parse_args(arguments)
    folder = given.keep or Path(tempfile.mkdtemp(prefix=f"{given.campaign}-"))
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    seeds = range(given.seed, given.seed + given.runs)
    for outcome in make_runs(CAMPAIGNS[given.campaign], seeds, folder, given.at_once):
        outcomes.append(outcome)
        print(outcome, flush=True)
    failed = [outcome.seed for outcome in failures(outcomes)]
    print(
        f"{len(outcomes)} runs, {sum(outcome.fate.taken for outcome in outcomes)} frames taken, "
        f"{len(failed)} runs failed, {time.monotonic() - begun:.0f} s"
    )
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        counts.update(outcome.counts)
        for what, several in outcome.kinds.items():
            kinds.setdefault(what, Counter()).update(several)
    print(f"  in all: {dict(counts)}")
    for what, kind in kinds.items():
        print(f"  by {what}: {dict(kind)}")
    if failed:
        print(f"  failed seeds: {failed}; what they left is in {folder}")
    elif given.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    vain = sum(not outcome.fate.taken for outcome in outcomes)
    if 2 * vain > len(outcomes):
        print(f"{vain} runs ended before their first frame: that shows nothing")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
