"""SeaweedFS as a site has it: a master, volume nodes that hold all of it twice, a filer that speaks S3."""

from __future__ import annotations

import errno
import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.networks import Host, Network
from tests.object_store import VARIABLES, WEED, RunningStore, end_with_parent, is_ready

BUCKET = "runs"
ONCE, TWICE = "000", "001"
"""As it is; with one more copy, on another node of the same rack."""
_MASTER_PORT, _VOLUME_PORT, _FILER_PORT, _S3_PORT = 9333, 8080, 8888, 8333
_UP_WITHIN_S = 120.0
_FILLER = "filler"


class NoStoreError(Exception):
    """A part of the store does not come up; the message has the end of its log."""


class Part:
    """A process of the store, on a host of its own, which can be killed and started again."""

    def __init__(self, host: Host, folder: Path, arguments: Sequence[str]) -> None:
        self.host, self.folder = host, folder
        self._arguments = [str(WEED), "-logtostderr", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The one that runs, or was killed."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it, or start it again."""
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.host.command(self._arguments),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=end_with_parent(),
            )

    def kill(self) -> None:
        """End it at this instant."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_end(self) -> str:
        """The last lines that it has said."""
        log = (self.folder.parent / f"{self.folder.name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(log.splitlines()[-15:])


class StoreCluster:
    """The store, between ``with`` and its end.

    Parameters
    ----------
    folder
        For what it keeps, and its logs.
    network
        In which each part gets a host.
    disks
        For each volume node, the folder of its volumes: a file system of its own can be filled.
    replication
        How everything is kept, as SeaweedFS writes it: `TWICE`, or `ONCE` for a single node.
    """

    def __init__(
        self, folder: Path, network: Network, disks: Sequence[Path], replication: str = TWICE
    ) -> None:
        self._folder, self._disks = folder, disks
        self._key, self._secret = secrets.token_hex(8), secrets.token_hex(16)
        master = network.add("master")
        self.master = Part(
            master,
            folder / "master",
            [
                "master", f"-ip={master.address}", f"-ip.bind={master.address}", f"-port={_MASTER_PORT}",
                f"-mdir={folder / 'master'}", f"-defaultReplication={replication}", "-volumeSizeLimitMB=128",
                "-telemetry=false",
            ],
        )  # fmt: skip
        at = f"{master.address}:{_MASTER_PORT}"
        self.nodes: list[Part] = []
        for number, disk in enumerate(disks, start=1):
            host = network.add(f"volume-{number}")
            self.nodes.append(
                Part(
                    host,
                    folder / host.name,
                    [
                        "volume", f"-ip={host.address}", f"-ip.bind={host.address}", f"-port={_VOLUME_PORT}",
                        f"-dir={disk}", "-max=40", f"-master={at}", "-dataCenter=lab", "-rack=one",
                        "-minFreeSpace=1",
                    ],
                )
            )  # fmt: skip
        filer = network.add("filer")
        config = folder / "s3.json"
        self.filer = Part(
            filer,
            folder / "filer",
            [
                "filer", f"-ip={filer.address}", f"-ip.bind={filer.address}", f"-port={_FILER_PORT}",
                f"-master={at}", f"-defaultReplicaPlacement={replication}",
                f"-defaultStoreDir={folder / 'filer'}", "-s3", f"-s3.port={_S3_PORT}",
                f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            ],
        )  # fmt: skip
        identity = {
            "name": "site",
            "credentials": [{"accessKey": self._key, "secretKey": self._secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        config.chmod(0o600)
        self.environment: Mapping[str, str] = dict(
            zip(
                VARIABLES,
                (self._key, self._secret, f"http://{filer.address}:{_S3_PORT}", "us-east-1"),
                strict=True,
            )
        )

    @property
    def running(self) -> RunningStore:
        """As tests have a store."""
        return RunningStore(self.environment, self.filer.process)

    @property
    def parts(self) -> list[Part]:
        """All of them, in the order in which they are started."""
        return [self.master, *self.nodes, self.filer]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for part in reversed(self.parts):
            part.kill()

    def _start(self) -> None:
        """Start one after another, each once the one before is there.

        Raises
        ------
        NoStoreError
            One does not come up.
        """
        self.master.start()
        self._wait(self.master, lambda: self._asked("/dir/status") is not None)
        for number, node in enumerate(self.nodes, start=1):
            node.start()
            self._wait(node, lambda number=number: self.nodes_known() >= number)
        self.filer.start()
        if not is_ready(self.filer.process, self.environment, _UP_WITHIN_S):
            raise NoStoreError(f"the filer takes no object:\n{self.filer.log_end()}")

    def nodes_known(self) -> int:
        """How many volume nodes the master knows."""
        status = self._asked("/dir/status")
        if status is None:
            return 0
        centers = status["Topology"].get("DataCenters") or []
        racks = [rack for center in centers for rack in center.get("Racks") or []]
        return sum(len(rack.get("DataNodes") or []) for rack in racks)

    def _asked(self, path: str) -> Any:
        """What the master answers; None while it does not."""
        url = f"http://{self.master.host.address}:{_MASTER_PORT}{path}"
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def _wait(self, part: Part, is_there: Any) -> None:
        given_up_s = time.monotonic() + _UP_WITHIN_S
        while not is_there():
            if part.process.poll() is not None or time.monotonic() > given_up_s:
                raise NoStoreError(f"{part.host.name} does not come up:\n{part.log_end()}")
            time.sleep(0.2)

    def used(self) -> int:
        """Bytes that the nodes' disks hold together, where each is a file system of its own."""
        disks = [os.statvfs(disk) for disk in self._disks]
        return sum((disk.f_blocks - disk.f_bfree) * disk.f_frsize for disk in disks)

    def fill(self) -> None:
        """Leave no room on any node's disk, while the nodes write there."""
        for disk in self._disks:
            with (disk / _FILLER).open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1 << 22))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def clear(self) -> None:
        """Give the room back."""
        for disk in self._disks:
            (disk / _FILLER).unlink()
