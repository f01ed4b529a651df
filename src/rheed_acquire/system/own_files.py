"""Folders and files that are this user's alone: nobody else decides what is read, moved or overwritten."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from rheed_acquire.system.long_paths import real_path


def make_own_folder(folder: Path) -> None:
    """Make a folder that only this user may enter; one that is there must be `check_own_folder`'s.

    Raises
    ------
    OSError
        It cannot be made, or the one that is there is not this user's alone.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    check_own_folder(folder)


def make_own_root(folder: Path) -> None:
    """Make a folder that only this user may enter, and those that it lies in; it may be a link to another.

    Raises
    ------
    OSError
        It cannot be made, or the one that is there is not this user's alone.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    check_own_folder(real_path(folder))


def check_own_folder(folder: Path) -> None:
    """See that a folder is one, is this user's (or root's), and that nobody else may write to it.

    Windows has no such owner and mode: there it is only seen that it is a folder and no link.

    Raises
    ------
    OSError
        It is not; ``strerror`` says why, and what to do.
    """
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise _refusal(folder, "it is a link or a file, and no folder")
    if sys.platform == "win32":
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise _refusal(folder, f"it belongs to another user (uid {found.st_uid})")
    may_write = found.st_mode & stat.S_IWOTH or (
        found.st_mode & stat.S_IWGRP and not _is_group_of_one(found.st_gid)
    )
    if may_write:
        mode = stat.S_IMODE(found.st_mode)
        raise _refusal(folder, f"others may write to it (mode {mode:04o}): chmod go-w makes it yours alone")


def open_own_file(path: str, flags: int) -> int:
    """Open a file as `open` does, but through no symbolic link; to be its ``opener``."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o600)


def _refusal(folder: Path, reason: str) -> OSError:
    return PermissionError(errno.EPERM, reason, str(folder))


def _is_group_of_one(group_id: int) -> bool:
    """Whether a group is the one that many systems make for a user alone, by the same name."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    return group_id == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}
