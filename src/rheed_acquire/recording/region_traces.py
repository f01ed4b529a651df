"""What was measured of an archive's regions, frame by frame: kept for each chunk, shown as two arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.recording.layout import REGION_MAXIMA, REGION_MEANS
from rheed_acquire.recording.vector import Table
from rheed_acquire.regions.chunk_traces import ChunkTrace
from rheed_acquire.system.durable_files import write_atomically

if TYPE_CHECKING:
    from rheed_acquire.recording.declarations import ChunkDeclaration
    from rheed_acquire.regions.regions import Region

_BLOCK = 32_768
"""Elements of a region in one stored block."""
_DESCRIBED = {
    REGION_MEANS: "Mean gray level of each region in each frame, NaN where it was not followed",
    REGION_MAXIMA: "Brightest pixel of each region in each frame, NaN where it was not followed",
}


def write_traces(path: Path, traces: Sequence[ChunkTrace], staging: Path) -> None:
    """Keep what was measured of a chunk in a file, durably: a line of JSON with the regions, then float32."""
    regions = [trace.region.model_dump() for trace in traces]
    values = [np.asarray(one, "<f4").tobytes() for trace in traces for one in (trace.mean, trace.maximum)]
    data = b"".join([json.dumps(regions).encode(), b"\n", *values])
    write_atomically(path, data, staging, durable=True, root=staging.parent)


def read_traces(path: Path) -> tuple[ChunkTrace, ...]:
    """Read what `write_traces` has kept; nothing where it has kept nothing."""
    try:
        line, _, data = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return ()
    from rheed_acquire.regions.regions import Region  # with pydantic, which the local server does without

    regions = [Region(**fields) for fields in json.loads(line)]
    values = np.frombuffer(data, "<f4").reshape(len(regions), 2, -1)
    return tuple(ChunkTrace(region, *two) for region, two in zip(regions, values, strict=True))


class TraceArrays:
    """Writes ``region_mean`` and ``region_maximum`` of an archive: a row a frame, a column a region.

    A region that is moved or renamed goes on in a column of its own; the attribute ``regions`` lists them.
    Nothing is written of a run without regions.

    Parameters
    ----------
    group, staging
        As of `rheed_acquire.recording.run_arrays.RunArrays`.
    traces_of
        Reads what was measured of a chunk, by its index.
    """

    def __init__(self, group: Path, staging: Path, traces_of: Callable[[int], Sequence[ChunkTrace]]) -> None:
        self._traces_of = traces_of
        self._tables = {name: Table(group / name, staging, _BLOCK, ("time", "region")) for name in _DESCRIBED}
        self._regions: dict[str, Region] = {}

    def put(self, placed: Iterable[tuple[int, ChunkDeclaration]], frames: int) -> None:
        """Add what was measured of chunks of an open archive, each with the place of its first frame."""
        columns = self._columns(placed)
        if not self._regions:
            return
        for name, table in self._tables.items():
            pieces = {column: pieces[name] for column, pieces in columns.items()}
            table.put(pieces, frames, len(self._regions), self._attributes(name))

    def write(self, placed: Iterable[tuple[int, ChunkDeclaration]], frames: int, *, durable: bool) -> None:
        """Write all of it anew."""
        self._regions.clear()
        columns = self._columns(placed)
        for name, table in self._tables.items() if columns else ():
            pieces = [pieces[name] for _, pieces in sorted(columns.items())]
            table.write(pieces, frames, self._attributes(name), durable=durable)

    def _columns(
        self, placed: Iterable[tuple[int, ChunkDeclaration]]
    ) -> dict[int, dict[str, list[tuple[int, list[float]]]]]:
        """What there is of each region, by its column: the pieces of each array."""
        columns: dict[int, dict[str, list[tuple[int, list[float]]]]] = {}
        for place, chunk in placed:
            for trace in self._traces_of(chunk.index):
                key = trace.region.placed_name
                self._regions.setdefault(key, trace.region)
                column = list(self._regions).index(key)
                pieces = columns.setdefault(column, {REGION_MEANS: [], REGION_MAXIMA: []})
                pieces[REGION_MEANS].append((place, trace.mean.tolist()))
                pieces[REGION_MAXIMA].append((place, trace.maximum.tolist()))
        return columns

    def _attributes(self, name: str) -> dict[str, Any]:
        regions = [region.model_dump() for region in self._regions.values()]
        return {"description": _DESCRIBED[name], "units": "gray levels", "regions": regions}
