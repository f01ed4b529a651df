"""Texts in HDF5 datasets, such as dates: read where they are no longer than a date is.

Those of variable length are read only after a look at what stands for them, where the dataset lies in the
file (`rheed_acquire_replay.hdf5_heaps`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rheed_acquire_replay.hdf5_heaps import TEXT_BYTES, are_sound

_MOST_TEXT = 256
_MOST_TEXTS = 10_000_000
_AT_ONCE = 1 << 20


def is_text(dataset: Any) -> bool:
    """Whether a dataset holds texts."""
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def texts(dataset: Any, count: int) -> list[str] | None:
    """Read the first texts of a dataset, in one or no dimension; None where they cannot be short ones."""
    import h5py

    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is None or count > _MOST_TEXTS or dataset.size != max(dataset.shape, default=1):
        return None
    length = kind.length
    if length is None:
        if not _are_sound(dataset):
            return None
    elif length > _MOST_TEXT:
        return None
    told = np.asarray(dataset[()]).reshape(-1)[:count]
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in told.tolist()]


def _are_sound(dataset: Any) -> bool:
    """Whether all texts can be read; of a dataset whose parts are packed this cannot be told."""
    stored = list(_stored(dataset))
    if not stored or dataset.size > _MOST_TEXTS:
        return False
    base, known = dataset.file.userblock_size, set[int]()
    with open(dataset.file.filename, "rb") as file:  # noqa: PTH123
        for at, size in stored:
            for begin in range(at, at + size, _AT_ONCE):
                wanted = min(_AT_ONCE, at + size - begin)
                file.seek(begin)
                content = file.read(wanted)
                if len(content) < wanted or not are_sound(file, content, base, _MOST_TEXT, known):
                    return False
    return True


def _stored(dataset: Any) -> Iterator[tuple[int, int]]:
    """Where the parts of a dataset lie in its file, and how long they are; nothing where they are packed."""
    size = dataset.size * TEXT_BYTES
    if dataset.chunks is None:
        at = dataset.id.get_offset()
        if at is not None and dataset.id.get_storage_size() == size:
            yield at, size
        return
    if dataset.id.get_create_plist().get_nfilters():
        return
    for number in range(dataset.id.get_num_chunks()):
        info = dataset.id.get_chunk_info(number)
        if info.byte_offset is not None:
            yield info.byte_offset, info.size // TEXT_BYTES * TEXT_BYTES
