"""Four cameras on as many hosts, through two servers into a store of three nodes, while parts of it fail.

``python -m tests.integration.command.site_campaign --minutes 10`` kills a node of the store and a server and
starts them again, cuts a host off for a minute, and leaves the store without room for half a minute. It tells
what the programs say meanwhile, reads every frame back through `open_run`, compares it bit by bit, and ends
with 1 where one is missing, doubled or different, or a stream has not ended. As root on Linux hosts are
networks of their own; else they are addresses, and none is cut off.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.faults.disks import small_disk
from tests.integration.command.site_programs import CAMERAS, STORE, Pictures, Program, Site, Told
from tests.networks import Network
from tests.object_store import use_store
from tests.store_cluster import StoreCluster

from rheed_acquire import BucketPath, open_run
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire_simulated.bank import PatternBank

NODES = 3
_READ_AT_ONCE = 600
_FRAMES_LOST = 3
_COUNTS = ("frames_received", "frames_pushed", "frames_overrun", "chunks_uploaded", "chunks_not_uploaded")


@dataclass(frozen=True)
class Fault:
    """What fails, from when on and for how long, in shares of the campaign."""

    what: str
    begin: Callable[[], None]
    end: Callable[[], None]
    from_: float
    for_: float


def faults_of(site: Site, store: StoreCluster, *, can_fill: bool) -> list[Fault]:
    """What fails in ten minutes: a node for 60 s, a server for 30, a cable for 60, all room for 30."""
    node, host = store.nodes[1], site.cameras[2].host
    killed: list[Program] = []

    def kill_the_busier() -> None:
        killed.append(max(site.servers, key=_received))
        killed[-1].kill()

    faults = [
        Fault(f"{node.host.name} is killed", node.kill, node.start, 0.10, 0.10),
        Fault("the busier server is killed", kill_the_busier, lambda: killed[-1].start(), 0.30, 0.05),
    ]
    if host.can_be_cut:
        faults.append(Fault(f"the cable of {host.name} is out", host.cut, host.mend, 0.45, 0.10))
    if can_fill:
        faults.append(Fault("the store has no room", store.fill, store.clear, 0.65, 0.05))
    return faults


def _received(server: Program) -> int:
    """How much has come to it; 0 where that is not known."""
    counted = server.host.counted()
    return 0 if counted is None else counted.received


def let_fail(faults: list[Fault], seconds: float, told: Told) -> None:
    """Have everything fail when it is due, and be mended."""
    begun_s = time.monotonic()
    due = [(fault.from_, f"{fault.what} now", fault.begin) for fault in faults]
    due += [(fault.from_ + fault.for_, f"{fault.what} no more", fault.end) for fault in faults]
    for at, what, act in sorted(due, key=lambda one: one[0]):
        time.sleep(max(0.0, begun_s + at * seconds - time.monotonic()))
        told.say("campaign", what)
        act()


def look_through(run: BucketPath, seed: int, pictures: Pictures, report: dict[str, Any]) -> list[str]:
    """Read a run back; what is wrong with it."""
    problems = []
    if RecordedRun(run).state != "closed":
        problems.append("its stream has not ended")
    for left in ("uploads", "chunks"):
        if any(True for _ in (run / left).below()):
            problems.append(f"something is left in {left}/")
    bank = PatternBank(
        width=pictures.width, height=pictures.height, pixel_format="Mono8", seed=seed, noise=1.0,
        fps=pictures.fps, rotations_per_min=0.0, oscillation_period_s=2.0, oscillation_damping_s=None,
    )  # fmt: skip
    frames = open_run(run).frames
    numbers: list[int] = []
    different = 0
    for first in range(0, len(frames), _READ_AT_ONCE):
        for frame in frames[first : first + _READ_AT_ONCE].to_numpy():
            stamp = frame.reshape(-1)[:8].copy()
            numbers.append(int.from_bytes(stamp.tobytes(), "little"))
            expected = bank.pixels(numbers[-1])
            expected.reshape(-1)[:8] = stamp
            different += not np.array_equal(frame, expected)
    if different:
        problems.append(f"{different} frames are not as the camera gave them")
    if sorted(set(numbers)) != numbers:
        problems.append("frames are doubled, or out of order")
    if len(numbers) != report["frames_pushed"] or max(numbers) >= report["frames_received"]:
        problems.append(f"{len(numbers)} frames are there, and {report['frames_pushed']} were pushed")
    return problems


def judge(site: Site, pictures: Pictures) -> list[str]:
    """Wait for every camera's end, and look through its run; what is wrong."""
    problems, stored = [], 0
    reports = []
    for camera in site.cameras:
        code = camera.wait()
        report = json.loads("\n".join(camera.out) or "{}")
        reports.append(report)
        counts = {name: report.get(name) for name in _COUNTS}
        print(f"{camera.host.name}: ended with {code}, {counts}")
        for told in report.get("problems", []):
            print(f"{camera.host.name}: {told}")
        # Where the computer has too much to do frames are overrun at the camera: told, and not the site's.
        if code != 0 and not (code == _FRAMES_LOST and report["frames_overrun"]):
            problems.append(f"{camera.host.name} ended with {code}")
    place = BucketPath(STORE)
    runs = [folder for folder in place.iterdir() if not folder.name.startswith(".")]
    for number, (camera, report) in enumerate(zip(site.cameras, reports, strict=True), start=1):
        own = [run for run in runs if f"-{camera.host.name}-" in run.name]
        if len(own) != 1:
            problems.append(f"{camera.host.name} has {len(own)} runs")
            continue
        stored += own[0].bytes_below()
        problems += [f"{camera.host.name}: {what}" for what in look_through(own[0], number, pictures, report)]
    if any(True for _ in (place / ".server/open").below()):
        problems.append("a stream is marked as open")
    lines = b"".join(path.read_bytes() for path, _, _ in (place / ".server/audit").below()).splitlines()
    if len(lines) != CAMERAS:
        problems.append(f"{len(lines)} streams have a line in the audit")
    print(f"{stored / 1e6:,.1f} MB are stored, each twice")
    for server in site.servers:
        counted = server.host.counted()
        if counted is not None:
            print(
                f"{server.host.name}: received {counted.received / 1e6:.2f} MB and sent "
                f"{counted.sent / 1e6:.2f} MB, {100 * (counted.received + counted.sent) / stored:.2f} % of it"
            )
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the campaign; 0 where every frame is there once, as the camera gave it."""
    import pytest

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--disk", default="2g", help="size of each node's disk (default: 2g)")
    parser.add_argument("--keep", action="store_true", help="keep the folder, with the logs of the store")
    given = parser.parse_args(arguments)
    pictures = Pictures(given.width, given.height, given.fps)
    can_fill = sys.platform == "linux" and os.geteuid() == 0
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="site-"))
        if not given.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        network = stack.enter_context(Network())
        print(f"in {folder}; hosts are {network.why_none or 'networks of their own'}")
        disks = [folder / f"disk-{number}" for number in range(1, NODES + 1)]
        for disk in disks:
            if can_fill:
                stack.enter_context(small_disk(disk, given.disk))
            else:
                disk.mkdir()
        store = stack.enter_context(StoreCluster(folder / "store", network, disks))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        use_store(store.running, patch, folder)
        told = Told()
        site = Site(folder, network, store, told)
        stack.callback(site.end)
        site.start_servers()
        seconds = given.minutes * 60
        site.start_cameras(pictures, seconds)
        told.wait_for("stream ", CAMERAS)
        let_fail(faults_of(site, store, can_fill=can_fill), seconds, told)
        problems = judge(site, pictures)
        if can_fill:
            print(f"the nodes' disks hold {store.used() / 1e6:,.1f} MB")
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print("every frame is there once, as the camera gave it, and every stream has ended")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
