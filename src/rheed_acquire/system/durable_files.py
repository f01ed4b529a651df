"""Files that are whole at every instant, on every platform, and still there after the power went."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BATCH_BYTES = 1 << 20
_WRITEBACK_BYTES = 1 << 22
_BATCH_PIECES = 1024
"""As many as one writev(2) takes."""
_SHARING_ATTEMPTS = 40
_SHARING_PAUSE_S = 0.05


def replace(source: Path, target: Path) -> None:
    """Rename a file or folder over ``target``, in one step for every reader."""
    despite_readers(lambda: source.replace(target))


def remove(path: Path) -> None:
    """Delete a file, where it is there."""
    despite_readers(lambda: path.unlink(missing_ok=True))


def remove_tree(folder: Path) -> None:
    """Delete a folder with everything in it, where it is there."""
    despite_readers(lambda: _remove_tree(folder))


def try_to_remove_tree(folder: Path) -> bool:
    """Delete of a folder what can be deleted; whether all of it is gone."""
    try:
        remove_tree(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
    return not os.path.lexists(folder)


def _remove_tree(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def despite_readers(step: Callable[[], object], *, windows: bool = sys.platform == "win32") -> None:
    """Rename or delete; on Windows nobody may have it open, and for two seconds that is tried again.

    A scanner for viruses opens each file that has just been written, and a reader a file that is replaced.
    """
    for _ in range(_SHARING_ATTEMPTS if windows else 0):
        try:
            step()
        except PermissionError:
            time.sleep(_SHARING_PAUSE_S)
        else:
            return
    step()


def batches(pieces: Iterable[Buffer]) -> Iterator[list[Buffer]]:
    """Gather pieces into lists of about a megabyte, each for one `write_pieces`."""
    batch: list[Buffer] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += memoryview(piece).nbytes
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_PIECES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def write_pieces(file: FileIO, pieces: Sequence[Buffer]) -> None:
    """Write pieces of bytes one after another, by one system call and uncopied where there is writev(2)."""
    if sys.platform == "win32":
        pieces = [b"".join(pieces)]
    views = [memoryview(piece) for piece in pieces]

    def write_some() -> int:
        if sys.platform == "win32":
            return file.write(views[0])
        return os.writev(file.fileno(), views)

    while views:
        written = write_some()
        # What is left after a short write, as of a disk that is nearly full, goes once more.
        while views and written >= views[0].nbytes:
            written -= views.pop(0).nbytes
        if written:
            views[0] = views[0][written:]


class BulkWriter:
    """Writes a large file, of which the disk gets its share before the end, and not all with the sync.

    Parameters
    ----------
    file
        Open for writing, unbuffered, and empty.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._written = self._begun = 0

    def write(self, pieces: Sequence[Buffer]) -> None:
        """Write pieces, as `write_pieces`."""
        write_pieces(self._file, pieces)
        self._written += sum(memoryview(piece).nbytes for piece in pieces)
        waiting = self._written - self._begun
        if sys.platform == "linux" and waiting >= _WRITEBACK_BYTES:
            # Python knows no sync_file_range(2). This begins to write back as well, and takes from the cache
            # only what has been written back: of what was written just now, nothing.
            os.posix_fadvise(self._file.fileno(), self._begun, waiting, os.POSIX_FADV_DONTNEED)
            self._begun = self._written


def forget_cached(file: IO[bytes]) -> None:
    """Say of a synced file that nobody reads it soon; where the system listens, its memory is free at once.

    What a run writes in an hour would else fill the file cache and push out of it what other programs need,
    and the system looks for new memory for each megabyte instead of using the last one's again.
    """
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable; Windows knows no such call, and its NTFS journals names."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durable_directory(directory: Path, root: Path) -> None:
    """Make ``directory`` and what is missing between it and the existing ``root``, durably."""
    for made in make_below(directory, root):
        sync_directory(made.parent)


def make_below(directory: Path, root: Path) -> list[Path]:
    """Make ``directory`` and what is missing between it and ``root``, which is never made; those made.

    Raises
    ------
    FileNotFoundError
        ``root`` is not there, as where its disk is away.
    """
    missing = []
    step = directory
    while step != root and not step.exists():
        missing.append(step)
        step = step.parent
    missing.reverse()
    for step in missing:
        step.mkdir(exist_ok=True)
    return missing


def put_durably(source: Path, target: Path, root: Path) -> None:
    """Rename the synced file ``source`` to ``target`` somewhere under ``root``; on return it will survive."""
    make_durable_directory(target.parent, root)
    replace(source, target)
    sync_directory(target.parent)


def write_atomically(
    target: Path,
    data: bytes,
    staging: Path,
    *,
    durable: bool,
    root: Path | None = None,
    is_private: bool = False,
) -> None:
    """Write a file that no reader ever sees half written.

    Parameters
    ----------
    staging
        Folder on the same file system where the file is written before it is renamed. Not the folder of
        ``target``: a left-over there would be an unknown object in a Zarr hierarchy.
    durable
        Whether it must survive loss of power from the return on.
    root
        A folder that is not made where it is missing, nor any above it; None where all may be made.
    is_private
        Whether only this user may read it, where the system knows such files.
    """
    for folder in (staging, target.parent):
        if root is None:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            make_below(folder, root)
    temporary = staging / f"{target.name}.{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "wb", opener=_open_private if is_private else None) as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(temporary)
        raise
    if durable:
        sync_directory(target.parent)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def append_durably(path: Path, line: bytes) -> None:
    """Append one line and sync it; a half line that a crash left before it is closed off first."""
    with path.open("ab") as file:
        if file.tell() == 0:
            sync_directory(path.parent)  # before the line: once that is there nothing more can fail
        else:
            with path.open("rb") as reader:
                reader.seek(-1, os.SEEK_END)
                if reader.read(1) != b"\n":
                    file.write(b"\n")
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> Any:
    """Read a JSON file, or None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
