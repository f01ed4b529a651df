"""A stack of 100 GB is looked at, and its first and last frames are read, in little memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

pytestmark = [
    pytest.mark.usefixtures("stage"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows makes no file sparse by itself"),
]

HEIGHT, WIDTH, COUNT = 1000, 1000, 50_000
FRAME_BYTES = 2 * HEIGHT * WIDTH
MOST_BYTES = 600 << 20
_READ = """
import sys
from pathlib import Path
from benchmarks._push_program import peak_bytes
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.raw_file import RawLayout
for path, raw in zip(sys.argv[1::2], sys.argv[2::2]):
    recording = open_recording(Path(path), Options(raw=RawLayout.parse(raw) if raw else None, bits=16))
    last = recording.count - 1
    values = [int(block.pixels[0, 7, 9]) for at in (0, last) for block in recording.blocks(at, at + 1)]
    recording.close()
    print(recording.count, *values)
print(peak_bytes() or 0)
"""


def _npy(path: Path) -> str:
    stack = np.lib.format.open_memmap(path, "w+", np.dtype("<u2"), (COUNT, HEIGHT, WIDTH))
    stack[0], stack[-1] = 1000, 2000
    return ""


def _raw(path: Path) -> str:
    frame = np.full((HEIGHT, WIDTH), 1000, ">u2")
    with path.open("wb") as file:
        file.write(frame.tobytes())
        file.seek((COUNT - 1) * FRAME_BYTES)
        file.write((2 * frame).astype(">u2").tobytes())
    return f"{WIDTH}x{HEIGHT}:u16be"


def _imagej(path: Path) -> str:
    """Write it as ImageJ does above 4 GB: one page that says how many frames follow its own."""
    frame = np.full((HEIGHT, WIDTH), 1000, ">u2")
    described = f"ImageJ=1.54f\nimages={COUNT}\nframes={COUNT}\n"
    tifffile.imwrite(path, frame, byteorder=">", description=described, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        (offset,) = tiff.pages.first.dataoffsets
    with path.open("r+b") as file:
        file.seek(offset + (COUNT - 1) * FRAME_BYTES)
        file.write((2 * frame).astype(">u2").tobytes())
    return ""


def _bigtiff(path: Path) -> str:
    stack = tifffile.memmap(path, shape=(COUNT, HEIGHT, WIDTH), dtype=np.uint16, bigtiff=True)
    stack[0], stack[-1] = 1000, 2000
    stack.flush()
    return ""


def _hdf5(path: Path) -> str:
    with h5py.File(path, "w") as file:
        as_it_is = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        as_it_is.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        as_it_is.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((COUNT, HEIGHT, WIDTH))
        made = h5py.h5d.create(file.id, b"frames", h5py.h5t.STD_U16LE, space, as_it_is)
        stack = h5py.Dataset(made)
        stack[0], stack[-1] = 1000, 2000
    return ""


STACKS: dict[str, Callable[[Path], str]] = {
    "a.npy": _npy,
    "a.raw": _raw,
    "imagej.tif": _imagej,
    "big.tif": _bigtiff,
    "a.h5": _hdf5,
}


def test_stacks_of_100_gigabytes_are_read_in_little_memory(tmp_path: Path) -> None:
    trial = tmp_path / "trial"
    with trial.open("wb") as file:
        file.truncate(1 << 30)
    if trial.stat().st_blocks * 512 > 1 << 24:
        pytest.skip("the file system of the tests has no sparse files")
    given: list[str] = []
    for name, write in STACKS.items():
        path = tmp_path / name
        given += [str(path), write(path)]
        assert path.stat().st_size >= COUNT * FRAME_BYTES
        assert path.stat().st_blocks * 512 < 1 << 28
    done = subprocess.run(
        [sys.executable, "-c", _READ, *given],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    for name in STACKS:
        (tmp_path / name).unlink()
    assert done.returncode == 0, done.stderr
    *read, peak_bytes = done.stdout.splitlines()
    assert read == [f"{COUNT} 1000 2000"] * len(STACKS)
    assert int(peak_bytes) < MOST_BYTES
