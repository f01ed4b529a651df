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
from numpy.typing import NDArray

from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

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
    run = RunWriter.create(tmp_path, "1", StreamDeclaration("growth", fps, 0.0, None, None, None))
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


def oscillation(period_s: float, fps: float, seconds: float) -> NDArray[np.uint8]:
    """Frames whose left half brightens and darkens as layers grow, and whose right half does not."""
    times_s = np.arange(round(seconds * fps)) / fps
    frames = np.random.default_rng(5).integers(90, 111, (len(times_s), 24, 40))
    frames[:, :, :20] += np.round(40 * np.sin(2 * np.pi * times_s / period_s)).astype(int)[:, None, None]
    return frames.astype(np.uint8)


def regions_of(report: dict[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    record = json.loads((folder / report["output"] / "report.json").read_text(encoding="utf-8"))
    return {region["name"]: region for region in record["regions"]}


@pytest.mark.parametrize(
    ("source", "speed"),
    [
        ("a run with its times", "0"),
        ("a run with its times", "40"),
        ("a run by its rate", "0"),
        ("an array by its rate", "0"),
    ],
)
def test_a_growth_that_is_replayed_has_the_period_that_it_had(
    tmp_path: Path, stage: Stage, source: str, speed: str
) -> None:
    period_s, fps, seconds = 5.0, 20.0, 60.0
    frames = oscillation(period_s, fps, seconds)
    flags = ["--region", "left=20x24+0+0", "--region", "right=20x24+20+0", "--replay.speed", speed]
    if source == "an array by its rate":
        np.save(tmp_path / "growth.npy", frames)
        flags += ["--replay.path", "growth.npy", "--fps", f"{fps}"]
    else:
        times_ms = stage.began_ms + 1000 / fps * np.arange(len(frames))
        flags += [
            "--replay.path",
            str(stage.write_run(tmp_path / "frames.zarr", frames, times_ms.tolist(), fps=fps)),
        ]
    if source == "a run with its times":
        flags += ["--replay.keep-timestamps"]
    code, replayed, said = command(tmp_path, "--camera", "replay", *flags)
    assert code == 0, said
    regions = regions_of(replayed, tmp_path)
    assert regions["left"]["period"]["period_s"] == pytest.approx(period_s, rel=0.02)
    assert regions["right"]["period"] is None
    utc_ms = regions["left"]["trace"]["utc_ms"]
    # Of buckets of frames, by the frames' own times.
    assert utc_ms[-1] - utc_ms[0] == pytest.approx(seconds * 1000, rel=0.02)


@pytest.mark.parametrize("speed", ["0", "5"])
def test_frames_that_come_unevenly_keep_each_its_own_time_in_recording_and_archive(
    tmp_path: Path, stage: Stage, speed: str
) -> None:
    count = 60
    jitter_s = np.random.default_rng(4).uniform(0, 0.03, count)
    times_s = np.cumsum(np.where(np.arange(count) % 7 == 3, 0.19, 0.1) + jitter_s) + 1_767_225_600.0
    np.savez(tmp_path / "growth.npz", frames=stage.frames(count), times=times_s)
    code, replayed, said = command(
        *(tmp_path, "replay", "growth.npz", "--replay.speed", speed, "--replay.keep-timestamps"),
        *("--archive", "archives"),
    )
    assert code == 0, said
    (archive,) = (tmp_path / "archives").glob("*/frames.zarr")
    archived: Any = zarr.open_group(archive, mode="r")
    for run in (recording(replayed, tmp_path), archived):
        np.testing.assert_array_equal(run["frames"][:], stage.frames(count))
        np.testing.assert_allclose(run["time_unix_ms"][:] / 1e3, times_s, rtol=0, atol=2e-6)
    # And a replay of the replay has them too, where chunks begin elsewhere.
    again = ("replay", replayed["output"], "--replay.speed", "0", "--replay.first", "7", "--output", "again")
    code, replayed, said = command(tmp_path, *again)
    assert code == 0, said
    found_s = recording(replayed, tmp_path)["time_unix_ms"][:] / 1e3
    np.testing.assert_allclose(found_s, times_s[7:], rtol=0, atol=4e-6)


def test_the_frames_of_a_video_are_dated_one_by_one_also_where_the_file_has_no_date(
    tmp_path: Path, stage: Stage
) -> None:
    path = stage.write_uneven_video(tmp_path / "growth.mkv", steps_ms := [33, 33, 34, 200] * 10)
    code, replayed, said = command(tmp_path, "replay", str(path), "--replay.speed", "0")
    assert code == 0, said
    found_ms = recording(replayed, tmp_path)["time_unix_ms"][:]
    np.testing.assert_allclose(np.diff(found_ms), steps_ms, atol=0.002)


@pytest.mark.parametrize(("bits", "above"), [(12, 0), (10, 2)])
def test_samples_above_the_depth_that_is_told_are_told_of(tmp_path: Path, bits: int, above: int) -> None:
    levels = np.repeat([500, 2000, 3000], 48 * 64).reshape(3, 48, 64)
    np.save(tmp_path / "growth.npy", levels.astype(np.uint16))
    told = ("--replay.path", "growth.npy", "--replay.bits", str(bits), "--replay.speed", "0", "--fps", "20")
    code, report, said = command(tmp_path, "--camera", "replay", *told)
    assert code == 0, said
    warnings = {warning["code"]: warning for warning in report["warnings"]}
    assert ("above-depth" in warnings) == bool(above)
    if above:
        assert warnings["above-depth"]["text"].startswith(f"{above} frames have samples above")
        assert "--replay.bits" in warnings["above-depth"]["advice"]


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


def test_an_archive_is_replayed_at_its_full_depth(tmp_path: Path, stage: Stage) -> None:
    small = ("--simulated.width", "48", "--simulated.height", "32", "--fps", "500", "--frames", "1150")
    deep = ("--simulated.pixel-format", "Mono12", "--archive", "originals")
    code, made, said = command(tmp_path, "--camera", "simulated", *small, *deep)
    assert code == 0, said
    replay = ("--camera", "replay", "--replay.path", made["archive"], "--replay.speed", "0")
    again = ("--replay.keep-timestamps", "--archive", "again")
    code, replayed, said = command(tmp_path, *replay, *again)
    assert code == 0, said
    assert (replayed["problems"], replayed["warnings"]) == ([], [])
    assert replayed["camera_device"]["pixel_format"] == "Mono12"
    first, second = (
        zarr.open_group(Path(report["archive"]) / "frames.zarr", mode="r") for report in (made, replayed)
    )
    expect_same(first, second)
    assert (second.attrs["bit_depth"], second.attrs["pixel_format"]) == (12, "Mono12")
    np.testing.assert_array_equal(
        recording(replayed, tmp_path)["frames"][:], recording(made, tmp_path)["frames"][:]
    )


def test_a_recording_that_is_replayed_as_fast_as_it_goes_is_compressed_as_any(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, (2400, 160, 200), dtype=np.uint8)
    np.savez(tmp_path / "growth.npz", frames=noise)
    code, report, said = command(
        *(tmp_path, "--camera", "replay", "--replay.path", "growth.npz", "--replay.speed", "0"),
        *("--fps", "30", "--chunk-size", "60"),
    )
    assert code == 0, said
    shards = (tmp_path / report["output"] / "frames.zarr" / "frames").glob("c/**/*")
    assert sum(one.stat().st_size for one in shards if one.is_file()) < noise.nbytes / 2
