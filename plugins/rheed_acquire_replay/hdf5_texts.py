"""Texts in HDF5 datasets, such as dates: read where they are no longer than a date is.

HDF5 takes memory for whatever length a damaged text of variable length claims. So the claims are looked at
first, where the dataset lies in the file: of each text 4 bytes of length, and 12 bytes that say where it is
(HDF5 File Format Specification, version 3.0, IV.A.2.d).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_MOST_TEXT = 256
_MOST_TEXTS = 10_000_000
_VARIABLE_BYTES = 16
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
        if not all((part <= _MOST_TEXT).all() for part in _claims(dataset)):
            return None
    elif length > _MOST_TEXT:
        return None
    told = np.asarray(dataset[()]).reshape(-1)[:count]
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in told.tolist()]


def _claims(dataset: Any) -> Iterator[Any]:
    """How long each text claims to be; of a dataset whose parts are packed this cannot be told."""
    too_long = np.array([_MOST_TEXT + 1])
    stored = list(_stored(dataset))
    if not stored or dataset.size > _MOST_TEXTS:
        yield too_long
        return
    with open(dataset.file.filename, "rb") as file:  # noqa: PTH123
        for at, size in stored:
            file.seek(at)
            for begin in range(0, size, _AT_ONCE):
                wanted = min(_AT_ONCE, size - begin)
                content = file.read(wanted)
                if len(content) < wanted:
                    yield too_long
                    return
                yield np.frombuffer(content, "<u4")[:: _VARIABLE_BYTES // 4]


def _stored(dataset: Any) -> Iterator[tuple[int, int]]:
    """Where the parts of a dataset lie in its file, and how long they are; nothing where they are packed."""
    size = dataset.size * _VARIABLE_BYTES
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
            yield info.byte_offset, info.size // _VARIABLE_BYTES * _VARIABLE_BYTES
