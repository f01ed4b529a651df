"""Damaged and hostile recordings for every reader.

``python -m tests.hardware.replay.fuzzing --files 50000`` tries so many, in processes that it watches: a
crash, a hang, an error that is no sentence for the user, or memory beyond `MOST_BYTES` ends it with the seed
that repeats it.
"""

from __future__ import annotations

import argparse
import faulthandler
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

from benchmarks._push_program import peak_bytes
from tests.hardware.replay.good_recordings import SEEDS

from rheed_acquire import CameraError
from rheed_acquire_growing.growing_file import BegunAnewError, NotWholeError
from rheed_acquire_growing.kinds import open_growing
from rheed_acquire_replay.formats import open_recording
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.raw_file import RawLayout

MOST_BYTES = 2 << 30
"""Of a process, with all libraries: FFmpeg and HDF5 take some hundred megabytes of it."""
HANG_S = 60.0
BLOCKS = 40
"""Read of each file that can be opened."""
BATCH = 500
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


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
    if kind.startswith("follow-"):
        return _try_to_follow(path)
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


def _try_to_follow(path: Path) -> str | None:
    """Take the frames of a file as if it grew; as `try_to_read`."""
    file = open_growing(path, None, None)
    try:
        for _ in range(2):
            file.look()
            while file.waiting and file.next < BLOCKS:
                number, file.next = file.next, file.next + 1
                file.read(number)
                file.time_ns(number)
    except (CameraError, OSError) as error:
        return " ".join(str(error).split())
    except (BegunAnewError, NotWholeError) as error:
        return type(error).__name__
    finally:
        file.close()
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
