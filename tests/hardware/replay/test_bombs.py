"""Files that are small on disk and huge once they are decoded: refused in a sentence, or read bit by bit."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr
import zstandard

pytestmark = pytest.mark.usefixtures("stage")

BLOWN_UP = 5 << 28
MOST_BYTES = 700 << 20
_BLOCK = b"\0" * (1 << 24)
_READ = """
import sys
from pathlib import Path
from benchmarks._push_program import peak_bytes
from tests.hardware.replay.fuzzing import try_to_read
why = try_to_read("", Path(sys.argv[1]))
print(peak_bytes() or 0, why or "read", sep="\\n")
"""


def _blocks() -> Iterator[bytes]:
    for _ in range(BLOWN_UP // len(_BLOCK)):
        yield _BLOCK


@cache
def _deflated() -> bytes:
    compressor = zlib.compressobj(1)
    return b"".join([*map(compressor.compress, _blocks()), compressor.flush()])


def _zstd() -> bytes:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join([*map(compressor.compress, _blocks()), compressor.flush()])


def _lzw() -> bytes:
    import imagecodecs

    return bytes(imagecodecs.lzw_encode(b"\0" * (1 << 28)))


def _tiff(path: Path, compression: int, strip: bytes, height: int = 48) -> None:
    """Write a page of one strip that says that it is of 64 pixels in ``height`` rows."""
    tags = (
        *((256, 3, 64), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 0)),
        *((277, 3, 1), (278, 4, height), (279, 4, len(strip))),
    )
    begin = 8 + 2 + 12 * len(tags) + 4
    content = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, kind, value in tags:
        content += struct.pack("<HHII", tag, kind, 1, begin if tag == 273 else value)
    path.write_bytes(content + bytes(4) + strip)


def _png(path: Path, side: int, *more: tuple[bytes, bytes], pixels: bytes) -> None:
    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(part(name, data) for name, data in parts))


def _npz(path: Path) -> None:
    header = io.BytesIO()
    shape = (BLOWN_UP >> 20, 1024, 1024)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("frames.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for block in _blocks():
            member.write(block)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        shape = (BLOWN_UP >> 20, 1024, 1024)
        frames = file.create_dataset("frames", shape, "u1", chunks=shape, compression="gzip")
        frames.id.write_direct_chunk((0, 0, 0), _deflated())


def _zarr(path: Path) -> None:
    shape = (BLOWN_UP >> 20, 1024, 1024)
    zarr.create_array(path, shape=shape, chunks=shape, dtype="u1")


SMALL = zlib.compress(bytes(48 * 49))
BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "deflate.tif": (lambda path: _tiff(path, 8, _deflated()), "cannot be read as"),
    "zstd.tif": (lambda path: _tiff(path, 50000, _zstd()), "cannot be read as"),
    "lzw.tif": (lambda path: _tiff(path, 5, _lzw()), ""),
    "huge-strip.tif": (lambda path: _tiff(path, 8, _deflated(), BLOWN_UP // 64), "it says that it has"),
    "huge-plain-strip.tif": (lambda path: _tiff(path, 1, b"", BLOWN_UP // 64), ""),
    "idat.png": (lambda path: _png(path, 48, pixels=_deflated()), "read"),
    "text.png": (lambda path: _png(path, 48, (b"zTXt", b"a\0\0" + _deflated()), pixels=SMALL), "too large"),
    "huge.png": (lambda path: _png(path, 60_000, pixels=_deflated()), "cannot be read as an image"),
    "frames.npz": (_npz, "read"),
    "chunk.h5": (_hdf5, "GB of frames in one chunk"),
    "chunk.zarr": (_zarr, "GB of frames in one chunk"),
}
"""By the name of a file, what writes it, and what is said of it."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_takes_no_memory_worth_speaking_of(name: str, tmp_path: Path) -> None:
    write, expected = BOMBS[name]
    write(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(tmp_path / name)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    peak, *said = done.stdout.splitlines()
    assert len(said) == 1
    assert expected in said[0]
    assert int(peak) < MOST_BYTES


def test_a_tiff_of_one_large_strip_is_read_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "strips.tif"
    with tifffile.TiffWriter(path) as writer:
        for number in range(3):
            frame = np.full((4096, 4096), number, np.uint8)
            writer.write(frame, photometric="minisblack", compression="zlib", rowsperstrip=4096)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    peak, said = done.stdout.splitlines()
    assert said == "read"
    assert int(peak) < MOST_BYTES
