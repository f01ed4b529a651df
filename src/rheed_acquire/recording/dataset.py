"""A run as an xarray dataset, for analysis: `open_run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rheed_acquire.channels.channel import times_of
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.layout import (
    CHANNELS,
    FRAMES_ARE,
    FRAMES_AT,
    REFUSED_CHUNKS,
    REGION_MAXIMA,
    REGION_MEANS,
)
from rheed_acquire.recording.lazy_frames import ABSENT, LazyFrames, LazyTraces
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.recording.run_path import run_path

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

    from rheed_acquire.recording.bucket_path import BucketPath
    from rheed_acquire.regions.regions import Region

INSTALL = 'pip install "rheed-acquire[analysis]"'
_TRIES = 3
"""A run may end between two looks at it, after which it stays as it is."""
_TRACE_BLOCK = 32_768
"""Frames of one region that are read at a time."""
_NS_LIMIT_MS = 2**63 / 1e6
_NUMBERED = {
    "camera": "Number that the camera gave each frame",
    "chunks": "Place of each frame in its stream: chunk times chunk_size, and on from there. It jumps where "
    "frames are missing: by their number where whole chunks are, else to the next chunk",
}


def open_run(
    path: str | PathLike[str] | BucketPath, *, missing: Literal["drop", "keep"] = "drop"
) -> xarray.Dataset:
    """Open a recorded run for analysis with xarray and Dask. Frames are read when they are computed with.

    A run that is still being recorded opens with what is there of it so far; open it again for more.

    Parameters
    ----------
    path
        The run's folder, or the ``frames.zarr`` in it; or one in a bucket, ``s3://BUCKET/PREFIX/RUN``.
    missing
        What becomes of frames that never came: they are left out (``"drop"``), or stay as frames of 0 whose
        ``time`` is NaT (``"keep"``), so that ``frame_id`` counts without a gap.

    Returns
    -------
    xarray.Dataset
        ``frames`` (time, y, x), or of an archive in colour (time, y, x, c) with the channels' letters at
        ``c``: a Dask array with a chunk for each shard of the recording, uint8 for runs of the local server,
        and as the camera delivered them, up to uint16, for archives; one frame, a slice or
        a step chosen from it decodes no other frames, while a list, or a choice out of a choice, decodes
        whole shards. Coordinates along ``time``: ``time``
        (datetime64[ns], UTC), ``frame_id`` (int64) and ``chunk`` (int64), the index of the chunk that each
        frame came in. ``frame_id.attrs["numbered_by"]`` says whose numbers those are: ``"camera"``, or where
        the recording was not told them, as those of the local server are not, ``"chunks"``: the place in the
        stream, which is the same before and after the run has ended. For each
        channel of another instrument, a variable of its name, such as ``temperature`` (temperature_time),
        float64, with its ``units``, and the coordinate ``temperature_time`` (datetime64[ns], UTC).
        Attributes: what ``stream.json`` says of the stream, such as ``name``, ``data_id``, ``fps`` and
        ``rotations_per_min``; what is not known is not there. ``refused_chunks`` are the indices of chunks
        that came into a bucket and did not hold.

        Of an archive of a run with regions of interest also ``region_mean`` and ``region_maximum`` (time,
        region), float64: mean and greatest gray level of each region in each frame, at the camera's depth,
        NaN where it was not followed. They are read when they are computed with. Along ``region`` lie its
        name and its place (``region_x``, ``region_y``, ``region_width``, ``region_height``); one that was
        moved comes twice.

    Raises
    ------
    SettingsError
        xarray, Dask or zarr is not installed, or for a bucket obstore; or ``missing`` is neither.
    RheedAcquireError
        There is no recording at ``path``, or one that cannot be read. Also when frames are computed that are
        lost on disk, or have moved since because the run ended and had gaps.
    """
    try:
        import dask.array
        import xarray
        import zarr  # noqa: F401 - the reader needs it, and would name another extra
    except ImportError as error:
        raise SettingsError(f"open_run needs {error.name}: {INSTALL}") from None
    if missing not in ("drop", "keep"):
        raise SettingsError(f"open_run: missing must be 'drop' or 'keep', not {missing!r}")
    for _ in range(_TRIES):
        run = RecordedRun(run_path(path))
        places, coordinates = _places(run, keep=missing == "keep")
        if run.has_state_still():
            break
    from_array: Any = dask.array.from_array  # which is not typed
    frames = LazyFrames(run, places)
    array = from_array(
        frames,
        chunks=frames.chunks,
        name=False,  # a name made of the content would cost more than opening
        meta=np.empty((0,) * frames.ndim, frames.dtype),
    )
    axes: tuple[str, ...] = ("time", "y", "x")
    what = "gray level"
    if run.channels:
        axes, what = (*axes, CHANNELS), "level of each colour"
        coordinates[CHANNELS] = (CHANNELS, list(run.channels))
    elif run.mosaic:
        what = f"level behind a mosaic of colour filters, {run.mosaic} row by row"
    variables: dict[str, Any] = {"frames": (axes, array, {"long_name": what})}
    if regions := run.regions():
        for name, means in ((REGION_MEANS, "mean gray level"), (REGION_MAXIMA, "brightest pixel")):
            traces = LazyTraces(run, name, places, len(regions))
            values = from_array(traces, chunks=(_TRACE_BLOCK, 1), name=False, meta=np.empty((0, 0)))
            variables[name] = (("time", "region"), values, {"long_name": f"{means} of each region"})
        coordinates |= _placed(regions)
    for channel in run.readings():
        along = times_of(channel.name)
        described = {"long_name": channel.name, **({"units": channel.unit} if channel.unit else {})}
        variables[channel.name] = (along, channel.value, described)
        when = {"long_name": f"when {channel.name} was read, UTC"}
        coordinates[along] = (along, _datetimes(channel.time_unix_ms, run), when)
    return xarray.Dataset(variables, coordinates, _attributes(run))


def _placed(regions: Sequence[Region]) -> dict[str, Any]:
    """Name the regions, and say where each lies."""
    fields = {"region": "name", **{f"region_{one}": one for one in ("x", "y", "width", "height")}}
    return {
        name: ("region", [getattr(region, field) for region in regions]) for name, field in fields.items()
    }


def _places(run: RecordedRun, *, keep: bool) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Find where each frame lies, and what is known of it."""
    stored_ms = run.time_unix_ms()
    places = np.flatnonzero(np.isfinite(stored_ms)).astype(np.int64)
    numbers = _places_in_stream(run, places)
    if keep and len(numbers):
        all_places = np.full(numbers[-1] + 1, ABSENT, np.int64)
        all_places[numbers] = places
        places, numbers = all_places, np.arange(len(all_places))
    utc_ms = np.where(places < 0, np.nan, stored_ms[places] if len(stored_ms) else np.nan)
    recorded = run.frame_ids()
    numbered_by = "chunks" if recorded is None else "camera"
    frame_ids = numbers if recorded is None else np.where(places < 0, ABSENT, recorded[places])
    described = {"numbered_by": numbered_by, "long_name": _NUMBERED[numbered_by]}
    coordinates = {
        "time": ("time", _datetimes(utc_ms, run), {"long_name": "capture of each frame, UTC"}),
        "frame_id": ("time", frame_ids, described),
        "chunk": ("time", numbers // run.shard_frames, {"long_name": "index of the chunk of each frame"}),
    }
    return places, coordinates


def _places_in_stream(run: RecordedRun, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the frames as the stream does, in which each chunk begins at its index times the chunk size.

    So they lie while the run is open. Once it has ended its frames lie side by side, and the list of chunks
    tells of the gaps.
    """
    if run.state != "closed":
        return places
    chunks = run.chunks()
    ends = np.cumsum(chunks.frames)
    if len(places) != (ends[-1] if len(ends) else 0):
        raise RheedAcquireError(
            f"{run.group_path} is damaged: it has {len(places)} frames, but its chunks {ends[-1:].sum()}"
        )
    firsts = chunks.index * run.shard_frames - (ends - chunks.frames)
    return np.repeat(firsts, chunks.frames) + places


def _datetimes(utc_ms: NDArray[np.float64], run: RecordedRun) -> NDArray[np.datetime64]:
    """Turn milliseconds since 1970 into datetime64[ns], whole ones exactly; NaN is NaT."""
    is_known = np.isfinite(utc_ms)
    if not (np.abs(utc_ms[is_known]) < _NS_LIMIT_MS).all():
        raise RheedAcquireError(
            f"{run.group_path} has frames from before 1678 or after 2262, for which datetime64[ns] has no "
            "room: read its time_unix_ms with zarr"
        )
    known = utc_ms[is_known]
    whole = np.floor(known)
    times = np.full(utc_ms.shape, np.datetime64("NaT"), "datetime64[ns]")
    ns = whole.astype(np.int64) * 1_000_000 + np.rint((known - whole) * 1e6).astype(np.int64)
    times[is_known] = ns.astype("datetime64[ns]")
    return times


def _attributes(run: RecordedRun) -> dict[str, Any]:
    """What is known of the stream, in values that every file format of xarray takes."""
    stream: Mapping[str, Any] = run.stream or run.attributes
    flat: dict[str, Any] = {}
    for name, value in stream.items():
        if name in (FRAMES_AT, FRAMES_ARE):
            continue
        if name == REFUSED_CHUNKS:
            flat[name] = [one["chunk"] for one in value]
        elif isinstance(value, Mapping):
            flat |= {name: value.get("name"), f"{name}_id": value.get("id")}
        elif isinstance(value, list):
            flat[name] = [one.get("name") if isinstance(one, Mapping) else one for one in value]
        else:
            flat[name] = value
    return {name: value for name, value in flat.items() if value is not None and value != []}
