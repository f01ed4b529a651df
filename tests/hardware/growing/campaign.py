"""Each format, written by a process that is killed within a frame: every whole frame comes once, bit-exact.

By hand, 10,000 frames at 100 frames/s of each: ``python -m tests.hardware.growing.campaign [FORMAT ...]``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tests.hardware.growing.taking import taking
from tests.hardware.growing.writers import DONE, FORMATS, Writer

from rheed_acquire import CameraEndedError

ROOT = Path(__file__).parents[3]


def follow(name: str, folder: Path, frames: int, fps: float) -> tuple[float, int]:
    """Follow a writer; the seconds that it took, and how many frames waited at most.

    Raises
    ------
    AssertionError
        Not every whole frame came once, in order, as it was written.
    """
    kind, called = FORMATS[name]
    path = folder / called
    with taking(path, idle=3.0) as taken:
        writing = subprocess.Popen(
            [sys.executable, "-m", "tests.hardware.growing.writers", name, str(path), str(frames), str(fps)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert writing.stdout is not None
            said = writing.stdout.readline()
            assert said.startswith(DONE), said
        finally:
            writing.kill()
            writing.communicate()
        taken.wait(lambda: bool(taken.faults))
        assert taken.camera is not None
        statistics = taken.camera.statistics()
    assert isinstance(taken.faults[0], CameraEndedError), taken.faults
    assert len(taken.pixels) == frames, f"{len(taken.pixels)} of {frames} frames"
    expected = _Expected(kind)
    for number, pixels in enumerate(taken.pixels):
        assert pixels.dtype == expected.of(number).dtype
        np.testing.assert_array_equal(pixels, expected.of(number), f"frame {number}")
    stamps = [stamp for stamp in taken.stamps if stamp is not None]
    assert len(stamps) == frames
    assert (np.diff(np.array(stamps)) > 0).all()
    if None not in taken.ids:
        assert taken.ids == list(range(frames))
    return float(said.split()[-1]), statistics["frames_waiting_at_most"]


class _Expected:
    """What frames have to be, by the writer of a format, which is not made."""

    def __init__(self, kind: type[Writer]) -> None:
        self._writer = kind.__new__(kind)

    def of(self, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]:
        return self._writer.expected(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=list(FORMATS), help=", ".join(FORMATS))
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--fps", type=float, default=100.0)
    given = parser.parse_args()
    for name in given.formats:
        begun_s = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            took_s, waited = follow(name, Path(folder), given.frames, given.fps)
        print(
            f"{name}: {given.frames} frames in {took_s:.1f} s ({given.frames / took_s:.1f}/s), each once and "
            f"bit-exact; at most {waited} waited; {time.perf_counter() - begun_s:.1f} s in all",
            flush=True,
        )


if __name__ == "__main__":
    main()
