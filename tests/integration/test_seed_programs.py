"""The two example programs that Atomscale's documentation prints run as they stand, but for the import.

Their text is not this project's: they are read from the folder of shared material beside the project, and
run, each in a process of its own, with their own pauses a tenth as long.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from rheed_acquire.server.process import LocalServer

DOCUMENT = Path(__file__).parents[2].parent / "shared" / "seed" / "rheed-streaming.txt"

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason=f"the page with the example programs is not at {DOCUMENT}"
)

BEFORE = """
import sys, time
import numpy

_sleep = time.sleep


def _sleep_less(seconds):
    from_program = sys._getframe(1).f_globals.get("__name__") == "__main__"
    _sleep(seconds / 10 if from_program else seconds)


time.sleep = _sleep_less
numpy.random.seed(7)
"""
AFTER = "\nprint(data_id)\n"


def read_programs() -> list[str]:
    """Cut the page's two programs out, each with the lines that create the streamer."""
    text = DOCUMENT.read_text(encoding="utf-8")
    whole_lines = re.MULTILINE | re.DOTALL
    create = re.search(
        r"^from atomscale\.streaming import RHEEDStreamer$.*?^streamer = .*?$", text, whole_lines
    )
    assert create is not None, f"{DOCUMENT} does not show how to create a streamer any more"
    bodies = re.findall(r"^import numpy as np$.*?^streamer\.finalize\(data_id\)$", text, whole_lines)
    assert len(bodies) == 2, f"{DOCUMENT} holds {len(bodies)} programs, not 2"
    head = create[0].replace("from atomscale.streaming", "from rheed_acquire.streaming")
    # The placeholder's own place is where a user would write the key, which has no business in a program.
    assert '"YOUR_API_KEY"' in head
    head = head.replace('"YOUR_API_KEY"', '__import__("os").environ["AS_API_KEY"]')
    return [f"{BEFORE}\n{head}\n{body}\n{AFTER}" for body in bodies]


def test_the_documented_programs_stream_every_frame(local_server: LocalServer, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AS_API_ENDPOINT": local_server.endpoint,
        "AS_API_KEY": local_server.api_key.get_secret_value(),
        "RHEED_SPOOL_DIR": str(tmp_path / "spool"),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for process, program in zip(running, read_programs(), strict=True):
            assert process.stdin is not None
            process.stdin.write(program)
            process.stdin.close()
            process.stdin = None
        data_ids = []
        for process in running:
            output, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors
            assert "Traceback" not in errors
            data_ids.append(output.split()[-1])
    finally:
        for process in running:
            process.kill()
            process.communicate()

    callback, generator = (
        zarr.open_group(local_server.run_directory(data_id) / "frames.zarr", mode="r") for data_id in data_ids
    )
    random = np.random.RandomState(7)
    chunks = [random.randint(0, 256, size=(240, 300, 500), dtype=np.uint8) for _ in range(5)]
    assert_holds(callback, np.concatenate(chunks), "Demo (callback mode)", [240] * 5)
    frames = np.random.RandomState(7).randint(0, 256, size=(1200, 300, 500), dtype=np.uint8)
    assert_holds(generator, frames, "Demo (generator mode)", [20] * 60)
    assert callback.attrs["rotational_period"] == 480.0


def assert_holds(run: Any, frames: Any, name: str, chunk_frames: list[int]) -> None:
    assert run.attrs["name"] == name
    assert run.attrs["physical_sample"]["name"] == "Demo wafer"
    assert run.attrs["state"] == "closed"
    assert run["chunk_frames"][:].tolist() == chunk_frames
    np.testing.assert_array_equal(run["frames"][:], frames)
