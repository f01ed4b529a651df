"""Small and slow disks, and folders that nobody may write to: where this system lets a test have them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rheed_acquire.system.durable_files import try_to_remove_tree

DISK_VARIABLE = "SMALL_TEST_DISK"
"""Names, where a test cannot mount one itself, the folder of a small disk that is the tests' alone."""
MOST_BYTES = 1 << 30
"""Of such a disk, which is filled: never the computer's own."""
_BALLAST = "ballast"


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of a size such as ``1m``; skips the test where none can be mounted."""
    given = os.environ.get(DISK_VARIABLE)
    if given:
        with _given_disk(Path(given), int(size.removesuffix("m")) << 20) as disk:
            yield disk
        return
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


@contextmanager
def _given_disk(disk: Path, size: int) -> Iterator[Path]:
    assert shutil.disk_usage(disk).total < MOST_BYTES, f"{DISK_VARIABLE} names a disk that is not small"
    with (disk / _BALLAST).open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - size))
    try:
        yield disk
    finally:
        for path in disk.iterdir():
            try_to_remove_tree(path) if path.is_dir() else path.unlink()


def enlarge(place: Path, size: str) -> None:
    """Make a small disk larger."""
    if (place / _BALLAST).exists():
        (place / _BALLAST).unlink()
        return
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def slow_disk(place: Path, folder: Path, wait_ms: int) -> dict[str, str]:
    """Variables that make each write and sync below ``folder`` wait, in a process that is started with them.

    Parameters
    ----------
    place
        A folder to build in what is preloaded; the test is skipped where that cannot be built.
    """
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("a slow disk takes Linux and a C compiler")
    library = place / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        pytest.skip(f"what makes a disk slow cannot be built here: {built.stderr.strip()}")
    return {"LD_PRELOAD": str(library), "SLOW_FOLDER": str(folder.resolve()), "SLOW_MS": str(wait_ms)}


class ReadOnlyFolders:
    """Makes folders read-only, also to root, and writable again.

    Parameters
    ----------
    folders
        That shall take no new file and let none go.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._is_root = sys.platform == "linux" and os.geteuid() == 0
        if sys.platform == "win32":
            pytest.skip("Windows has no read-only folders")
        if self._is_root and shutil.which("chattr") is None:
            pytest.skip("root writes everywhere, and there is no chattr here to forbid it")

    def __enter__(self) -> None:
        for folder in self._folders:
            self._forbid(folder)
        if any(_takes_files(folder) for folder in self._folders):
            self._allow_all()
            pytest.skip("this file system cannot make a folder read-only for this user")

    def __exit__(self, *exc_info: object) -> None:
        self._allow_all()

    def _forbid(self, folder: Path) -> None:
        if self._is_root:
            subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False)
        else:
            folder.chmod(0o500)

    def _allow_all(self) -> None:
        for folder in self._folders:
            if self._is_root:
                subprocess.run(["chattr", "-i", str(folder)], capture_output=True, check=False)
            elif folder.exists():
                folder.chmod(0o700)


def _takes_files(folder: Path) -> bool:
    probe = folder / "probe"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError:
        return False
    return True
