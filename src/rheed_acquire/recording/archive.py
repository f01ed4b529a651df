"""A run's archive: every frame as the camera delivered it, in the layout of a recording."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.archive_shards import blosc_codec, write_shard
from rheed_acquire.recording.declarations import ChunkDeclaration, PixelDeclaration
from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.layout import AT_CHUNKS, FRAMES_AT, GROUP, STREAM_FILE, archive_name
from rheed_acquire.recording.run_files import read_stream
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.regions.chunk_traces import measure_chunk
from rheed_acquire.system.durable_files import remove, sync_directory

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from rheed_acquire.frames.chunk import Chunk
    from rheed_acquire.frames.frame_form import FrameForm
    from rheed_acquire.recording.declarations import StreamDeclaration
    from rheed_acquire.regions.chunk_traces import ChunkTrace

logger = logging.getLogger(__name__)


def check_archive(directory: Path) -> None:
    """Find out whether archives can be kept in a directory, and make it where it is not there.

    Raises
    ------
    SettingsError
        They cannot, or what compresses them is not installed.
    """
    blosc_codec(2)
    probe = directory / f".probe-{secrets.token_hex(8)}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        remove(probe)
    except OSError as error:
        why = "it is no directory" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(
            f"the archive {directory} cannot be written to ({why}): choose another with --archive"
        ) from None


def free_folder(directory: Path, name: str, data_id: str, created: datetime) -> Path:
    """Choose the folder of a run's archive in ``directory``, one that is not there yet."""
    folders = (directory / archive_name(name, data_id, created, number) for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


def is_begun(folder: Path) -> bool:
    """Whether an archive is there, and not only a folder in which one was about to be made."""
    return (folder / STREAM_FILE).is_file()


def is_closed(folder: Path) -> bool:
    """Whether an archive is complete; one that is not there is not."""
    stream = read_stream(folder)
    return stream is not None and stream.get("state") == "closed"


class Archive:
    """Adds chunks to a run's archive; one thread at a time.

    Parameters
    ----------
    writer
        Of the run's folder.

    Attributes
    ----------
    encode_s, write_s
        Seconds that compressing has taken so far, and writing with all that comes with it.
    keep_free_bytes
        What it leaves of its disk to others.
    """

    def __init__(self, writer: RunWriter) -> None:
        if writer.pixels is None:
            raise RheedAcquireError(f"{writer.folder} is no archive")
        self._writer = writer
        self._codec = blosc_codec(writer.pixels.sample_bytes)
        self.encode_s = self.write_s = 0.0
        self.keep_free_bytes = 0

    @classmethod
    def create(
        cls,
        folder: Path,
        data_id: str,
        declaration: StreamDeclaration,
        form: FrameForm,
        physical_sample: str | None = None,
        tags: Sequence[str] = (),
        *,
        is_for_bucket: bool = False,
    ) -> Archive:
        """Begin a run's archive, in a folder that is not there yet.

        Parameters
        ----------
        physical_sample, tags
            Their names; only the server knows their ids.
        is_for_bucket
            Whether its shards go to a bucket, and so stay at the places of their chunks.

        Raises
        ------
        RheedAcquireError
            It cannot be written.
        """
        form = form.unpacked()
        pixels = PixelDeclaration(form.pixel_format, form.bits, form.shift)
        links: dict[str, Any] = {"tags": [{"id": None, "name": tag} for tag in tags]}
        if physical_sample is not None:
            links["physical_sample"] = {"id": None, "name": physical_sample}
        if is_for_bucket:
            links[FRAMES_AT] = AT_CHUNKS
        try:
            folder.mkdir(parents=True)
            archive = cls(RunWriter.create(folder, data_id, declaration, pixels, **links))
            sync_directory(folder.parent)
        except OSError as error:
            raise RheedAcquireError(f"the archive {folder} cannot be written: {error.strerror}") from None
        return archive

    @classmethod
    def resume(cls, folder: Path) -> Archive:
        """Go on with the archive of a process that is gone.

        Raises
        ------
        RheedAcquireError
            It is not there, or cannot be read or written.
        """
        if not is_begun(folder):
            raise RheedAcquireError(f"the archive {folder} is not there")
        try:
            return cls(RunWriter.load(folder))
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise RheedAcquireError(f"the archive {folder} cannot be gone on with: {what}") from None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._writer.folder

    @property
    def group(self) -> Path:
        """The Zarr group in it."""
        return self._writer.folder / GROUP

    @property
    def fps(self) -> float:
        """Frames per second, of the camera."""
        return self._writer.fps

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more chunks."""
        return self._writer.is_closed

    def has(self, index: int) -> bool:
        """Whether a chunk is in it, safely."""
        return self._writer.has(index)

    def add(
        self,
        chunk: Chunk,
        chunk_size: int,
        utc_offset_ns: int,
        *,
        traces: Sequence[ChunkTrace] | None = None,
        more_wait: bool = False,
    ) -> None:
        """Keep a dated chunk; once this returns, it survives loss of power.

        Parameters
        ----------
        chunk_size
            Frames in a full chunk of the camera's.
        utc_offset_ns
            What makes ns since 1970 in UTC of the frames' arrivals.
        traces
            What was measured of its regions; None of a chunk that nobody has measured, as after the death of
            a process: then it is done here, with the regions of the chunk before.
        more_wait
            Whether other chunks wait: the arrays that show them may then follow later.

        Raises
        ------
        OSError
            The disk will not take it; nothing of it is left.
        """
        self._leave_room(chunk.pixels.nbytes)
        count, height, width = chunk.shape
        start_ms = chunk.capture_start_ms_utc
        assert start_ms is not None
        unix_ms = start_ms + _since_ns(chunk) / 1e6
        if traces is None:
            regions = self._writer.newest_regions()
            traces = measure_chunk(chunk.form.levels_of()(chunk.pixels), regions) if regions else ()
        arrival_ms = (chunk.host_ns + utc_offset_ns) / 1e6
        numbers = FrameNumbers(unix_ms, chunk.frame_ids, chunk.timestamps_ns, arrival_ms, tuple(traces))
        declaration = ChunkDeclaration(
            index=chunk.index,
            frames=count,
            height=height,
            width=width,
            chunk_size=chunk_size,
            start_unix_ms=round(unix_ms[0]),
            avg_frame_rate=chunk.fps,
        )
        received = self._writer.incoming_path()
        begun_s = time.perf_counter()
        frames = chunk.form.samples_of()(chunk.pixels)
        encode_s = time.perf_counter() - begun_s
        try:
            encode_s += write_shard(received, frames, self._codec)
            self._writer.commit(received, declaration, numbers=numbers, more_wait=more_wait)
        except BaseException as error:
            with contextlib.suppress(OSError):
                remove(received)
            if isinstance(error, OSError) and self.has(chunk.index):
                # Safe, and only not in the arrays yet: those are written with the next chunk, or at the end.
                logger.warning("the archive %s is behind: %s", self.folder, error)
                return
            self._writer.remove_shard(chunk.index)
            raise
        self.encode_s += encode_s
        self.write_s += time.perf_counter() - begun_s - encode_s

    def _leave_room(self, nbytes: int) -> None:
        if self.keep_free_bytes and shutil.disk_usage(self.folder).free < self.keep_free_bytes + nbytes:
            raise OSError(errno.ENOSPC, "the rest of the disk is kept free for the spool", str(self.folder))

    def close(self, reason: str) -> None:
        """End it: move the frames together where some are missing, and complete the metadata.

        Raises
        ------
        OSError
            The disk will not take it; it can be read as it is, and closed later.
        """
        self._writer.close(reason)


def _since_ns(chunk: Chunk) -> NDArray[np.int64]:
    """When each frame was captured, in ns since the first: as the run knows, else by the camera's stamps."""
    if chunk.since_ns is not None:
        return chunk.since_ns
    stamps = chunk.timestamps_ns
    has_stamps = stamps.min() >= 0 and (np.diff(stamps) >= 0).all()  # those of a counter that wraps go back
    times = stamps if has_stamps else chunk.host_ns
    since: NDArray[np.int64] = times - times[0]
    return since
