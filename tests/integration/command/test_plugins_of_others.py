"""Third parties' streamers, observers and cameras that behave badly, in the command as a user types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD = ("--camera", "thirdparty")

NPY = """
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from rheed_acquire import DeliveryStatus, Streamer, StreamerBackend, hookimpl

class Settings(BaseModel):
    pass

class Npy(Streamer):
    def __init__(self, request):
        assert request.api_key.get_secret_value() == ""

    def initialize(self, **stream):
        Path("npy").mkdir()
        return "some stream"

    def push_chunk(self, data_id, chunk):
        {push}
        np.save(f"npy/{chunk.index}.npy", chunk.frames)
        chunk.release()

    def status(self, data_id):
        return DeliveryStatus()

    def finalize(self, data_id, drain_timeout_s=None):
        return {finalize}

@hookimpl
def rheed_register_streamers(register):
    register(StreamerBackend("npy", "to files", Settings, lambda settings, request: Npy(request)))
"""


def npy(push: str = "pass", finalize: str = '{"closed": True}') -> str:
    return NPY.replace("{push}", push).replace("{finalize}", finalize)


def test_a_streamer_that_knows_no_server_needs_neither_one_nor_a_key(command: Command) -> None:
    command.plugins.add("npy-streamer", npy(), plugin="npy")
    done = command(*THIRD, "--streamer", "npy", "--frames", "120")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("delivered: all 120 frames")
    assert [line.split()[0] for line in lines[1:]] == ["camera", "stream", "lost", "chunks", "report"]
    assert "2 passed on" in done.stdout
    frames = np.concatenate([np.load(command.folder / "npy" / f"{index}.npy") for index in range(2)])
    assert len(frames) == 120
    assert not list(command.folder.glob("runs/*/frames.zarr"))
    assert not (command.folder / "runs" / ".server").exists()


def test_a_push_that_raises_once_and_a_finalize_without_a_word_end_in_a_report_that_adds_up(
    command: Command,
) -> None:
    command.plugins.add("npy-streamer", npy("assert chunk.index != 0, 'disk full'", "None"), plugin="npy")
    report = command.report(*THIRD, "--streamer", "npy", "--frames", "120", code=3)
    assert (report["frames_received"], report["frames_pushed"], report["frames_not_taken"]) == (120, 20, 100)
    assert {problem["code"]: problem["frames"] for problem in report["problems"]} == {
        "chunk-not-taken": 100,
        "not-finalized": None,
    }
    for problem in report["problems"]:
        assert "streamer npy (npy-streamer 1.0) failed in" in problem["text"]
    assert (command.folder / report["report"]).exists()


HANGING = """
import time
from rheed_acquire import hookimpl

def hang(hook):
    if hook == "{hook}":
        open("hanging", "w").close()
    while hook == "{hook}":
        time.sleep(1)

@hookimpl
def rheed_run_started():
    hang("rheed_run_started")

@hookimpl
def rheed_chunk_completed():
    hang("rheed_chunk_completed")

@hookimpl
def rheed_run_finished():
    hang("rheed_run_finished")
"""


@pytest.mark.parametrize("hook", ["rheed_run_started", "rheed_chunk_completed", "rheed_run_finished"])
def test_a_second_interrupt_ends_a_run_whose_observer_hangs_with_a_report(
    command: Command, hook: str
) -> None:
    source = HANGING.replace("{hook}", hook)
    command.plugins.add("hanging-observer", source, plugin="watcher")
    end = ("--frames", "110") if hook == "rheed_run_finished" else ()
    process = command.start(*THIRD, *end, "--json")
    command.wait_for("hanging")
    command.interrupt(process)
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert report["exit_code"] == 130
    assert report["frames_received"] == report["frames_pushed"] + report["frames_not_taken"]
    (warning,) = [one for one in report["warnings"] if one["code"] == "observer-hangs"]
    assert f"plugin hanging-observer:watcher did not return from {hook}" in warning["text"]


def test_the_process_ends_though_a_plugin_keeps_a_thread_of_its_own(command: Command) -> None:
    source = (
        "import threading, time\nfrom rheed_acquire import hookimpl\n@hookimpl\n"
        "def rheed_run_finished(run):\n"
        "    threading.Thread(target=time.sleep, args=(1000,)).start()\n"
    )
    command.plugins.add("stubborn-observer", source, plugin="stubborn")
    report = command.report(*THIRD, "--frames", "110")
    assert report["frames_pushed"] == 110


BAD_CAMERAS = """
from pydantic import BaseModel, Field
from rheed_acquire import CameraBackend, DeviceInfo, hookimpl

class Settings(BaseModel):
    pass

class Demanding(BaseModel):
    key: str = Field(description="must be given")

def raises(*_):
    raise KeyError("serial")

@hookimpl
def rheed_register_cameras(register):
    for name, settings, discover, open in (
        ("texts", Settings, lambda _: ["one", "two"], lambda *_: None),
        ("raising", Settings, raises, raises),
        ("demanding", Demanding, lambda _: [], lambda *_: None),
        ("numbers", Settings, lambda _: [DeviceInfo("numbers", 12, None)], lambda *_: "no camera"),
    ):
        register(CameraBackend(name, "a camera", settings, discover, open))
"""


def test_one_backend_that_breaks_does_not_hide_the_devices_of_others(command: Command) -> None:
    command.plugins.add("bad-vision", BAD_CAMERAS, plugin="bad")
    done = command("cameras", "--json", "--disable-plugin", "basler", "--disable-plugin", "genicam")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    devices = {device["backend"]: device for device in listing["devices"]}
    assert devices["thirdparty"]["serial"] == "TP-1"
    assert (devices["numbers"]["serial"], devices["numbers"]["model"]) == ("12", "")
    assert listing["failures"]["texts"] == (
        "camera texts (bad-vision 1.0) failed in discover: it lists a value of type str, not a DeviceInfo"
    )
    assert listing["failures"]["raising"] == (
        "camera raising (bad-vision 1.0) failed in discover: KeyError: 'serial'"
    )
    assert listing["failures"]["demanding"] == "demanding.key: needs a value for key (default)"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("texts", "it returned None, not a Camera"),
        ("raising", "KeyError: 'serial'"),
        ("numbers", "it returned a value of type str, not a Camera"),
    ],
)
def test_a_camera_that_cannot_be_opened_is_named_with_its_distribution(
    command: Command, name: str, said: str
) -> None:
    command.plugins.add("bad-vision", BAD_CAMERAS, plugin="bad")
    done = command("--camera", name, "--duration", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: camera {name} (bad-vision 1.0) failed in open: {said}" in done.stderr.splitlines()
    assert "Traceback" not in done.stderr
