"""What lies in a run's group in a bucket beside the shards, made of the chunks that it has."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.recording.frame_numbers import FrameNumbers
from rheed_acquire.recording.layout import CHUNKS_FILE, FRAMES_ARE, GROUP
from rheed_acquire.recording.run_arrays import RunArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rheed_acquire.recording.received_chunks import ReceivedChunks

_STAMP_BLOCK, _LIST_BLOCK = 1024, 256
"""Smaller than on a disk, where what a chunk adds is written in place: here it is the whole block again."""


def derived_objects(
    record: Mapping[str, Any], chunks: ReceivedChunks, times: Mapping[int, str]
) -> Iterator[tuple[str, bytes]]:
    """What follows from the chunks, by keys: elements before the shapes that show them, the group at last."""
    is_open = record["state"] == "open"
    latest = chunks.latest

    def numbers_of(index: int) -> FrameNumbers | None:
        if index not in times:
            return None
        since_us: NDArray[np.int64] = np.cumsum(np.array(times[index].split(","), np.int64))
        return FrameNumbers.of_times(starts[index] + since_us / 1000)

    starts = {chunk.index: chunk.start_unix_ms for chunk in chunks.in_order}
    attributes = {
        **{key: value for key, value in record.items() if key != FRAMES_ARE},
        "state": "open" if is_open else "closed",
        **chunks.attributes(),
    }
    with tempfile.TemporaryDirectory(prefix="rheed-acquire-") as scratch:
        group = Path(scratch) / GROUP
        arrays = RunArrays(
            group,
            Path(scratch),
            float(record["fps"]),
            numbers_of=numbers_of,
            stamp_block=_STAMP_BLOCK,
            list_block=_LIST_BLOCK,
        )
        if latest is not None:
            arrays.write_in_place(chunks.in_order, durable=False)
        arrays.write_attributes(attributes, durable=False)
        files = [file for file in group.rglob("*") if file.is_file()]
        for file in sorted(files, key=lambda one: (one.name == "zarr.json", -len(one.parts), str(one))):
            yield file.relative_to(scratch).as_posix(), file.read_bytes()
    if not is_open:
        lines = [json.dumps(asdict(chunk)) + "\n" for chunk in chunks.in_order]
        yield CHUNKS_FILE, "".join(lines).encode()
