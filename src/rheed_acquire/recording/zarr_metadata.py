"""The ``zarr.json`` documents of a run, without zarr-python.

All as the Zarr v3 core specification has it: regular chunk grid, default chunk key encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rheed_acquire.recording.declarations import PixelDeclaration
from rheed_acquire.recording.layout import CHANNELS

_BYTES_LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}


def encode_document(document: Mapping[str, Any] | list[Any]) -> bytes:
    """Encode a ``zarr.json``, or any JSON file of the server's."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def group_document(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def _array_document(
    shape: Sequence[int],
    chunk_shape: Sequence[int],
    data_type: str,
    fill_value: float | str,
    codecs: list[dict[str, Any]],
    dimension_names: Sequence[str],
    attributes: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill_value,
        "codecs": codecs,
        "dimension_names": list(dimension_names),
        "attributes": dict(attributes),
        "storage_transformers": [],
    }


def frames_document(
    frames: int, height: int, width: int, chunk_size: int, pixels: PixelDeclaration | None = None
) -> dict[str, Any]:
    """Metadata of the array ``frames``: shape (frames, height, width), ``chunk_size`` a shard.

    uint8 and zstd, or what ``pixels`` says and Blosc (see `rheed_acquire.recording.archive_shards`), in
    colour with one more axis, of the channels.
    """
    codecs: list[dict[str, Any]]
    frame: tuple[int, ...] = (height, width)
    attributes: dict[str, Any] = {}
    if pixels is not None and pixels.channels:
        frame = (*frame, len(pixels.channels))
        attributes["channels"] = list(pixels.channels)
    if pixels is None:
        data_type, what = "uint8", "8-bit gray"
        codecs = [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 3, "checksum": False}}]
    else:
        data_type, what = f"uint{8 * pixels.sample_bytes}", "as the camera delivered them"
        codecs = [_BYTES_LITTLE_ENDIAN, {"name": "blosc", "configuration": blosc_of(pixels.sample_bytes)}]
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [1, *frame],
            "codecs": codecs,
            "index_codecs": [_BYTES_LITTLE_ENDIAN, {"name": "crc32c"}],
            "index_location": "end",
        },
    }
    return _array_document(
        (frames, *frame),
        (chunk_size, *frame),
        data_type,
        0,
        [sharding],
        ("time", "y", "x", CHANNELS)[: 1 + len(frame)],
        {"description": f"Frames in the order of their chunks, {what}"} | attributes,
    )


def blosc_of(sample_bytes: int) -> dict[str, Any]:
    """How an archive's frames are compressed, as the codec ``blosc`` of Zarr v3 spells it."""
    return {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": sample_bytes, "blocksize": 0}


def vector_document(
    length: int,
    block: int,
    data_type: str,
    dimension: str,
    attributes: Mapping[str, Any],
) -> dict[str, Any]:
    """Metadata of a one-dimensional array of ``int64`` or ``float64``, ``block`` elements a chunk."""
    fill_value = "NaN" if data_type == "float64" else 0
    return _array_document(
        (length,), (block,), data_type, fill_value, [_BYTES_LITTLE_ENDIAN], (dimension,), attributes
    )


def table_document(
    shape: tuple[int, int], block: int, dimensions: tuple[str, str], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """Metadata of a two-dimensional array of ``float64``, ``block`` elements of one column a chunk."""
    return _array_document(
        shape, (block, 1), "float64", "NaN", [_BYTES_LITTLE_ENDIAN], dimensions, attributes
    )
