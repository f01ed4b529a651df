"""Runs of rheed-acquire in Tiled: `RunAdapter` reads them for its server, `register` tells it where they lie.

``rheed-tiled URL PLACE`` registers the runs in a folder or at ``s3://BUCKET/PREFIX``; it takes the key of the
server from ``TILED_API_KEY``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import xarray
from tiled.adapters.xarray import DatasetAdapter
from tiled.client import from_uri
from tiled.client.container import Container
from tiled.structures.core import Spec, StructureFamily
from tiled.structures.data_source import Asset, DataSource, Management
from tiled.utils import path_from_uri

from rheed_acquire import BucketPath, RheedAcquireError, open_run

MIMETYPE = "application/x-rheed-run"
SPECS = [Spec("rheed_run"), Spec("xarray_dataset")]
_IN_BUCKET = "s3://"


class RunAdapter:
    """What the server's configuration names for `MIMETYPE`."""

    @classmethod
    def from_catalog(cls, data_source: DataSource[None], _node: Any, /, **_: Any) -> DatasetAdapter:
        """Open a run that is registered; its frames are read when they are asked for."""
        # Of an asset without this parameter the server has not checked whether it may be read.
        (place,) = [asset.data_uri for asset in data_source.assets if asset.parameter == "data_uri"]
        return DatasetAdapter.from_dataset(_opened(place), specs=list(SPECS))


@lru_cache(maxsize=64)
def _opened(uri: str) -> xarray.Dataset:
    """A run that has ended does not change, and the server asks for it with every block."""
    return open_run(uri if uri.startswith(_IN_BUCKET) else path_from_uri(uri))


def register(catalog: Container, place: Path | BucketPath) -> Iterator[str]:
    """Register the runs at a place that have ended and are not in the catalog yet; the name of each.

    Their metadata can be searched: what `open_run` has as ``attrs`` (``name``, ``physical_sample``, ``tags``,
    ``project_id``, ``created_utc`` and so on), the number of frames, and when the first and the last was
    captured.
    """
    known = set(catalog)
    for run in _runs(place):
        if run.name in known:
            continue
        try:
            dataset = open_run(run)
        except RheedAcquireError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if dataset.attrs.get("state") != "closed":
            continue
        source = DataSource(
            structure_family=StructureFamily.container,
            structure=None,
            mimetype=MIMETYPE,
            management=Management.external,
            assets=[Asset(data_uri=_uri(run), is_directory=True, parameter="data_uri")],
        )
        catalog.new(
            StructureFamily.container, [source], key=run.name, metadata=_metadata(dataset), specs=SPECS
        )
        yield run.name


def _runs(place: Path | BucketPath) -> list[Path] | list[BucketPath]:
    """The folders at a place, but those that are the server's own."""
    if isinstance(place, BucketPath):
        return [place / name for name in sorted(place.folders()) if not name.startswith(".")]
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _uri(run: Path | BucketPath) -> str:
    if isinstance(run, BucketPath):
        return str(run)
    return f"file://localhost{quote(run.absolute().as_posix())}"


def _metadata(dataset: xarray.Dataset) -> dict[str, Any]:
    captured = dataset.time.to_numpy()
    known: dict[str, Any] = {"attrs": dict(dataset.attrs), "frames": dataset.sizes["time"]}
    if len(captured):
        known |= {"first_utc": f"{captured[0]}Z", "last_utc": f"{captured[-1]}Z"}
    return known


def main() -> None:
    """Register what is at a place, and say what that was."""
    if len(sys.argv) != 3:
        sys.exit("rheed-tiled URL PLACE")
    _, url, place = sys.argv
    catalog = from_uri(url)
    try:
        for name in register(catalog, BucketPath(place) if place.startswith(_IN_BUCKET) else Path(place)):
            print(name)
    finally:
        catalog.context.close()
