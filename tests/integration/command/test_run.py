"""The main job: a camera's frames, each once and in order, in a recording."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from tests.integration.command.conftest import PHASE, PROGRESS, silent_after

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD = ("--camera", "thirdparty")
PROMISED = {
    "data_id",
    "camera",
    "frames_received",
    "frames_pushed",
    "frames_dropped_by_camera",
    "frames_overrun",
    "frames_rejected",
    "chunks_pushed",
    "chunks_uploaded",
    "chunks_not_uploaded",
    "fps_measured",
    "started_utc",
    "ended_utc",
    "output",
}

SMALL = ("--simulated.width", "32", "--simulated.height", "24")

ReadStamps = Callable[[Path | str], list[int]]


def recorded(report: dict[str, Any]) -> NDArray[np.uint8]:
    run: Any = zarr.open_group(Path(report["output"]) / "frames.zarr", mode="r")
    frames: NDArray[np.uint8] = run["frames"][:]
    return frames


def test_a_third_partys_camera_streams_as_the_first_partys_do(
    command: Command, read_stamps: ReadStamps
) -> None:
    report = command.report(*THIRD, "--duration", "1", "--stream-name", "mine")
    assert set(report) >= PROMISED
    assert report["camera"] == "thirdparty"
    received = report["frames_received"]
    assert received > 0
    assert report["frames_pushed"] == received
    assert report["frames_overrun"] == report["frames_rejected"] == report["frames_dropped_by_camera"] == 0
    assert (report["chunks_uploaded"], report["chunks_not_uploaded"]) == (report["chunks_pushed"], 0)
    assert report["camera_device"]["serial"] == "TP-1"
    output = Path(report["output"])
    assert output.is_relative_to(command.folder / "runs")
    assert report["data_id"][:8] in output.name
    assert "mine" in output.name
    assert read_stamps(output / "frames.zarr") == list(range(received))


def test_a_camera_of_500_frames_a_second_is_streamed_as_the_mean_of_every_five(command: Command) -> None:
    simulated = (*("--camera", "simulated", "--fps", "500", "--frames", "1503"), *SMALL)
    every = recorded(command.report(*simulated, "--output", "whole"))
    report = command.report(*simulated, "--stream-average", "5")
    assert (report["frames_received"], report["frames_pushed"], report["frames_reduced"]) == (1503, 300, 1203)
    assert (report["frames_overrun"], report["stream_fps"], report["fps"]) == (0, 100.0, 500.0)
    group = every[:1500].reshape(300, 5, *every.shape[1:])
    np.testing.assert_array_equal(recorded(report), np.floor(group.mean(axis=1) + 0.5))
    run: Any = zarr.open_group(Path(report["output"]) / "frames.zarr", mode="r")
    assert (run.attrs["fps"], run["frames"].shards[0]) == (100.0, 200)
    steps_ms = np.diff(run["time_unix_ms"][:])
    assert np.delete(steps_ms, 199) == pytest.approx(10.0, abs=1e-6)
    # The second chunk is dated by what is known better by then, how little a frame can be late.
    assert steps_ms[199] >= 0


def test_a_rate_above_atomscales_ends_the_command_before_the_camera_is_opened(command: Command) -> None:
    said = command.error(
        *("--camera", "simulated", "--fps", "500", "--endpoint", "http://127.0.0.1:9"), AS_API_KEY="not-a-key"
    )
    assert said.strip() == (
        "500 frames/s are more than the 120 that Atomscale takes: --stream-average 5 (the mean of every 5) "
        "or --stream-every 5 (one of every 5) makes 100 of them"
    )


def test_the_simulated_cameras_stamps_are_all_there_once_and_in_order(
    command: Command, read_stamps: ReadStamps
) -> None:
    simulated = ("--camera", "simulated", "--fps", "200", "--simulated.stamp")
    report = command.report(*simulated, "--frames", "950", "--chunk-size", "400")
    assert (report["frames_received"], report["frames_pushed"], report["chunks_uploaded"]) == (950, 950, 3)
    assert read_stamps(Path(report["output"]) / "frames.zarr") == list(range(950))


@pytest.mark.parametrize("frames", [1, 100, 101])
def test_so_many_frames_are_recorded_as_were_asked_for(
    command: Command, read_stamps: ReadStamps, frames: int
) -> None:
    report = command.report(*THIRD, "--frames", str(frames), "--thirdparty.fps", "50")
    assert report["frames_received"] == report["frames_pushed"] == frames
    assert report["chunks_pushed"] == (2 if frames > 100 else 1)
    assert read_stamps(Path(report["output"]) / "frames.zarr") == list(range(frames))


def test_the_summary_is_short_and_says_where_the_recording_is(
    command: Command, read_stamps: ReadStamps
) -> None:
    done = command(*THIRD, "--frames", "20")
    assert done.returncode == 0
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"delivered: all 20 frames received at 50 frames/s", first)
    shown = {line[:13].strip(): line[13:] for line in rest}
    assert list(shown) == ["camera", "stream", "lost", "chunks", "recording", "report"]
    assert shown["camera"] == "Third Party One (serial TP-1), 32 x 24 Mono8"
    assert shown["lost"] == "0 by the camera in 0 gaps, 0 overrun, 0 rejected"
    assert shown["chunks"].startswith("1 of 1 uploaded, ")
    assert len(read_stamps(command.folder / shown["recording"])) == 20


def test_without_a_terminal_progress_is_plain_lines_on_stderr(command: Command) -> None:
    done = command(*THIRD, "--frames", "275")  # 5.5 s: one line every 5 s
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    progress = [line for line in lines if PROGRESS.match(line)]
    rest = [line for line in lines if line not in progress and not PHASE.fullmatch(line)]
    camera, stream = rest
    assert camera == "camera Third Party One (serial TP-1), 32 x 24 Mono8, 50 frames/s"
    assert re.fullmatch(r"stream recorded in runs.\S+", stream)
    # Where the computer is slow, there are some for what comes before and after the capture, and more of it.
    first, *more = (line for line in progress if line.startswith("capturing"))
    for capturing in (first, *more):
        assert re.fullmatch(
            r"capturing 0:00:\d\d: frames \d+, [\d.]+/s of 50/s; gaps 0; overrun 0; "
            r"chunks \d uploaded, \d queued, [\d.]+ MB/s",
            capturing,
        )


def test_a_frame_that_the_camera_lost_is_reported_and_ends_with_3(
    command: Command, read_stamps: ReadStamps
) -> None:
    report = command.report(*THIRD, "--frames", "40", "--thirdparty.skip", "10", code=3)
    assert report["frames_dropped_by_camera"] == 1
    assert report["frames_pushed"] == 40
    assert [gap["missing"] for gap in report["gaps"]] == [1]
    assert any("lost 1 frame" in problem["text"] for problem in report["problems"])
    stamps = read_stamps(Path(report["output"]) / "frames.zarr")
    assert stamps == [stamp for stamp in range(41) if stamp != 10]


def test_what_a_camera_delivered_before_it_vanished_is_kept(
    command: Command, read_stamps: ReadStamps
) -> None:
    done = command(*THIRD, "--thirdparty.vanish-after", "30", "--reconnect-timeout", "0")
    assert done.returncode == 3
    assert done.stdout.startswith("INCOMPLETE: 30 frames received")
    assert re.search(
        r"\n  problem    .*Third Party One \(serial TP-1\) does not answer any more", done.stdout
    )
    (recording,) = command.folder.glob("runs/*/frames.zarr")
    assert read_stamps(recording) == list(range(30))


def test_a_run_that_got_no_frame_at_all_failed(command: Command) -> None:
    gone = ("--thirdparty.skip", "0", "--thirdparty.vanish-after", "1", "--reconnect-timeout", "0")
    done = command(*THIRD, *gone)
    assert done.returncode == 1
    assert done.stdout.startswith("FAILED: 0 frames received")
    assert "the camera delivered no frame" in done.stdout


OBSERVER = """
import sys

from rheed_acquire import hookimpl

@hookimpl
def rheed_run_started(run):
    say(f"begun at {run.fps}")

@hookimpl
def rheed_chunk_completed(run, chunk):
    raise {error}("disk of the observer is full")

@hookimpl
def rheed_run_finished(run, report):
    say(f"finished with {report.frames_pushed}")

def say(line):
    sys.stdout.write(line + "\\n")  # in one piece: between those of print may come another thread's line
"""


@pytest.mark.parametrize("error", ["OSError", "SystemExit"])
def test_an_observer_that_fails_at_each_chunk_costs_no_frame(command: Command, error: str) -> None:
    command.plugins.add("rheed-observer", OBSERVER.replace("{error}", error), plugin="observer")
    done = command(*THIRD, "--frames", "120")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("delivered: all 120 frames")
    assert {"begun at 50.0", "finished with 120"} <= set(done.stderr.splitlines())
    said = f"plugin rheed-observer:observer failed in rheed_chunk_completed: {error}: disk of the observer"
    assert done.stderr.count(said) == 2
    assert "Traceback" not in done.stderr


def test_settings_of_all_sources_reach_the_camera(command: Command) -> None:
    command.write("rheed-acquire.toml", "frames = 5\n[thirdparty]\nfps = 30\n")
    command.write(".env", "RHEED_CAMERA=thirdparty\n")
    report = command.report(RHEED_STREAM_NAME="from the environment")
    assert (report["frames_received"], report["fps"]) == (5, 30)
    assert "from-the-environment" in report["output"]


def test_the_config_command_shows_each_value_with_its_source(command: Command) -> None:
    command.write("rheed-acquire.toml", "frames = 5\n")
    done = command("config", *THIRD, "--json", RHEED_FPS="30", AS_API_KEY="s3cr3t")
    assert done.returncode == 0, done.stderr
    rows = {row["key"]: (row["value"], row["source"]) for row in json.loads(done.stdout)}
    assert rows["camera"] == ("thirdparty", "--camera")
    assert rows["fps"] == ("30", "environment variable RHEED_FPS")
    assert rows["frames"] == ("5", "rheed-acquire.toml line 1")
    assert rows["api_key"][0] == "**********"
    assert rows["thirdparty.fps"] == ("50", "default")
    plain = command("config", *THIRD).stdout.splitlines()
    assert re.fullmatch(r"camera +thirdparty +--camera", plain[0])


def test_the_console_script_and_the_module_are_one_command(command: Command) -> None:
    done = command("--version")
    assert re.fullmatch(r"rheed-acquire \d+\.\d+\.\d+\n", done.stdout)
    assert done.returncode == 0
    shown = command("--help")
    assert shown.returncode == 0
    assert shown.stderr == ""
    for text in ("usage: rheed-acquire", "--camera NAME", "  new-plugin  ", "--help all", "thirdparty"):
        assert text in shown.stdout
    assert "--api-key" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--help", "all"), ("--spool-keep-free GB", "--thirdparty.pause-after N", "  130  interrupted")),
        (("-h", "thirdparty"), ("--thirdparty.pause-after N",)),
        (("view", "--help", "Delivery"), ("--spool-keep-free GB",)),
        (("--help", "show"), ("usage: rheed-acquire show",)),
        (("spool", "--help"), ("usage: rheed-acquire spool", "--spool-limit GB")),
    ],
)
def test_help_is_there_for_everything_and_for_each_topic(
    command: Command, arguments: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--api-key" not in done.stdout
    for text in shown:
        assert text in done.stdout


def test_help_on_what_there_is_none_of_names_what_is_near(command: Command) -> None:
    done = command("--help", "third-party")
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: --help 'third-party': there is no such topic; did you mean thirdparty? (command line)\n"
    )


def test_help_is_given_even_where_a_plugin_or_a_file_is_broken(command: Command) -> None:
    command.plugins.add("bad-camera", "import no_such_sdk", plugin="bad")
    command.write("rheed-acquire.toml", "= nonsense")
    done = command("--help", "all", RHEED_DISABLE_PLUGINS="no_such_plugin")
    assert done.returncode == 0
    assert "--thirdparty.fps NUMBER" in done.stdout


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not tell which process is the run's server")
def test_a_run_whose_own_server_is_killed_is_delivered_whole_and_says_so(
    command: Command, read_stamps: ReadStamps
) -> None:
    paused = silent_after(130)
    run = command.start(*paused, "--json")
    command.wait_for("paused")
    os.kill(command.child(run, "rheed_acquire.server"), getattr(signal, "SIGKILL", signal.SIGTERM))
    command.interrupt(run)
    done = command.finish(run)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["delivery"]["closed"] is True
    assert read_stamps(Path(report["output"]) / "frames.zarr") == list(range(130))
    assert "the local server ended by itself" in json.dumps(report["warnings"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' command lines are Unicode")
def test_a_name_in_latin_1_costs_no_run(command: Command) -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    report = command.report(
        *THIRD, "--frames", "20", "--stream-name", name, "--tag", name, RHEED_AZIMUTH=name
    )
    stream = json.loads((Path(report["output"]) / "stream.json").read_bytes())
    assert (stream["name"], stream["azimuth_label"]) == ("café", "café")
    assert [tag["name"] for tag in stream["tags"]] == ["café"]


def test_a_run_goes_into_folders_far_down(command: Command, read_stamps: Any) -> None:
    deep = command.folder / ("x" * 90) / ("y" * 90)
    report = command.report(
        *("--camera", "thirdparty", "--frames", "30", "--output", str(deep / "runs")),
        *("--spool-dir", str(deep / "spool")),
    )
    runs = [one.name for one in (deep / "runs").iterdir() if not one.name.startswith(".")]
    assert runs == [Path(report["output"]).name]
    assert read_stamps(Path(report["output"]) / "frames.zarr") == list(range(30))
    assert Path(report["report"]).is_file()
