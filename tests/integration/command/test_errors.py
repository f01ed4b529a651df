"""What a new user gets wrong: one line on what, where it came from and what to do, and the exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.server.process import LocalServer

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD = ("--camera", "thirdparty", "--frames", "5")


def test_without_a_camera_the_cameras_are_named(command: Command) -> None:
    said = command.error()
    known = "aravis, basler, genicam, growing, replay, simulated, thirdparty, video"
    assert said.startswith(
        f"choose a camera: --camera NAME, with one of {known}; --camera simulated needs no"
    )


def test_an_unknown_camera_is_answered_with_the_nearest(command: Command) -> None:
    said = command.error("--camera", "thirdpraty")
    assert said.startswith("there is no camera 'thirdpraty'; did you mean thirdparty?")
    assert "rheed-acquire plugins" in said


def test_an_unknown_command_is_answered_with_the_nearest(command: Command) -> None:
    assert "'camreas'; did you mean cameras?" in command.error("camreas")
    assert "--camera NAME" in command.error("thirdparty")


def test_a_missing_sdk_is_answered_with_what_installs_it(command: Command) -> None:
    # As if it were not installed: looked up, it is not there.
    (command.plugins.folder / "sitecustomize.py").write_text("import sys\nsys.modules['pypylon'] = None\n")
    said = command.error("--camera", "basler")
    assert said == (
        "camera 'basler' cannot be used: pypylon is not installed: pip install \"rheed-acquire[basler]\""
    )
    listed = json.loads(command("plugins", "--json").stdout)
    (basler,) = [one for plugin in listed for one in plugin["cameras"] if one["name"] == "basler"]
    assert (basler["usable"], 'pip install "rheed-acquire[basler]"' in basler["reason"]) == (False, True)


def test_no_basler_camera_is_an_error_that_says_what_to_check(command: Command) -> None:
    pytest.importorskip("pypylon", reason="pypylon is not installed")
    said = command.error("--camera", "basler", "--duration", "1", code=1)
    assert "no Basler camera" in said


def test_two_basler_cameras_are_listed_with_the_flags_that_choose(command: Command) -> None:
    pytest.importorskip("pypylon", reason="pypylon is not installed")
    said = command.error("--camera", "basler", "--duration", "1", PYLON_CAMEMU="2")
    for part in ("0815-0000", "0815-0001", "--basler.serial"):
        assert part in said


def test_bad_toml_is_named_with_its_line(command: Command) -> None:
    command.write("rheed-acquire.toml", "fps = 30\nduration = = 3\n")
    said = command.error(*THIRD)
    assert "rheed-acquire.toml" in said
    assert "line 2" in said


def test_a_settings_file_that_is_not_there_is_named(command: Command) -> None:
    said = command.error(*THIRD, "--config", "mine.toml")
    assert "mine.toml" in said
    assert "no such file" in said


def test_an_unknown_name_is_answered_with_the_nearest_in_every_source(command: Command) -> None:
    assert "--durration: no such flag; the nearest is --duration" in command.error(*THIRD, "--durration", "3")
    said = command.error(*THIRD, RHEED_DURRATION="3")
    assert "RHEED_DURRATION" in said
    assert "RHEED_DURATION" in said
    command.write(".env", "\nRHEED_DURRATION=3\n")
    said = command.error(*THIRD)
    assert ".env line 2" in said
    assert "RHEED_DURATION" in said
    command.write(".env", "")
    command.write("rheed-acquire.toml", "[thirdparty]\nfsp = 3\n")
    said = command.error(*THIRD)
    assert "rheed-acquire.toml line 2" in said
    assert "fps" in said


def test_several_mistakes_are_one_line_each(command: Command) -> None:
    done = command(*THIRD, "--fps", "fast", "--chunksize", "3", RHEED_DURATION="-1")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


BAD_VALUES = {
    "--fps": "nan",
    "--fps-tolerance": "2",
    "--bit-shift": "9",
    "--rotations-per-min": "-1",
    "--chunk-size": "1.5",
    "--chunk-seconds": "1",
    "--gap-tolerance": "0",
    "--duration": "inf",
    "--frames": "many",
    "--ring-chunks": "1",
    "--drain-timeout": "0",
    "--endpoint": "api.atomscale.ai",
    "--output": "",
    "--json": "perhaps",
    "--verbosity": "5",
    "--thirdparty.fps": "-3",
}


def test_each_bad_value_is_a_line_that_begins_with_its_flag(command: Command) -> None:
    done = command("--camera", "thirdparty", *(f"{flag}={value}" for flag, value in BAD_VALUES.items()))
    assert done.returncode == 2
    assert done.stdout == ""
    lines = {line.split()[1].partition("=")[0].rstrip(":"): line for line in done.stderr.splitlines()}
    assert set(lines) == set(BAD_VALUES)
    for line in lines.values():
        assert line.startswith("error: --")
        assert "must " in line
        assert line.endswith("(command line)")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ("--chunk-size", "10"),
            "--chunk-size 10 makes chunks of 10 frames, but at 50 frames/s they need at",
        ),
        (("--fps", "80"), "--fps asks for 80 frames/s, but Third Party One (serial TP-1) delivers 50"),
        (("--chunk-size", "200", "--chunk-seconds", "4"), "both give the length of a chunk"),
        (("--azimuth", "[110]", "--rotations-per-min", "6"), "a rotating stage has no one azimuth"),
        (("--streamer", "reed"), "there is no streamer 'reed'"),
        (("--disable-plugin", "thirdpraty"), "cannot disable plugin thirdpraty: no such plugin; there are"),
        (("--disable-plugin", "thirdparty"), "there is no camera 'thirdparty'"),
        (("--api-key", "s3cr3t"), "set AS_API_KEY"),
    ],
)
def test_what_cannot_go_together_is_said(command: Command, flags: tuple[str, ...], expected: str) -> None:
    said = command.error(*THIRD, *flags)
    assert expected in said
    assert "s3cr3t" not in said


def test_an_output_that_is_no_directory_is_named(command: Command) -> None:
    command.write("runs", "a file")
    said = command.error(*THIRD, code=1)
    assert str(command.folder / "runs") in said
    assert "--output" in said


def test_a_log_file_that_cannot_be_written_is_named(command: Command) -> None:
    command.write("logs", "a file")
    said = command.error(*THIRD, "--log-file", str(Path("logs", "run.log")))
    file = Path("logs", "run.log")
    assert said == (
        f"the log file {file} cannot be written (logs is not a directory); choose another with --log-file"
    )


def test_a_server_that_cannot_be_reached_is_named(command: Command) -> None:
    said = command.error(*THIRD, "--endpoint", "http://127.0.0.1:9", AS_API_KEY="s3cr3t", code=1)
    assert said.startswith("cannot reach http://127.0.0.1:9: ")
    assert "connection refused" in said


def test_a_wrong_key_is_refused_with_what_to_check(command: Command, tmp_path: Path) -> None:
    with LocalServer(tmp_path / "elsewhere") as server:
        said = command.error(*THIRD, "--endpoint", server.endpoint, AS_API_KEY="s3cr3t", code=1)
    assert said.startswith(f"{server.endpoint} refuses the API key (HTTP 40")
    assert "check AS_API_KEY" in said
    assert "s3cr3t" not in said


def test_an_endpoint_without_a_key_is_said_with_its_source(command: Command) -> None:
    said = command.error(*THIRD, AS_API_ENDPOINT="https://api.atomscale.ai")
    assert said == (
        "the endpoint https://api.atomscale.ai (environment variable AS_API_ENDPOINT) needs an API key: "
        "set AS_API_KEY in the environment or in .env"
    )


def test_with_json_an_error_is_an_object_too(command: Command) -> None:
    done = command("--camera", "nobody", "--json")
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == 2
    assert done.stderr == f"error: {answer['error']}\n"


def test_a_port_in_use_is_named(command: Command, tmp_path: Path) -> None:
    with LocalServer(tmp_path / "elsewhere") as server:
        port = server.endpoint.rpartition(":")[2]
        said = command.error("serve", "--port", port, code=1)
    assert re.match(rf"port {port} on 127\.0\.0\.1 is in use", said)
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        (("--port", "high"), "argument --port: 'high' is no port number", 2),
        (("--port", "70000"), "'70000' is no port number, which is 0 (any that is free) to 65535", 2),
        (("--prot", "1"), "unrecognized arguments: --prot 1", 2),
        (("--host", "no-such-host.invalid"), "which is no address of this machine", 1),
        (("--dir", "taken"), "taken", 1),
    ],
)
def test_what_serve_cannot_do_is_said_in_one_line(
    command: Command, arguments: tuple[str, ...], expected: str, code: int
) -> None:
    command.write("taken", "a file")
    assert expected in command.error("serve", *arguments, code=code)


def test_a_plugin_that_fails_is_a_warning_and_the_run_goes_on(command: Command) -> None:
    command.plugins.add("bad-camera", "import no_such_sdk", plugin="bad", version="0.3")
    done = command(*THIRD)
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        "warning: plugin bad (bad-camera 0.3) is left out: ModuleNotFoundError: No module named 'no_such_sdk'"
    )
    assert "warning" not in command(*THIRD, RHEED_DISABLE_PLUGINS="bad").stderr


def test_a_reader_that_goes_away_is_no_traceback(command: Command) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "rheed_acquire", "config"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            cwd=command.folder,
            env={**command.environment(), "PYTHONUNBUFFERED": ""},
        )
    finally:
        os.close(write)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
