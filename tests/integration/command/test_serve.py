"""``rheed-acquire serve``, and what becomes of the key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rheed_acquire import RHEEDStreamer

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

SECRET = "s3cr3t-W0rd-of-the-l4b"


def addressed(process: subprocess.Popen[str], lines: int) -> dict[str, str]:
    """Read what ``serve`` prints for its clients."""
    assert process.stdout is not None
    printed = [process.stdout.readline().rstrip("\n").partition("=") for _ in range(lines)]
    return {name: value for name, _, value in printed}


def test_a_streamer_with_what_serve_prints_streams_into_it(
    command: Command, read_stamps: Callable[[Path], list[int]]
) -> None:
    process = command.start("serve", "--dir", "kept")
    client = addressed(process, 2)
    assert list(client) == ["AS_API_ENDPOINT", "AS_API_KEY"]
    frames = np.zeros((8, 4, 8), np.uint8)
    frames[:, 0, 0] = np.arange(8)
    streamer = RHEEDStreamer(client["AS_API_KEY"], client["AS_API_ENDPOINT"])
    data_id = streamer.initialize(fps=4.0, rotations_per_min=0.0, chunk_size=8)
    streamer.push(data_id, 0, frames)
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    streamer.close()
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"Serving; runs are kept in {command.folder / 'kept'}. Ctrl-C ends.\n"
    (recording,) = command.folder.glob("kept/*/frames.zarr")
    assert read_stamps(recording) == list(range(8))


def test_what_serve_prints_is_a_dotenv_file_that_a_run_takes(command: Command) -> None:
    process = command.start("serve", "--dir", "kept")
    client = addressed(process, 2)
    command.write(".env", "".join(f"{name}={value}\n" for name, value in client.items()))
    report = command.report("--camera", "thirdparty", "--frames", "120")
    assert report["chunks_uploaded"] == 2
    assert report["output"] is None, "only the server knows where it keeps the run"
    command.interrupt(process)
    assert command.finish(process).returncode == 0
    assert len(list(command.folder.glob("kept/*/frames.zarr"))) == 1


def test_the_api_key_appears_nowhere(command: Command) -> None:
    process = command.start("serve", "--dir", "kept", AS_API_KEY=SECRET)
    client = addressed(process, 1)
    assert list(client) == ["AS_API_ENDPOINT"], "a key that the user has is not printed"
    endpoint = client["AS_API_ENDPOINT"]
    flags = ("--endpoint", endpoint, "--verbosity", "4", "--log-file", "run.log", "--tag", "growth")
    camera = ("--camera", "thirdparty", "--thirdparty.pause-after", "110", "--stall-timeout", "600")
    run = command.start(*camera, *flags, AS_API_KEY=SECRET)
    command.wait_for("paused")
    if sys.platform != "win32":
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
        assert f"--endpoint {endpoint}" in listed
        assert SECRET not in listed
    command.interrupt(run)
    outputs = [command.finish(run)]
    assert outputs[0].returncode == 0, outputs[0].stderr
    outputs += [
        command("config", *flags, AS_API_KEY=SECRET),
        command(*camera, *flags, "--endpoint", "http://127.0.0.1:9", AS_API_KEY=SECRET),
        command(*camera, "--fps", "fast", AS_API_KEY=SECRET),
    ]
    command.interrupt(process)
    outputs.append(command.finish(process))
    for done in outputs:
        assert SECRET not in done.stdout + done.stderr
    files = [path for path in command.folder.rglob("*") if path.is_file()]
    assert command.folder / "run.log" in files
    assert any("frames.zarr" in path.parts for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert "uploaded" in (command.folder / "run.log").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the processes' memory of their start from /proc")
def test_the_key_is_not_handed_on_to_the_local_server_of_a_run(command: Command) -> None:
    """The command's own key has no business in the server that a run without one starts."""
    camera = ("--camera", "thirdparty", "--thirdparty.pause-after", "20", "--stall-timeout", "600")
    run = command.start(*camera)
    command.wait_for("paused")
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    told = [Path(f"/proc/{child}/environ").read_bytes() for child in children]
    told += [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    assert len(children) == 1
    assert not any(b"API_KEY" in words for words in told)
    command.interrupt(run)
    assert command.finish(run).returncode == 0
