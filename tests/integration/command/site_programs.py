"""The programs of a site on hosts of their own: its servers, its cameras' computers, and what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.networks import Host, Network, with_names
from tests.object_store import end_with_parent
from tests.store_cluster import BUCKET, StoreCluster

CAMERAS, SERVERS = 4, 2
PORT = 8443
NAME = "site.lab.example"
STORE = f"s3://{BUCKET}/site"
_BEGINS_WITHIN_S, _ENDS_WITHIN_S = 120.0, 900.0
_FIGURE = re.compile(r"\d[\d.,:]*")
_FROM_OUTSIDE = ("RHEED_", "AS_API_", "ATOMSCALE_", "AWS_")


@dataclass(frozen=True)
class Pictures:
    """What the cameras give."""

    width: int
    height: int
    fps: float


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
