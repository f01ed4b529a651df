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
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from tests.faults.disks import small_disk
from tests.networks import Host, Network, with_names
from tests.object_store import end_with_parent, use_store
from tests.store_cluster import BUCKET, StoreCluster

from rheed_acquire import BucketPath, open_run
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire_simulated.bank import PatternBank

CAMERAS, SERVERS, NODES = 4, 2, 3
PORT = 8443
NAME = "site.lab.example"
STORE = f"s3://{BUCKET}/site"
_READ_AT_ONCE = 600
_FRAMES_LOST = 3
_BEGINS_WITHIN_S, _ENDS_WITHIN_S = 120.0, 900.0
_COUNTS = ("frames_received", "frames_pushed", "frames_overrun", "chunks_uploaded", "chunks_not_uploaded")
_FIGURE = re.compile(r"\d[\d.,:]*")
_FROM_OUTSIDE = ("RHEED_", "AS_API_", "ATOMSCALE_", "AWS_")


@dataclass(frozen=True)
class Pictures:
    """What the cameras give."""

    width: int
    height: int
    fps: float


@dataclass(frozen=True)
class Fault:
    """What fails, from when on and for how long, in shares of the campaign."""

    what: str
    begin: Callable[[], None]
    end: Callable[[], None]
    from_: float
    for_: float


class Told:
    """Prints what programs say, with the second in which they do; a line like the last one is left out."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}
        self._said: list[str] = []

    def say(self, who: str, line: str) -> None:
        """Print a line, unless it differs from the last of this program in figures only."""
        form = _FIGURE.sub("#", line)
        with self._lock:
            self._said.append(line)
            if self._last.get(who) != form:
                self._last[who] = form
                print(f"{time.monotonic() - self.begun_s:7.1f} s  {who}: {line}", flush=True)

    def wait_for(self, beginning: str, count: int) -> None:
        """Wait until lines that begin so have been said as often."""
        given_up_s = time.monotonic() + _BEGINS_WITHIN_S
        while sum(line.startswith(beginning) for line in self._said) < count:
            if time.monotonic() > given_up_s:
                raise TimeoutError(f"no {count} programs have said {beginning!r}")
            time.sleep(0.1)


class Program:
    """A ``rheed-acquire`` on a host."""

    def __init__(
        self, host: Host, told: Told, folder: Path, arguments: Sequence[str], environment: dict[str, str]
    ) -> None:
        self.host, self._told, self._folder = host, told, folder
        self._arguments, self._environment = arguments, environment
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self.out: list[str] = []

    def start(self, hosts_file: Path | None = None) -> None:
        """Start it, or start it again."""
        command = [sys.executable, "-m", "rheed_acquire", *self._arguments]
        if hosts_file is not None:
            command = with_names(command, hosts_file)
        process = self._process = subprocess.Popen(
            self.host.command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self._folder,
            env=self._environment,
            preexec_fn=end_with_parent(),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self.out = []
        for stream, take in (
            (process.stdout, self.out.append),
            (process.stderr, lambda line: self._told.say(self.host.name, line)),
        ):
            reader = threading.Thread(target=_read, args=(stream, take))
            reader.start()
            self._readers.append(reader)

    def kill(self) -> None:
        """End it at this instant."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, within_s: float = _ENDS_WITHIN_S) -> int:
        """Wait for its end; the exit code."""
        assert self._process is not None
        code = self._process.wait(within_s)
        for reader in self._readers:
            reader.join()
        return code


def _read(stream: IO[str], take: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            take(line.rstrip("\n"))


class Site:
    """The servers and the cameras' computers, in front of a store."""

    def __init__(self, folder: Path, network: Network, store: StoreCluster, told: Told) -> None:
        self._folder, self._network, self._store, self._told = folder, network, store, told
        self.servers: list[Program] = []
        self.cameras: list[Program] = []
        self._keys: dict[int, str] = {}
        for number in range(1, SERVERS + 1):
            host = network.add(f"server-{number}")
            arguments = ("serve", "--store", STORE, "--host", host.address, "--port", str(PORT))
            self.servers.append(
                Program(host, told, self._made(host.name), arguments, self._environment(**store.environment))
            )

    def _made(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True)
        return folder

    def _environment(self, **variables: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_FROM_OUTSIDE) and not name.lower().endswith("_proxy")
        }
        return {**kept, "PYTHONUNBUFFERED": "1", "AWS_CONFIG_FILE": os.devnull, **variables}

    def start_servers(self) -> None:
        """Make a key for each camera's computer, and start the servers, which know them then."""
        self._keys = {number: self._add_key(f"chamber-{number}") for number in range(1, CAMERAS + 1)}
        for server in self.servers:
            server.start()

    def _add_key(self, name: str) -> str:
        done = subprocess.run(
            self.servers[0].host.command(
                [sys.executable, "-m", "rheed_acquire", "serve", "keys", "add", name, "--store", STORE]
            ),
            env=self._environment(**self._store.environment),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip().partition("=")[2]

    def start_cameras(self, pictures: Pictures, seconds: float) -> None:
        """Begin a run on each camera's computer, each with a key of its own."""
        for number in range(1, CAMERAS + 1):
            host = self._network.add(f"camera-{number}")
            folder = self._made(host.name)
            arguments = (
                *("--camera", "simulated", "--simulated.stamp", "--simulated.seed", str(number)),
                *("--simulated.width", str(pictures.width), "--simulated.height", str(pictures.height)),
                *("--fps", str(pictures.fps), "--duration", str(seconds)),
                *("--stream-name", host.name, "--json"),
            )
            environment = self._environment(
                AS_API_KEY=self._keys[number],
                AS_API_ENDPOINT=self._endpoint(number),
                RHEED_SPOOL_DIR=str(folder / "spool"),
                RHEED_SHARED_MEMORY=str(self._made(f"{host.name}-memory")),
                RHEED_STATIONS=str(folder / "stations"),
            )
            camera = Program(host, self._told, folder, arguments, environment)
            self.cameras.append(camera)
            camera.start(self._names(number))

    def _endpoint(self, number: int) -> str:
        if self._network.why_none is None:
            return f"http://{NAME}:{PORT}"
        return f"http://{self.servers[number % SERVERS].host.address}:{PORT}"

    def _names(self, number: int) -> Path | None:
        """Both servers under one name, as a site's DNS has them: in turns either comes first."""
        if self._network.why_none is not None:
            return None
        addresses = [server.host.address for server in self.servers]
        if number % 2:
            addresses.reverse()
        file = self._folder / f"hosts-{number}"
        file.write_text("".join(f"{address} {NAME}\n" for address in addresses), encoding="utf-8")
        return file

    def end(self) -> None:
        """End whatever still runs."""
        for program in (*self.cameras, *self.servers):
            program.kill()


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
