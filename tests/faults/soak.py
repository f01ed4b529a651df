"""The soak: ``python -m tests.faults.soak --minutes 10``, from the project's root.

A camera at 200 frames/s that loses frames, vanishes and comes back, and a server of which one request in
twenty fails. Prints a table of the run's resident memory, open files and threads, and exits non-zero where
they are not flat after the first minute, or a frame was lost on our side. For Linux and Windows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hardware_mocks.faulty_server import FaultyServer
from tests.faults.process_figures import Figures, figures_of
from tests.faults.rig import Rig

FPS = 200.0
WARM_UP_S = 60.0
MEMORY_SLACK = 0.05
FILES_SLACK = 4
FAULTS = (
    *("--faulty.gap-every", "5000", "--faulty.jitter-ms", "10"),
    *("--faulty.vanish-at", "4000", "--faulty.vanish-every", "8000", "--faulty.vanish-s", "2"),
)


def judge(samples: list[tuple[float, Figures]]) -> list[str]:
    """Say what is not flat: the last third of the samples against the third after the warm-up."""
    warm = [sample for at_s, sample in samples if at_s >= WARM_UP_S]
    if len(warm) < 6:
        return [f"{len(warm)} samples after the first minute are too few to tell"]
    first, last = warm[: len(warm) // 3], warm[-(len(warm) // 3) :]
    problems = []
    before, after = (statistics.median(sample.resident_mb for sample in part) for part in (first, last))
    if after > before * (1 + MEMORY_SLACK) + 2.0:
        problems.append(f"resident memory went from {before:.1f} to {after:.1f} MB")
    for what in ("files", "threads"):
        few, many = (statistics.median(getattr(sample, what) for sample in part) for part in (first, last))
        if many > few + FILES_SLACK:
            problems.append(f"{what} went from {few:.0f} to {many:.0f}")
    return problems


def watch(process: subprocess.Popen[bytes], every_s: float) -> list[tuple[float, Figures]]:
    """Sample a process until it ends, printing each sample; seconds since now, and its figures."""
    samples: list[tuple[float, Figures]] = []
    begun = time.monotonic()
    print(f"{'s':>6} {'resident MB':>12} {'open files':>11} {'threads':>8}")
    while True:
        try:
            process.wait(every_s)
        except subprocess.TimeoutExpired:
            at_s, now = time.monotonic() - begun, figures_of(process.pid)
            if now is not None:
                samples.append((at_s, now))
                print(f"{at_s:6.0f} {now.resident_mb:12.1f} {now.files:11d} {now.threads:8d}", flush=True)
        else:
            return samples


def soak(
    folder: Path, seconds: float, every_s: float, seed: int
) -> tuple[list[tuple[float, Figures]], list[str]]:
    """Make the run and say what it did; the samples of `watch`, and what is wrong with its frames."""
    with FaultyServer(folder / "runs", seed=seed, failure_rate=0.05, spared=("create",)) as server:
        rig = Rig(folder / "rig", "soak", server)
        rig.height, rig.width = 240, 320
        kept = ("--ring-chunks", "8", "--spool-keep-free", "0")
        # As to a server of one's own: Atomscale takes fewer frames per second.
        rate = ("--fps", str(FPS), "--rheed.max-fps", "0")
        process = rig.start(*rate, "--duration", str(seconds), *kept, *FAULTS, "--json")
        try:
            samples = watch(process, every_s)
            ended = rig.finish(process)
        finally:
            rig.end()
        report = ended.report
        if "frames_received" not in report:
            return samples, [f"the run ended with {ended.code}: {ended.err}"]
        print(
            f"{report['frames_received']} frames, {report['frames_overrun']} overrun, "
            f"{report['chunks_uploaded']} of {report['chunks_pushed']} chunks uploaded; "
            f"{len(server.plan.requests)} requests, {len(server.plan.faults)} met a fault"
        )
        problems = []
        if report["frames_overrun"] or report["chunks_not_uploaded"]:
            problems.append("frames were lost on our side")
        try:
            rig.expect_delivered(report["frames_pushed"], report["frames_pushed"])
        except AssertionError as error:
            problems.append(str(error))
        return samples, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 0 where everything stayed flat and every frame arrived."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    if sys.platform == "win32" and sys.prefix != sys.base_prefix:
        parser.error("python.exe of a virtual environment only starts another on Windows: call that one")
    if figures_of(os.getpid()) is None:
        parser.error("this needs Linux's /proc, or Windows")
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        samples, problems = soak(Path(name), given.minutes * 60, given.every, given.seed)
    problems += judge(samples)
    for problem in problems:
        print(f"NOT FLAT: {problem}" if " went " in problem else f"FAILED: {problem}")
    if not problems:
        print("flat")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
