"""Where this user's clients find a station: a file of the user's own, with the address and the token.

``<stations>/PID-xxxx.json`` can be read by this user only, and goes with the station. One that was left
behind, by a station that was killed, is told by its lock, which the system lets go with the process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from platformdirs import user_state_path
from pydantic import SecretStr

from rheed_acquire.system.durable_files import remove, replace
from rheed_acquire.system.own_files import make_own_folder, open_own_file

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "RHEED_STATIONS"
"""Names another folder than this user's usual one."""


@dataclass(frozen=True, slots=True)
class ListedStation:
    """A station of this user's on this computer.

    Attributes
    ----------
    pid
        Of its process.
    camera
        The kind of camera that it holds.
    url
        Where it answers, without the token.
    """

    pid: int
    camera: str
    url: str
    token: SecretStr
    started_utc: str


def stations_folder() -> Path:
    """The folder that this user's stations are listed in."""
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    return user_state_path("rheed-acquire", appauthor=False) / "stations"


def listed_stations() -> list[ListedStation]:
    """Find this user's stations that are alive, the oldest first; what dead ones have left is removed."""
    found = []
    folder = stations_folder()
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.json")):
            fields = _read(path)
            if fields is None or fields.get("host") != socket.gethostname() or _is_stale(path):
                continue
            with contextlib.suppress(KeyError, TypeError, ValueError):
                found.append(
                    ListedStation(
                        pid=int(fields["pid"]),
                        camera=str(fields["camera"]),
                        url=str(fields["url"]),
                        token=SecretStr(str(fields["token"])),
                        started_utc=str(fields["started_utc"]),
                    )
                )
    return sorted(found, key=lambda station: station.started_utc)


class StationFile:
    """Lists a station for the time of a ``with``; where that cannot be done, a warning says so.

    Parameters
    ----------
    url
        Where this computer reaches it, without the token.
    camera
        The kind of camera that it holds.
    """

    def __init__(self, url: str, token: SecretStr, camera: str) -> None:
        self._url, self._token, self._camera = url, token, camera
        self._lock: FileLock | None = None
        name = f"{os.getpid()}-{secrets.token_hex(2)}.json"
        self.path = stations_folder() / name

    def __enter__(self) -> Self:
        try:
            self._write()
        except OSError as error:
            logger.warning(
                "the station cannot be listed in %s (%s): its clients need its URL",
                self.path.parent,
                error.strerror or error,
            )
            self._remove()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._remove()

    def _write(self) -> None:
        folder = self.path.parent
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_own_folder(folder)
        listed_stations()  # what the dead have left goes
        self._lock = _lock_of(self.path)
        self._lock.acquire(timeout=0)
        fields = {
            "version": 1,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "camera": self._camera,
            "url": self._url,
            "token": self._token.get_secret_value(),
            "started_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        half = self.path.with_suffix(".part")
        with open(half, "x", encoding="utf-8", opener=open_own_file) as file:
            json.dump(fields, file)
        replace(half, self.path)

    def _remove(self) -> None:
        lock, self._lock = self._lock, None
        with contextlib.suppress(OSError):
            remove(self.path)
            remove(self.path.with_suffix(".part"))
        if lock is not None:
            lock.release()
            with contextlib.suppress(OSError):
                remove(Path(lock.lock_file))


def _lock_of(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), thread_local=False, mode=0o600)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8", opener=open_own_file) as file:
            fields = json.load(file)
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def _is_stale(path: Path) -> bool:
    """Whether the station is gone; then what it has left goes too."""
    lock = _lock_of(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    with contextlib.suppress(OSError):
        remove(path)
    lock.release()
    with contextlib.suppress(OSError):
        remove(Path(lock.lock_file))
    return True
