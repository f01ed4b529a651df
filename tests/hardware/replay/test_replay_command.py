"""Yesterday's growth, uploaded today: the command from a recording to a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from rheed_acquire.server.stream import Stream
from rheed_acquire.server.wire import ChunkDeclaration, StreamDeclaration
from rheed_acquire.streaming.shard import encode_shard

if TYPE_CHECKING:
    from tests.hardware.replay.conftest import Stage

LIMIT_S = 90.0


def command(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run ``rheed-acquire --json`` with a local server: the exit code, the report, and what it said."""
    outside = ("RHEED_", "AS_API_", "PYLON_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    kept |= {name: os.environ[name] for name in ("RHEED_SPOOL_DIR", "RHEED_SHARED_MEMORY")}
    done = subprocess.run(
        [sys.executable, "-m", "rheed_acquire", *arguments, "--json"],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def recording(report: dict[str, Any], folder: Path) -> Any:
    return zarr.open_group(folder / report["output"] / "frames.zarr", mode="r")


def expect_same(first: Any, second: Any) -> None:
    """Compare two recordings: every pixel, the time of every frame, and how the frames came."""
    np.testing.assert_array_equal(second["frames"][:], first["frames"][:])
    for name in ("time_unix_ms", "chunk_index", "chunk_start_unix_ms", "chunk_frames"):
        np.testing.assert_array_equal(second[name][:], first[name][:], err_msg=name)
    for name in ("fps", "rotations_per_min", "chunk_size", "frames_received"):
        assert second.attrs[name] == first.attrs[name], name


def test_a_run_that_was_recorded_is_replayed_bit_exact_with_its_times(tmp_path: Path, stage: Stage) -> None:
    small = ("--simulated.width", "48", "--simulated.height", "32", "--fps", "500", "--frames", "1150")
    turning = ("--rotations-per-min", "15")
    code, made, said = command(tmp_path, "--camera", "simulated", *small, *turning)
    assert code == 0, said
    replay = ("--camera", "replay", "--replay.path", made["output"], "--replay.keep-timestamps", *turning)
    code, replayed, said = command(tmp_path, *replay, "--replay.speed", "0", "--output", "again")
    assert code == 0, said
    assert (replayed["problems"], replayed["warnings"]) == ([], [])
    assert (replayed["frames_received"], replayed["frames_pushed"]) == (1150, 1150)
    assert replayed["fps_measured"] == 500.0
    expect_same(recording(made, tmp_path), recording(replayed, tmp_path))


def test_a_run_with_short_chunks_and_pauses_is_replayed_chunk_for_chunk(tmp_path: Path, stage: Stage) -> None:
    fps, began = 59.94, 1_767_225_600_123
    frames = np.random.default_rng(3).integers(0, 256, (457, 24, 40), np.uint8)
    run = Stream.create(tmp_path, "1", StreamDeclaration("growth", fps, 0.0, None, None, None))
    place = 0
    # The camera paused for 150 ms, was away for a minute, and was lost in the end.
    for index, (count, start) in enumerate(
        [(120, 0), (120, 2003), (37, 4005), (120, 4773), (48, 66_001), (12, 67_000)]
    ):
        shard = bytes(encode_shard(frames[place : place + count]))
        incoming = run.incoming_path()
        incoming.write_bytes(shard)
        run.commit(incoming, ChunkDeclaration(index, count, 24, 40, 120, began + start, None, None))
        place += count
    run.close("ended by the client")
    replay = ("--camera", "replay", "--replay.path", ".", "--replay.keep-timestamps", "--replay.speed", "0")
    code, replayed, said = command(tmp_path, *replay)
    assert code == 0, said
    assert replayed["problems"] == []
    assert "pauses for up to 59.2 s, 3 times" in replayed["warnings"][0]["text"]
    expect_same(zarr.open_group(tmp_path / "frames.zarr", mode="r"), recording(replayed, tmp_path))


def test_a_mistake_is_one_line_and_names_what_to_do(tmp_path: Path, stage: Stage) -> None:
    for arguments, code, words in (
        ((), 2, "--replay.path is needed"),
        (("--replay.path", "b.npy"), 1, "there is no such file"),
        (("--replay.path", "b.npy", "--replay.start", "noon"), 2, "--replay.start"),
    ):
        ended, _, said = command(tmp_path, "--camera", "replay", *arguments)
        assert (ended, "Traceback" in said) == (code, False), said
        assert words in said


@pytest.mark.parametrize("missing", ["av", "zarr"])
def test_without_the_extra_the_list_of_plugins_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rheed_acquire.commands import plugins

    monkeypatch.setitem(sys.modules, missing, None)
    assert plugins.main(["--json"]) == 0
    (replay,) = (one for one in json.loads(capsys.readouterr().out) if one["plugin"] == "replay")
    (camera,) = replay["cameras"]
    assert not camera["usable"]
    assert camera["reason"] == f'{missing} is not installed: pip install "rheed-acquire[replay]"'
