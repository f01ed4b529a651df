"""Ctrl-C ends work that takes long at once, in one line, and leaves all files as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

INTERRUPTED = 130
PROGRAM = """
import sys, threading, time, _thread

def interrupt():
    # The thread in which Zarr reads begins with the first read of the work.
    while not any(thread.name == "zarr_io" for thread in threading.enumerate()):
        time.sleep(0.001)
    _thread.interrupt_main()

threading.Thread(target=interrupt, daemon=True).start()
from rheed_acquire.cli import command
command()
"""


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> Path:
    import zarr

    folder = tmp_path_factory.mktemp("recordings")
    frames = stage.frames(1000, 32, 32)
    times_ms = [stage.began_ms + 20 * number for number in range(len(frames))]
    stage.write_run(folder / "runs" / "growth" / "frames.zarr", frames, times_ms)
    zarr.create_array(folder / "deep.zarr", data=frames.astype(np.uint16), chunks=(2, 32, 32))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "runs/growth", "--region", "spot=16x16+0+0"),
        ("show", "runs/growth", "--export", "a.tif"),
        ("replay", "--inspect", "deep.zarr"),
    ],
    ids=["report", "export", "inspect"],
)
def test_work_that_is_interrupted_ends_in_one_line_and_leaves_no_half_file(
    recordings: Path, arguments: tuple[str, ...]
) -> None:
    before = files_in(recordings)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=recordings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == INTERRUPTED, done.stderr
    assert done.stderr == "error: interrupted\n"
    assert done.stdout == ""
    assert files_in(recordings) == before
