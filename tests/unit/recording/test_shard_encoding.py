"""A shard is what zarr-python takes for one, whatever the frames."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
import zarr
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from rheed_acquire.recording.shard_encoding import encode_shard
from rheed_acquire.recording.shards import count_entries, extend_shard
from rheed_acquire.recording.zarr_metadata import encode_document

REAL_FRAMES = Path(__file__).parents[4] / "shared" / "data" / "rheed-deposition"
PICTURES = ("noise", "black", "white", "one bright pixel")


def make_frames(shape: tuple[int, int, int], picture: str) -> NDArray[np.uint8]:
    if picture == "noise":
        return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    frames = np.full(shape, 255 if picture == "white" else 0, np.uint8)
    if picture == "one bright pixel":
        frames[-1, -1, -1] = 255
    return frames


def decode(shard: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Decode a shard by zarr-python, under the metadata that the wire protocol describes."""
    little_endian = {"name": "bytes", "configuration": {"endian": "little"}}
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [1, *shape[1:]],
                    "codecs": [
                        {"name": "bytes"},
                        {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
                    ],
                    "index_codecs": [little_endian, {"name": "crc32c"}],
                    "index_location": "end",
                },
            }
        ],
        "attributes": {},
        "storage_transformers": [],
    }
    buffer = default_buffer_prototype().buffer
    contents = {"zarr.json": encode_document(document), "c/0/0/0": shard}
    store = MemoryStore({name: buffer.from_bytes(content) for name, content in contents.items()})
    array: Any = zarr.open_array(store, mode="r")
    frames: NDArray[np.uint8] = array[:]
    return frames


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 40), st.integers(1, 40)),
    picture=st.sampled_from(PICTURES),
    level=st.sampled_from([0, -50, 1, 2, 3, 7, 13, 22]),
    threads=st.sampled_from([None, 1, 2, 5]),
)
@example(shape=(1, 1, 1), picture="noise", level=1, threads=None)
@example(shape=(1, 1, 1), picture="black", level=22, threads=8)
def test_zarr_reads_back_what_was_encoded(
    shape: tuple[int, int, int], picture: str, level: int, threads: int | None
) -> None:
    frames = make_frames(shape, picture)
    before = frames.copy()
    np.testing.assert_array_equal(decode(bytes(encode_shard(frames, level, threads)), shape), before)
    np.testing.assert_array_equal(frames, before)


def test_the_first_frames_of_a_buffer_are_encoded_and_not_those_behind_them() -> None:
    buffer = make_frames((6, 300, 500), "noise")
    np.testing.assert_array_equal(decode(bytes(encode_shard(buffer[:4])), (4, 300, 500)), buffer[:4])


def test_a_frame_that_was_tampered_with_is_noticed_by_its_index() -> None:
    frames = make_frames((3, 20, 30), "noise")
    shard = bytearray(bytes(encode_shard(frames)))
    shard[-20] ^= 1  # within the index
    with pytest.raises(ValueError, match=r"[Cc]hecksum"):
        decode(bytes(shard), frames.shape)


@given(count=st.integers(1, 9), absent=st.integers(0, 5), picture=st.sampled_from(PICTURES))
@settings(max_examples=20)
def test_more_entries_than_frames_make_the_shard_that_one_becomes_when_it_is_extended(
    count: int, absent: int, picture: str
) -> None:
    frames = make_frames((count, 11, 13), picture)
    extended = io.BytesIO(bytes(encode_shard(frames)))
    assert count_entries(extended, count, count + absent) == count
    extend_shard(extended, count, count + absent)
    assert bytes(encode_shard(frames, entries=count + absent)) == extended.getvalue()
    assert count_entries(extended, count, count + absent) == count + absent


@given(count=st.integers(1, 9), picture=st.sampled_from(PICTURES))
@settings(max_examples=20)
def test_the_index_lists_the_frames_one_after_another_and_ends_in_its_crc32c(
    count: int, picture: str
) -> None:
    shard = bytes(encode_shard(make_frames((count, 11, 13), picture)))
    table, crc = shard[-16 * count - 4 : -4], shard[-4:]
    assert crc == struct.pack("<I", google_crc32c.value(table))
    pairs = list(struct.iter_unpack("<QQ", table))
    ends = [offset + length for offset, length in pairs]
    assert [offset for offset, _ in pairs] == [0, *ends[:-1]]
    assert ends[-1] == len(shard) - len(table) - len(crc)


def test_frames_are_smaller_at_a_higher_level() -> None:
    rows = np.arange(200)[:, np.newaxis] * np.arange(300) % 251
    frames = np.stack([np.roll(rows, shift, axis=1) for shift in range(3)]).astype(np.uint8)
    assert len(bytes(encode_shard(frames, 19))) < len(bytes(encode_shard(frames, 1))) < frames.nbytes


def shot_noise(gray: float, seed: int, count: int = 2) -> NDArray[np.uint8]:
    """Make frames of a spot on a background, each pixel with the noise of the light that falls on it."""
    across, down = np.meshgrid(np.arange(200.0), np.arange(150.0))
    light = 4.0 + gray * np.exp(-((across - 100) ** 2 + (down - 90) ** 2) / 2 / 12.0**2)
    noise = np.random.default_rng(seed).standard_normal((count, *light.shape))
    frames: NDArray[np.uint8] = np.clip(light + np.sqrt(light) * noise, 0, 255).astype(np.uint8)
    return frames


@settings(max_examples=10)
@given(gray=st.floats(0, 250), seed=st.integers(0, 1000), level=st.sampled_from([1, 3, 5, 7, 9]))
def test_frames_with_the_noise_of_a_camera_are_smaller_than_zstd_makes_them_by_itself(
    gray: float, seed: int, level: int
) -> None:
    frames = shot_noise(gray, seed)
    by_itself = sum(len(zstandard.ZstdCompressor(level=level).compress(frame.data)) for frame in frames)
    assert len(bytes(encode_shard(frames, level))) < by_itself


@pytest.mark.skipif(not REAL_FRAMES.is_dir(), reason=f"there are no recorded frames in {REAL_FRAMES.name}")
@pytest.mark.parametrize("level", [1, 3, 5, 7, 19])
def test_recorded_frames_are_at_most_a_fiftieth_larger_than_zstd_makes_them_by_itself(level: int) -> None:
    images = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    frames = []
    for path in sorted(REAL_FRAMES.glob("*.bmp"))[::8]:
        with images.open(path) as image:
            frames.append(np.asarray(image.convert("L")))
    by_itself = sum(len(zstandard.ZstdCompressor(level=level).compress(frame.data)) for frame in frames)
    assert len(bytes(encode_shard(np.stack(frames), level))) <= 1.02 * by_itself
