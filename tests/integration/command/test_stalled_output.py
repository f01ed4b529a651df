"""A console that takes no output, as one in which somebody marks text, costs no frame."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

LIMIT_S = 120.0
FRAMES = 700


def is_closed(command: Command) -> bool:
    found = [json.loads(path.read_bytes()) for path in (command.folder / "runs").glob("*/stream.json")]
    return [stream["state"] for stream in found] == ["closed"]


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe cannot be filled from outside there")
def test_a_run_whose_output_nobody_takes_delivers_all_frames(command: Command) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(writing, True)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rheed_acquire", "--camera", "thirdparty", "--verbosity", "4", "--json"),
            *("--frames", str(FRAMES), "--thirdparty.fps", "200", "--thirdparty.skip", "300"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writing,
        cwd=command.folder,
        env=command.environment(),
    )
    os.close(writing)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not is_closed(command):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        said = b""
        while part := os.read(reading, 1 << 16):
            said += part
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        process.wait(LIMIT_S)
    finally:
        process.kill()
        process.communicate()
        os.close(reading)
    counts = (report["frames_received"], report["frames_pushed"], report["frames_overrun"])
    assert counts == (FRAMES, FRAMES, 0)
    assert report["delivery"]["closed"] is True
    assert process.returncode == 3  # the camera itself has lost one
    assert b"gap" in said[filled:]
