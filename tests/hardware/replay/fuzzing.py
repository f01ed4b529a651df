"""Damaged and hostile recordings for every reader.

``python -m tests.hardware.replay.fuzzing --files 50000`` tries so many, in processes that it watches: a
crash, a
hang, an error that is no sentence for the user, or memory beyond `MOST_BYTES` ends it with the seed that
repeats it.
"""

from __future__ import annotations

import argparse
import faulthandler
import struct
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from benchmarks._push_program import peak_bytes

from rheed_acquire import CameraError
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.raw_file import RawLayout

MOST_BYTES = 2 << 30
"""Of a process, with all libraries: FFmpeg and HDF5 take some hundred megabytes of it."""
HANG_S = 60.0
BLOCKS = 40
"""Read of each file that can be opened."""
BATCH = 500
_FRAMES = np.random.default_rng(1).integers(0, 4096, (6, 20, 24), np.uint16)
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def _tiff(folder: Path, **how: Any) -> Path:
    import tifffile

    tifffile.imwrite(folder / "a.tif", _FRAMES, photometric="minisblack", **how)
    return folder / "a.tif"


def _ome(folder: Path) -> Path:
    import tifffile

    metadata = {"axes": "TYX", "SignificantBits": 12, "TimeIncrement": 0.1}
    tifffile.imwrite(folder / "a.ome.tif", _FRAMES, metadata=metadata, photometric="minisblack")
    return folder / "a.ome.tif"


def _hdf5(folder: Path, **how: Any) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("entry/frames", data=_FRAMES, **how)
        file["entry/timestamps"] = np.arange(6) / 10
        file["entry/link"] = h5py.SoftLink("/entry/frames")
    return folder / "a.h5"


def _hdf5_frames(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        for number, frame in enumerate(_FRAMES):
            file[f"frames/{number}"] = frame
            file[f"frames/{number}"].attrs["time"] = number / 10
    return folder / "a.h5"


def _nexus(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.nxs", "w") as file:
        data = file.create_group("entry/data")
        data.attrs["NX_class"], data.attrs["signal"], data.attrs["axes"] = (
            "NXdata",
            "counts",
            ["time", "y", "x"],
        )
        data.create_dataset("counts", (60, 20, 24), np.uint16, chunks=(1, 20, 24))[:6] = _FRAMES
        data["errors"], data["time"] = _FRAMES, np.arange(60) / 10
        file["entry/start_time"] = "2026-01-01T10:00:00Z"
    return folder / "a.nxs"


def _ndtiff(folder: Path) -> Path:
    summary, index = b'{"Prefix": "g"}', b""
    head = struct.pack("<2sHI5I", b"II", 42, 28 + len(summary), 483729, 3, 3, 2355492, len(summary))
    content = head + summary
    for number, frame in enumerate(_FRAMES):
        metadata = b'{"ElapsedTime-ms": %d, "ReceivedTime": "2026-01-01 12:00:0%d +0100"}' % (number, number)
        pixels, place = frame.tobytes(), b'{"time": %d}' % number
        behind = len(content) + 2 + 12 * 10 + 4
        told = behind + len(pixels)
        end = 0 if number + 1 == len(_FRAMES) else told + len(metadata)
        values = ((256, 24), (257, 20), (258, 16), (259, 1), (262, 1), (273, behind), (277, 1), (278, 20))
        tags = [*((code, 4, 1, value) for code, value in values), (279, 4, 1, len(pixels))]
        tags.append((51123, 2, len(metadata), told))
        content += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        content += struct.pack("<I", end) + pixels + metadata
        index += struct.pack("<I", len(place)) + place + struct.pack("<I", 5) + b"a.tif"
        index += struct.pack("<IiiiiIii", behind, 24, 20, 4, 0, told, len(metadata), 0)
    (folder / "nd").mkdir()
    (folder / "nd" / "a.tif").write_bytes(content)
    (folder / "nd" / "NDTiff.index").write_bytes(index)
    return folder / "nd"


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", _FRAMES)
    return folder / "a.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", frames=_FRAMES, times=np.arange(6) / 10)
    return folder / "a.npz"


def _imm(folder: Path) -> Path:
    header = bytearray(640)
    header[39:45] = b"KSA00F"
    header[49:51], header[321:323] = (24).to_bytes(2, "big"), (20).to_bytes(2, "big")
    header[323:327], header[333:335] = (1_767_225_600).to_bytes(4, "big"), (12).to_bytes(2, "big")
    (folder / "a.imm").write_bytes(
        b"".join(bytes(header) + frame.astype("<u2").tobytes() for frame in _FRAMES)
    )
    return folder / "a.imm"


def _pgm(folder: Path) -> Path:
    (folder / "a.pgm").write_bytes(b"P5\n# x\n24 20\n4095\n" + _FRAMES[0].astype(">u2").tobytes())
    return folder / "a.pgm"


def _plain_pgm(folder: Path) -> Path:
    (folder / "a.pgm").write_bytes(
        b"P2\n24 20\n4095\n" + b" ".join(b"%d" % value for value in _FRAMES[0].ravel())
    )
    return folder / "a.pgm"


def _picture(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from PIL import Image

        image = Image.fromarray((_FRAMES[0] >> 4).astype(np.uint8))
        exif = image.getexif()
        exif[274], exif[306] = 6, "2026:01:01 10:00:00"
        details: dict[str, Any] = {"exif": exif} if name.endswith(("png", "jpg", "webp")) else {}
        image.save(folder / name, **details)
        return folder / name

    return write


def _ppm(folder: Path) -> Path:
    colours = np.repeat(_FRAMES[0][..., np.newaxis], 3, axis=-1)
    (folder / "a.ppm").write_bytes(b"P6\n24 20\n4095\n" + colours.astype(">u2").tobytes())
    return folder / "a.ppm"


def _deep_png(folder: Path) -> Path:
    import imagecodecs

    (folder / "a.png").write_bytes(imagecodecs.png_encode(np.stack([_FRAMES[0]] * 3, axis=-1)))
    return folder / "a.png"


def _video(name: str, codec: str, pixel_format: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import av

        with av.open(str(folder / name), "w") as container:
            stream: Any = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
            for number in range(6):
                pixels = np.full((48, 64), 30 * number, np.uint8)
                picture = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pixel_format)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return folder / name

    return write


def _raw(folder: Path) -> Path:
    (folder / "a.bin").write_bytes(_FRAMES.astype(">u2").tobytes())
    return folder / "a.bin"


def _zarr(folder: Path) -> Path:
    import zarr

    zarr.create_array(folder / "a.zarr", data=_FRAMES, chunks=(2, 20, 24))
    return folder / "a.zarr"


SEEDS: dict[str, Callable[[Path], Path]] = {
    "tiff": _tiff,
    "tiff-lzw": lambda folder: _tiff(folder, compression="lzw"),
    "tiff-tiled": lambda folder: _tiff(folder, tile=(16, 16), compression="zlib"),
    "imagej": lambda folder: _tiff(folder, imagej=True, metadata={"finterval": 0.1}),
    "ome": _ome,
    "hdf5": _hdf5,
    "hdf5-gzip": lambda folder: _hdf5(folder, chunks=(1, 20, 24), compression="gzip"),
    "npy": _npy,
    "npz": _npz,
    "imm": _imm,
    "pgm": _pgm,
    "plain-pgm": _plain_pgm,
    "png": _picture("a.png"),
    "deep-png": _deep_png,
    "bmp": _picture("a.bmp"),
    "jpeg": _picture("a.jpg"),
    "avi": _video("a.avi", "mjpeg", "yuvj420p"),
    "mp4": _video("a.mp4", "h264", "yuv420p"),
    "mkv": _video("a.mkv", "ffv1", "gray"),
    "raw": _raw,
    "zarr": _zarr,
    "webp": _picture("a.webp"),
    "jp2": _picture("a.jp2"),
    "tga": _picture("a.tga"),
    "ppm": _ppm,
    "hdf5-frames": _hdf5_frames,
    "nexus": _nexus,
    "ndtiff": _ndtiff,
}
"""By the kind of file, what writes a good one into a folder."""


def mutated(content: bytes, random: Random) -> bytes:
    """Damage a file: flip, overwrite, cut, repeat and insert, mostly where headers are."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        size = len(damaged)
        if not size:
            break
        at = random.randrange(min(size, 2048) if random.random() < 0.7 else size)
        match random.randrange(7):
            case 0:
                damaged[at] ^= 1 << random.randrange(8)
            case 1:
                damaged[at] = random.randrange(256)
            case 2:
                width = random.choice((1, 2, 4, 8))
                value = random.choice(_EXTREMES) % (1 << (8 * width))
                damaged[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))
            case 3:
                del damaged[at:]
            case 4:
                end = min(size, at + random.randrange(1, 64))
                damaged[at:at] = damaged[at:end] * random.randrange(1, 4)
            case 5:
                del damaged[at : at + random.randrange(1, 64)]
            case _:
                damaged[at : at + 1] = random.randbytes(random.randrange(1, 16))
    return bytes(damaged)


def write_mutated(kind: str, random: Random, good: Path, folder: Path) -> Path:
    """Write a damaged copy of a good recording."""
    if good.is_dir():
        files = sorted(file for file in good.rglob("*") if file.is_file())
        wanted = random.choice(files)
        for file in files:
            copy = folder / good.name / file.relative_to(good)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(mutated(file.read_bytes(), random) if file == wanted else file.read_bytes())
        return folder / good.name
    (folder / good.name).write_bytes(mutated(good.read_bytes(), random))
    return folder / good.name


def try_to_read(kind: str, path: Path) -> str | None:
    """Read a recording, some blocks of it; return why that cannot be, in the words for the user.

    Anything raised but a `CameraError` is a fault of the reader.
    """
    raw = RawLayout.parse("24x20:u16be") if kind == "raw" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, on what they repair
        try:
            recording = open_recording(path, Options(raw=raw))
        except CameraError as error:
            return str(error)
        try:
            for block in islice(recording.blocks(0, None), BLOCKS):
                assert block.pixels.shape[1:] == recording.shape
        except CameraError as error:
            return str(error)
        finally:
            recording.close()
    return None


def _work(first: int, count: int) -> None:
    """Try files by their seeds, and print what became of them: the process that is watched."""
    faulthandler.enable()
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        good: dict[str, Path] = {}
        for kind, write in SEEDS.items():
            (Path(folder) / kind / "good").mkdir(parents=True)
            good[kind] = write(Path(folder) / kind / "good")
        for seed in range(first, first + count):
            kind = list(SEEDS)[seed % len(SEEDS)]
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            print(f"seed {seed} {kind}", file=sys.stderr, flush=True)
            home = Path(folder) / kind
            path = write_mutated(kind, Random(seed), good[kind], home)
            why = try_to_read(kind, path)
            assert why is None or "\n" not in why, why
            told[f"{kind}: {'refused' if why else 'read'}"] += 1
            faulthandler.cancel_dump_traceback_later()
    peak = peak_bytes()
    assert peak is None or peak < MOST_BYTES, f"{peak / 1e9:.2f} GB of memory"
    for name, times in sorted(told.items()):
        print(f"{name} {times}")
    print(f"peak {0 if peak is None else peak}")


def main() -> int:
    """Try files in processes, one after another; 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first file")
    parser.add_argument("--work", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        _work(*given.work)
        return 0
    told: Counter[str] = Counter()
    peak = 0
    for first in range(given.seed, given.seed + given.files, BATCH):
        count = min(BATCH, given.seed + given.files - first)
        command = [sys.executable, "-m", "tests.hardware.replay.fuzzing", "--work", str(first), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            seeds = [line for line in done.stderr.splitlines() if line.startswith("seed ")]
            print(f"exit {done.returncode} at {seeds[-1] if seeds else 'the beginning'}")
            print(done.stderr[-4000:])
            return 1
        for line in done.stdout.splitlines():
            name, _, figure = line.rpartition(" ")
            if name == "peak":
                peak = max(peak, int(figure))
            else:
                told[name] += int(figure)
        print(f"{first + count - given.seed} files, at most {peak / 1e6:.0f} MB", flush=True)
    for name, times in sorted(told.items()):
        print(f"  {name} {times}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
