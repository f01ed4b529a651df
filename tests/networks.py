"""Hosts on one computer: each with a network of its own, plugged into a switch; else with an own address.

Networks are namespaces of Linux that root may make. Nothing of them is seen outside, and all of them are gone
with the processes that are in them, however these end.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.object_store import end_with_parent

_SWITCH = "switch"
_NEW_NETWORK = 0x40000000
_MADE_WITHIN_S = 10.0


class NoNetworkError(Exception):
    """This system gives this user no networks; the message says why."""


@dataclass(frozen=True)
class Counted:
    """Bytes that have gone over a cable, with all headers, as seen from the host."""

    received: int
    sent: int


class Host:
    """A computer with an address, which has no network of its own."""

    can_be_cut = False

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address

    def command(self, arguments: Sequence[str]) -> list[str]:
        """How a command is called so that it runs there."""
        return list(arguments)

    def cut(self) -> None:
        """Pull its cable out: what is on the way is lost, and nobody is told."""
        raise NotImplementedError

    def mend(self) -> None:
        """Put the cable in again."""
        raise NotImplementedError

    def counted(self) -> Counted | None:
        """What the system has counted at its cable; None where it has none."""
        return None

    def close(self) -> None:
        """Take it away."""


class NetworkHost(Host):
    """One with a network of its own."""

    can_be_cut = True

    def __init__(self, name: str, address: str, port: str) -> None:
        super().__init__(name, address)
        self._port = port
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--", "sleep", "infinity"], preexec_fn=end_with_parent()
        )
        self._network = f"/proc/{self._holder.pid}/ns/net"
        _wait_for_another_than_ours(self._network)
        _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _ip("link", "set", port, "master", _SWITCH, "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            subprocess.run(self.command(["ip", *words]), check=True)

    def command(self, arguments: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={self._network}", "--", *arguments]

    def cut(self) -> None:
        _ip("link", "set", self._port, "down")

    def mend(self) -> None:
        _ip("link", "set", self._port, "up")

    def counted(self) -> Counted:
        told: Any = json.loads(_ip("-json", "-statistics", "link", "show", self._port))
        statistics = told[0]["stats64"]
        # What the switch sends into the cable comes out at the host.
        return Counted(statistics["tx"]["bytes"], statistics["rx"]["bytes"])

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class Network:
    """Hosts that reach one another, and that this process reaches.

    It takes this thread, and what it starts from now on, out of the computer's own network where that can be;
    else hosts are addresses of the loopback interface.

    Attributes
    ----------
    why_none
        Why there are no networks; None where there are.
    """

    def __init__(self) -> None:
        self._hosts: list[Host] = []
        self.why_none: str | None = None
        try:
            _leave_network()
            _ip("link", "set", "lo", "up")
            _ip("link", "add", _SWITCH, "type", "bridge")
            _ip("address", "add", "10.77.0.1/24", "dev", _SWITCH)
            _ip("link", "set", _SWITCH, "up")
        except NoNetworkError as error:
            self.why_none = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.close()

    def add(self, name: str) -> Host:
        """Plug one more host in."""
        number = len(self._hosts) + 10
        host = (
            NetworkHost(name, f"10.77.0.{number}", f"port{number}")
            if self.why_none is None
            else Host(name, f"127.77.0.{number}")
        )
        self._hosts.append(host)
        return host


def with_names(arguments: Sequence[str], hosts_file: Path) -> list[str]:
    """How a command is called so that it finds names in this file, in the place of /etc/hosts."""
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    return ["unshare", "--mount", "--", "sh", "-c", script, "sh", str(hosts_file), *arguments]


def _leave_network() -> None:
    """Put this thread into a new network, in which there is nothing.

    Raises
    ------
    NoNetworkError
        It cannot be done here.
    """
    missing = [name for name in ("ip", "nsenter", "unshare") if shutil.which(name) is None]
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoNetworkError("only root on Linux can make networks")
    if missing:
        raise NoNetworkError(f"{' and '.join(missing)} are not installed")
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        raise NoNetworkError(f"this system makes no networks: {os.strerror(ctypes.get_errno())}")


def _wait_for_another_than_ours(network: str) -> None:
    ours = Path("/proc/thread-self/ns/net").readlink()
    given_up_s = time.monotonic() + _MADE_WITHIN_S
    while Path(network).readlink() == ours:
        if time.monotonic() > given_up_s:
            raise NoNetworkError("unshare has made no network")
        time.sleep(0.01)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoNetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
