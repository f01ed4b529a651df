"""``rheed-acquire replay --inspect``: what a recording is, without a run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.cli import main

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_tells_what_a_run_is_with_its_first_and_last_time(
    tmp_path: Path, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    times = [stage.began_ms + 100 * number for number in range(40)]
    stage.write_run(tmp_path / "frames.zarr", stage.frames(40), times, name="growth 41")
    assert main(["replay", "--inspect", "frames.zarr"]) == 0
    said = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert said["length"].endswith("40 frames")
    assert said["picture"].endswith("9 x 6 Mono8")
    assert said["run"].endswith("growth 41")
    assert said["first"].endswith("2026-01-01 00:00:00.000 UTC")
    assert said["last"].endswith("2026-01-01 00:00:03.900 UTC")
    assert main(["replay", "frames.zarr", "--inspect", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["fps"], told["first_unix_ns"]) == (40, 10.0, round(times[0]) * 10**6)
    assert not list(tmp_path.glob("runs*"))


def test_a_rate_that_is_not_told_is_no_obstacle(
    tmp_path: Path, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    import tifffile

    tifffile.imwrite("a.tif", stage.frames(5), photometric="minisblack")
    assert main(["replay", "--inspect", "a.tif"]) == 0
    assert "give it with --fps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"), [("absent.tif", None), ("a.tif", b"II*\0"), ("a.imm", bytes(700)), ("a.txt", b"")]
)
def test_what_cannot_be_played_ends_with_2_and_one_sentence(
    stage: Stage, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    assert main(["replay", "--inspect", name]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal in Python")
def test_in_a_terminal_it_shows_that_it_is_at_work(tmp_path: Path, stage: Stage) -> None:
    import pty

    stage.write_run(tmp_path / "frames.zarr", stage.frames(4), [stage.began_ms + 100 * n for n in range(4)])
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rheed_acquire", "replay", "--inspect", "frames.zarr"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1"},
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so that the other end is closed
        while piece := os.read(leader, 4096):
            shown += piece
    os.close(leader)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"looking at the recording" in shown
    assert b"4 frames" in told
    assert b"looking" not in told
