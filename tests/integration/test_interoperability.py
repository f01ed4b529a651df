"""The public Atomscale client, run as a black box, streams into the local server.

It is run by an interpreter of its own, named by ``RHEED_INTEROP_PYTHON``, since what it depends on is none of
this project's business.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from rheed_acquire.server.process import LocalServer


def _interpreter() -> str | None:
    named = os.environ.get("RHEED_INTEROP_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("atomscale") else None


INTERPRETER = _interpreter()
pytestmark = pytest.mark.skipif(
    INTERPRETER is None,
    reason="the public client is not installed: pip install atomscale, or name an interpreter that has it "
    "in RHEED_INTEROP_PYTHON",
)

PROGRAM = """
import json, sys, time
import numpy as np
from atomscale.streaming import RHEEDStreamer

endpoint, mode, out = sys.argv[1:]
streamer = RHEEDStreamer(api_key=sys.stdin.readline().strip(), endpoint=endpoint)
frames = np.random.default_rng(7).integers(0, 256, size=(100, 30, 50), dtype=np.uint8)
frames[13] = 0

def frame_chunks(frames, *, chunk_size):
    for start in range(0, len(frames), chunk_size):
        yield frames[start : start + chunk_size]

data_id = streamer.initialize(
    fps=10.0,
    rotations_per_min=15.0 if mode == "callback" else 0.0,
    chunk_size=20,
    stream_name=f"Demo ({mode} mode)",
    physical_sample="Demo wafer",
)
if mode == "callback":
    for chunk_idx, chunk in enumerate(frame_chunks(frames, chunk_size=20)):
        streamer.push(data_id, chunk_idx, chunk)
elif mode == "generator":
    streamer.run(data_id, frame_chunks(frames, chunk_size=20))
elif mode == "short":
    for chunk_idx, (start, end) in enumerate([(0, 20), (20, 31), (31, 51), (51, 71), (71, 90), (90, 100)]):
        streamer.push(data_id, chunk_idx, frames[start:end])
report = streamer.finalize(data_id)
np.save(out, frames)
print(json.dumps({"data_id": data_id, "report": repr(report)}))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("interoperability") / "runs") as server:
        yield server


@pytest.mark.parametrize("mode", ["callback", "generator", "short"])
def test_the_public_client_streams_into_the_local_server_and_the_frames_read_back(
    server: LocalServer, tmp_path: Path, mode: str
) -> None:
    assert INTERPRETER is not None
    sent = tmp_path / "frames.npy"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AS_")}
    done = subprocess.run(
        [INTERPRETER, "-c", PROGRAM, server.endpoint, mode, str(sent)],
        input=server.api_key.get_secret_value() + "\n",
        env={**environment, "ATOMSCALE_SPOOL_DIR": str(tmp_path / "spool")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data_id = json.loads(done.stdout.splitlines()[-1])["data_id"]
    group: Any = zarr.open_group(server.run_directory(data_id) / "frames.zarr", mode="r")
    np.testing.assert_array_equal(group["frames"][:], np.load(sent))
    assert group.attrs["name"] == f"Demo ({mode} mode)"
    assert group.attrs["physical_sample"]["name"] == "Demo wafer"
    assert group.attrs["state"] == "closed"
