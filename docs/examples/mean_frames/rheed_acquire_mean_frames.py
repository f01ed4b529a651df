"""Writes the mean frame of each chunk to ``mean-frames/DATA_ID/INDEX.npy`` while the run goes on.

The hook passes the chunk on and returns; a thread of this plugin's own does the rest. Where that thread does
not keep up, chunks are left out and counted.
"""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheed_acquire import hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WAITING = 2
"""Chunks that may wait for the thread: they bound the memory that the plugin takes."""
DRAIN_S = 30.0
"""How long the end of a run may wait for them."""


class MeanWriter:
    """Means and writes chunks in a thread of its own.

    Parameters
    ----------
    folder
        Where the files go; made where it is not there.

    Raises
    ------
    OSError
        The folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._waiting: queue.Queue[tuple[int, NDArray[np.uint8]] | None] = queue.Queue(WAITING)
        self._left_out = 0
        self._error: OSError | None = None
        # A daemon: a disk that hangs must not keep the program from ending.
        self._thread = threading.Thread(target=self._write, name="mean-frames", daemon=True)
        self._thread.start()

    def take(self, index: int, frames: NDArray[np.uint8]) -> None:
        """Keep a chunk, (N, H, W) uint8, for the thread; leave it out where the thread is behind."""
        if self._waiting.full():
            self._left_out += 1
        else:
            self._waiting.put_nowait((index, frames))

    def finish(self, limit_s: float) -> None:
        """Wait for the thread, `limit_s` seconds at most.

        Raises
        ------
        TimeoutError
            It is not done.
        OSError
            A file could not be written; the chunks after it were not tried.
        RuntimeError
            Chunks were left out.
        """
        try:
            self._waiting.put(None, timeout=limit_s)
        except queue.Full:
            raise TimeoutError(f"mean frames are still unwritten after {limit_s:g} s") from None
        self._thread.join(limit_s)
        if self._thread.is_alive():
            raise TimeoutError(f"mean frames are still unwritten after {limit_s:g} s")
        if self._error is not None:
            raise self._error
        if self._left_out:
            raise RuntimeError(f"{self._left_out} chunks have no mean frame: writing did not keep up")

    def _write(self) -> None:
        import numpy as np

        while (item := self._waiting.get()) is not None:
            index, frames = item
            if self._error is not None:
                continue  # the queue is emptied all the same, so that `finish` comes to its end
            target = self._folder / f"{index:06}.npy"
            unfinished = target.with_suffix(".part")
            try:
                with unfinished.open("wb") as file:
                    np.save(file, frames.mean(axis=0, dtype=np.float64).astype(np.float32))
                unfinished.replace(target)  # whoever watches the folder never reads half a file
            except OSError as error:
                self._error = error


_writers: dict[str, MeanWriter] = {}


@hookimpl
def rheed_run_started(run: Any) -> None:
    """Begin to write for this stream."""
    folder = Path(os.environ.get("MEAN_FRAMES_DIR", "mean-frames"))
    _writers[run.data_id] = MeanWriter(folder / run.data_id)


@hookimpl
def rheed_chunk_completed(run: Any, chunk: Any) -> None:
    """Pass the chunk on: it is a copy that may be kept."""
    writer = _writers.get(run.data_id)
    if writer is not None:  # else it could not begin, and that was logged
        writer.take(chunk.index, chunk.frames)


@hookimpl
def rheed_run_finished(run: Any) -> None:
    """Write what is left. What is raised here is logged with this plugin's name and changes nothing else."""
    writer = _writers.pop(run.data_id, None)
    if writer is not None:
        writer.finish(DRAIN_S)
