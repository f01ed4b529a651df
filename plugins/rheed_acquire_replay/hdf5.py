"""HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from rheed_acquire_replay.arrays import ArrayRecording, choose
from rheed_acquire_replay.recording import Recording, reading


class Hdf5Dataset(ArrayRecording):
    """A dataset of an HDF5 file.

    Parameters
    ----------
    file
        The opened h5py file; closed with the recording.
    """

    kind: ClassVar[str] = "an HDF5 file"

    def __init__(self, path: Path, file: Any, name: str) -> None:
        dataset = file[name]
        super().__init__(path, dataset, stored=dataset.chunks[0] if dataset.chunks else 1)
        self._file = file

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_hdf5(path: Path, dataset: str | None) -> Recording:
    """Open an HDF5 file; raises as `open_recording`."""
    with reading(path, Hdf5Dataset.kind):
        import h5py

        file = h5py.File(path, "r")
        try:
            shapes: dict[str, tuple[int, ...]] = {}

            def note(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset) and item.shape is not None:
                    shapes[name] = item.shape

            file.visititems(note)
            return Hdf5Dataset(path, file, choose(path, dataset, shapes))
        except BaseException:
            file.close()
            raise
