"""``plugins`` and ``cameras``: what is installed, and what is plugged in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from rheed_acquire.cameras.camera import CameraError, DeviceInfo
from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.commands.cameras import discover
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import CameraLimits, guard_camera_backend

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

BROKEN = """
from pydantic import BaseModel
from rheed_acquire import CameraBackend, CameraError, hookimpl

class Settings(BaseModel):
    pass

def needs_licence(settings):
    raise CameraError("the licence of Broken Vision has expired")

@hookimpl
def rheed_register_cameras(register):
    for name, discover, requires in (
        ("broken", needs_licence, ()), ("empty", lambda s: [], ()), ("absent", None, ("no_such_sdk",))
    ):
        register(CameraBackend(
            name, "a camera", Settings, discover, None, requires, "pip install no-such-sdk"
        ))
"""


def test_plugins_lists_every_plugin_with_where_it_comes_from(command: Command) -> None:
    command.plugins.add("bad-camera", "import no_such_module", plugin="bad", version="0.3")
    command.plugins.add("broken-vision", BROKEN, plugin="broken")
    done = command("plugins", "--json", "--disable-plugin", "basler")
    assert done.returncode == 0
    listed = {plugin["plugin"]: plugin for plugin in json.loads(done.stdout)}
    assert set(listed) >= {"bad", "basler", "broken", "rheed-streamer", "simulated", "thirdparty"}
    assert listed["basler"]["disabled"] is True
    assert (listed["bad"]["distribution"], listed["bad"]["version"]) == ("bad-camera", "0.3")
    assert "no_such_module" in listed["bad"]["failure"]
    assert listed["thirdparty"]["cameras"] == [
        {"name": "thirdparty", "description": "somebody else's camera", "usable": True, "reason": None}
    ]
    absent = listed["broken"]["cameras"][2]
    assert absent["usable"] is False
    assert absent["reason"] == "no_such_sdk is not installed: pip install no-such-sdk"
    assert [streamer["name"] for streamer in listed["rheed-streamer"]["streamers"]] == ["rheed"]


def test_through_a_pipe_each_plugin_is_one_aligned_line(command: Command) -> None:
    command.plugins.add("broken-vision", BROKEN, plugin="broken")
    done = command("plugins", RHEED_DISABLE_PLUGINS="basler")
    title, *rows = done.stdout.splitlines()
    usable = title.index("usable")
    assert title.split() == ["plugin", "distribution", "brings", "usable"]
    shown = {row[: title.index("brings")].strip() or row.strip(): row[usable:] for row in rows}
    assert shown["thirdparty      third-party-camera 1.0"] == "yes"
    assert shown[f"basler          rheed-acquire {version('rheed-acquire')}"] == "disabled"
    assert any(row.endswith("no: no_such_sdk is not installed: pip install no-such-sdk") for row in rows)


def test_a_wrong_flag_of_plugins_is_refused_but_a_wrong_file_is_not_its_business(command: Command) -> None:
    assert "--jsonn: no such flag; the nearest is --json" in command.error("plugins", "--jsonn")
    command.write("rheed-acquire.toml", "= nonsense")
    assert command("plugins").returncode == 0


def test_cameras_lists_the_devices_of_all_backends_and_why_others_have_none(command: Command) -> None:
    command.plugins.add("broken-vision", BROKEN, plugin="broken")
    # Not every computer has the library of aravis, and Wine lists no capture devices.
    off = [word for name in ("basler", "aravis", "video") for word in ("--disable-plugin", name)]
    done = command("cameras", "--json", *off)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    third = {
        "backend": "thirdparty",
        "serial": "TP-1",
        "model": "One",
        "vendor": "Third Party",
        "user_id": "",
        "address": "",
    }
    assert third in answer["devices"]
    assert answer["failures"] == {
        "broken": "the licence of Broken Vision has expired",
        "absent": "no_such_sdk is not installed: pip install no-such-sdk",
    }
    plain = command("cameras", "--disable-plugin", "basler").stdout
    assert "thirdparty" in plain
    assert "empty: no device found (a camera)\n" in plain
    assert "broken: the licence of Broken Vision has expired\n" in plain


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    release = threading.Event()
    yield release
    release.set()


def test_a_backend_that_hangs_is_left_behind_and_the_others_are_listed(hanging: threading.Event) -> None:
    device = DeviceInfo("quick")
    ended = threading.Event()

    def hang(settings: Any) -> list[DeviceInfo]:
        hanging.wait()
        ended.set()
        return []

    def fail(settings: Any) -> list[DeviceInfo]:
        raise CameraError("no licence")

    def crash(settings: Any) -> list[DeviceInfo]:
        raise SystemExit("a careless\nSDK")

    def never(*_: Any) -> Any:
        raise AssertionError

    settings: BaseModel = CameraSettings.model_construct()
    limits = CameraLimits(discover_s=0.5)

    def backend(name: str, find: Any, requires: tuple[str, ...] = ()) -> CameraBackend:
        raw = CameraBackend(name, name, CameraSettings, find, never, requires)
        return guard_camera_backend(raw, f"{name}-vision 1.0", Patience(), limits)

    asked = {
        "hanging": backend("hanging", hang),
        "quick": backend("quick", lambda _: [device]),
        "failing": backend("failing", fail),
        "crashing": backend("crashing", crash),
        "texts": backend("texts", lambda _: ["one", "two"]),
        "text": backend("text", lambda _: "one"),
        "none": backend("none", lambda _: None),
        "absent": backend("absent", never, ("no_such_sdk",)),
    }
    found = discover(asked, lambda _: settings)
    assert list(found) == list(asked)
    assert found["quick"] == ([device], None)
    assert found["hanging"] == (
        [],
        "camera hanging (hanging-vision 1.0) did not return from discover within 0.5 s and was left behind",
    )
    assert found["failing"] == ([], "no licence")
    for name, what in (
        ("crashing", "SystemExit: a careless SDK"),
        ("texts", "it lists a value of type str, not a DeviceInfo"),
        ("text", "it returned a value of type str, not a list of DeviceInfo"),
        ("none", "it returned None, not a list of DeviceInfo"),
    ):
        assert found[name] == ([], f"camera {name} ({name}-vision 1.0) failed in discover: {what}")
    assert found["absent"] == ([], "no_such_sdk is not installed")
    hanging.set()
    assert ended.wait(10)


def test_the_process_ends_though_a_backend_still_hangs(command: Command) -> None:
    source = BROKEN.replace("raise CameraError", "import threading; threading.Event().wait()  #")
    command.plugins.add("hanging-vision", source, plugin="hanging")
    done = command("cameras", "--json", "--disable-plugin", "basler")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failures"]["broken"] == (
        "camera broken (hanging-vision 1.0) did not return from discover within 10 s and was left behind"
    )
    assert json.loads(done.stdout)["devices"]
