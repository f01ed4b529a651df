"""The plugin host, on real distributions with real entry points."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.commands.run_setup import choose_camera
from rheed_acquire.errors import SettingsError
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.plugins import PluginHost, PluginRecord, missing_requirement
from rheed_acquire.run.report import Journal, RunReport
from rheed_acquire.run_report.versions import versions

if TYPE_CHECKING:
    from tests.conftest import Distributions


def camera_plugin(name: str = "good", **changes: str) -> str:
    """Source of a plugin that registers one camera; `changes` are expressions."""
    fields = {
        "name": repr(name),
        "description": "'a camera'",
        "settings": "Settings",
        "discover": "lambda settings: []",
        "open": "lambda settings, request: None",
    } | changes
    arguments = ", ".join(f"{field}={value}" for field, value in fields.items())
    return (
        "from pydantic import BaseModel, Field\n"
        "from rheed_acquire import CameraBackend, hookimpl\n"
        "class Settings(BaseModel):\n"
        "    level: int = Field(1, description='brightness')\n"
        "@hookimpl\n"
        "def rheed_register_cameras(register):\n"
        f"    register(CameraBackend({arguments}))\n"
    )


def load(installed: Distributions, **options: Any) -> PluginHost:
    return PluginHost(sources=installed.entry_points(), **options)


def failure(installed: Distributions) -> str:
    """Return why the only bad plugin is left out, while a good one beside it goes on."""
    installed.add("good-neighbour", camera_plugin("neighbour"))
    host = load(installed)
    assert list(host.cameras) == ["neighbour"]
    (record,) = host.failures
    assert record.failure is not None
    assert record.failure.isprintable(), "one line"
    assert (record.cameras, record.streamers) == ([], [])
    return f"{record.provenance}: {record.failure}"


def record_of(host: PluginHost, name: str) -> PluginRecord:
    (record,) = [record for record in host.plugins if record.name == name]
    return record


def test_an_installed_plugin_is_found_with_its_distribution_and_version(installed: Distributions) -> None:
    installed.add("rheed-good", camera_plugin(), plugin="good", version="2.5")
    host = PluginHost()
    assert host.cameras["good"].description == "a camera"
    assert host.owner("camera", "good").provenance == "rheed-good 2.5"
    assert record_of(host, "good").cameras == [host.unguarded_camera("good")]


def test_the_first_party_plugins_come_by_the_same_way() -> None:
    host = PluginHost()
    assert host.failures == []
    known = {"aravis", "basler", "genicam", "growing", "replay", "simulated", "video"}
    assert set(host.cameras) == known
    assert set(host.streamers) == {"rheed", "atomscale"}
    assert host.owner("camera", "simulated").distribution == "rheed-acquire"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import no_such_sdk", "ModuleNotFoundError: No module named 'no_such_sdk'"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("import sys; sys.exit()", "SystemExit: no reason given"),
        ("def broken(:", "SyntaxError: "),
        ("raise RuntimeError('line one\\nline two')", "RuntimeError: line one line two"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_left_out_with_its_reason(
    installed: Distributions, source: str, expected: str
) -> None:
    installed.add("bad", source)
    assert failure(installed).startswith(f"bad 1.0: {expected}")


@pytest.mark.parametrize("error", ["RuntimeError('no driver')", "SystemExit('no driver')"])
def test_a_plugin_that_raises_while_registering_is_left_out_wholly(
    installed: Distributions, error: str
) -> None:
    installed.add("bad", camera_plugin("half") + f"    raise {error}\n")
    assert failure(installed) == f"bad 1.0: {error.partition('(')[0]}: no driver"


def test_a_misspelt_hook_is_named_with_the_nearest(installed: Distributions) -> None:
    installed.add("bad", camera_plugin().replace("rheed_register_cameras", "rheed_register_camera"))
    assert failure(installed) == (
        "bad 1.0: there is no hook rheed_register_camera; the nearest is rheed_register_cameras"
    )


def test_a_wrong_argument_of_a_hook_is_named(installed: Distributions) -> None:
    installed.add(
        "bad", camera_plugin().replace("register", "registrar").replace("_registrar_", "_register_")
    )
    said = failure(installed)
    assert "registrar" in said
    assert "rheed_register_cameras" in said


def test_a_plugin_without_any_hook_is_told_of_the_marker_it_lacks(installed: Distributions) -> None:
    installed.add("bad", camera_plugin().replace("@hookimpl\n", ""))
    assert "@rheed_acquire.hookimpl" in failure(installed)


@pytest.mark.parametrize(
    "name",
    ["Basler", "my camera", "9cam", "", "a.b", "a=b", "-a", "a__b", "a--b", "a_", "kamera-ä", "a\n"],
)
def test_a_name_that_cannot_begin_a_flag_is_refused(installed: Distributions, name: str) -> None:
    installed.add("bad", camera_plugin(name))
    assert f"the camera name {name!r} cannot begin a flag" in failure(installed)


@pytest.mark.parametrize("name", ["fps", "output", "stream-name", "camera"])
def test_a_name_that_is_a_setting_of_the_run_is_refused(installed: Distributions, name: str) -> None:
    installed.add("bad", camera_plugin(name))
    assert f"the camera name {name!r} is that of a setting of the run" in failure(installed)


@pytest.mark.parametrize(
    ("settings", "shown"), [("BaseModel", "BaseModel"), ("dict", "dict"), ("Settings()", "Settings(level=1)")]
)
def test_settings_that_are_no_model_of_the_plugins_own_are_refused(
    installed: Distributions, settings: str, shown: str
) -> None:
    installed.add("bad", camera_plugin("bad", settings=settings))
    assert f"must be a subclass of pydantic's BaseModel, not {shown}" in failure(installed)


def test_requirements_written_as_one_text_are_refused(installed: Distributions) -> None:
    installed.add("bad", camera_plugin("bad", requires="('pypylon')"))
    assert "must be a tuple of modules: ('pypylon',)" in failure(installed)


def test_something_that_is_no_backend_is_refused(installed: Distributions) -> None:
    installed.add("bad", camera_plugin("bad").replace("register(CameraBackend", "register(dict"))
    assert "it registers a dict as a camera, not a CameraBackend" in failure(installed)


@pytest.mark.parametrize(("first", "second"), [("twin", "twin"), ("a-b", "a_b")])
def test_a_name_that_two_plugins_claim_is_neithers_and_both_are_named(
    installed: Distributions, first: str, second: str
) -> None:
    installed.add("maker-one", camera_plugin(first), plugin="one")
    installed.add("maker-two", camera_plugin(second), plugin="two", version="3.1")
    installed.add("maker-three", camera_plugin("only"), plugin="three")
    host = load(installed)
    assert (list(host.cameras), host.failures) == (["only"], [])
    for name in (first, second):
        said = (
            f"the camera of maker-one 1.0 and the camera of maker-two 3.1 have one name, {name!r}; "
            "leave one out: --disable-plugin one or --disable-plugin two"
        )
        assert host.ambiguous["camera", name] == said
        with pytest.raises(SettingsError) as caught:
            choose_camera(host, name)
        assert (str(caught.value), caught.value.exit_code) == (said, 2)


def test_plugins_with_one_name_for_entry_point_and_camera_can_be_told_apart_by_distribution(
    installed: Distributions,
) -> None:
    for maker in ("one", "two"):
        installed.add(f"maker-{maker}", camera_plugin("twin"), plugin="twin")
    said = load(installed).ambiguous["camera", "twin"]
    assert said.endswith("leave one out: --disable-plugin maker-one or --disable-plugin maker-two")
    for disabled in ("maker-one", "maker-one:twin"):
        host = load(installed, disabled=[disabled])
        assert host.owner("camera", "twin").provenance == "maker-two 1.0"
        assert host.ambiguous == {}


def test_the_name_of_a_built_in_camera_or_streamer_cannot_be_taken(installed: Distributions) -> None:
    installed.add("aaa-first", camera_plugin("simulated"), plugin="aaa")
    installed.add("bbb-first", camera_plugin("rheed"), plugin="bbb")
    host = PluginHost()
    ours = host.owner("streamer", "rheed")
    assert ours.distribution == host.owner("camera", "simulated").distribution == "rheed-acquire"
    assert [record.failure for record in host.failures] == [
        f"the camera name 'simulated' is already taken by the camera of {ours.provenance}",
        f"the camera name 'rheed' is already taken by the streamer of {ours.provenance}",
    ]
    assert host.ambiguous == {}


def test_a_camera_and_a_streamer_of_one_name_live_side_by_side_unless_both_have_settings(
    installed: Distributions,
) -> None:
    streamer = camera_plugin("twin").replace("Camera", "Streamer").replace("_cameras", "_streamers")
    streamer = streamer.replace("discover=lambda settings: [], ", "")
    installed.add("maker-one", camera_plugin("twin"), plugin="one")
    installed.add("maker-two", streamer, plugin="two")
    installed.add("maker-three", camera_plugin("rheed", settings="type('Bare', (BaseModel,), {})"))
    host = PluginHost()
    assert host.failures == []
    assert set(host.ambiguous) == {("camera", "twin"), ("streamer", "twin")}
    assert host.owner("camera", "rheed").name == "maker-three"
    assert host.owner("streamer", "rheed").name == "rheed-streamer"


def test_a_disabled_plugin_gives_its_name_to_the_other_of_that_name(installed: Distributions) -> None:
    installed.add("maker-one", camera_plugin("twin"), plugin="one")
    installed.add("maker-two", camera_plugin("twin"), plugin="two")
    host = load(installed, disabled=["one"])
    assert host.owner("camera", "twin").provenance == "maker-two 1.0"
    assert host.failures == []


def test_a_plugin_that_registers_one_name_twice_is_refused(installed: Distributions) -> None:
    source = camera_plugin("twin")
    installed.add("bad", source + source.splitlines()[-1] + "\n")
    assert "is already taken by bad 1.0 itself" in failure(installed)


def test_two_entry_points_of_one_module_do_not_undo_each_other(
    installed: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    source = camera_plugin("shared") + "@hookimpl\ndef rheed_run_started(run):\n    run.told.append('told')\n"
    installed.add("first", source, module="throwaway_shared")
    installed.add("second", source, module="throwaway_shared")
    host = load(installed)
    assert [record.name for record in host.failures] == ["second"]
    run = RunStub()
    run.observe(host)
    assert run.told == ["told"]


def test_a_disabled_plugin_is_listed_and_never_imported(installed: Distributions) -> None:
    installed.add("bad", "raise SystemExit('imported')")
    host = load(installed, disabled=["bad"])
    (record,) = host.plugins
    assert (record.disabled, record.failure) == (True, None)


def test_a_disabled_name_that_is_no_plugins_is_an_error_that_lists_them(installed: Distributions) -> None:
    installed.add("good", camera_plugin())
    with pytest.raises(SettingsError, match=r"cannot disable plugin godo: no such plugin; there are good$"):
        load(installed, disabled=["godo"])


@pytest.mark.parametrize("imported", ["importlib.metadata", "importlib_metadata"])
def test_a_distribution_removed_by_halves_does_not_take_the_host_down(
    installed: Distributions, imported: str
) -> None:
    """Nor where some package has imported the back port, which takes the finding over for good and raises."""
    pytest.importorskip(imported)
    installed.add("half-gone", camera_plugin("half"), plugin="same")
    installed.add("whole", camera_plugin("whole"), plugin="same")
    left = installed.folder / "half_gone-1.0.dist-info"
    (left / "METADATA").unlink()
    (left / "top_level.txt").write_text("throwaway_half_gone\n", encoding="utf-8")
    host = load(installed)
    assert set(host.cameras) == {"half", "whole"}
    assert host.owner("camera", "half").provenance == "throwaway_half_gone"
    assert not any("half_gone" in name for name in versions(host, ["throwaway_half_gone"]))


class RunStub:
    """What an observer is told of a run that only begins and ends, and where it notes that."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.journal = Journal()

    def observe(self, host: PluginHost) -> None:
        run: Any = self
        observers = host.observers()
        observers.started(run, self.journal)
        observers.finished(run, RunReport(run, datetime.now(UTC)), self.journal)


def test_an_observer_that_fails_is_logged_and_named_and_the_others_are_still_called(
    installed: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    observer = "from rheed_acquire import hookimpl\n@hookimpl\ndef rheed_run_started(run):\n    "
    installed.add("angry", f"{observer}raise ValueError('no room')")
    installed.add("leaving", f"{observer}raise SystemExit('bye')")
    installed.add("calm", f"{observer}run.told.append('calm')")
    installed.add("early", f"{observer}run.told.append('early')")
    run = RunStub()
    with caplog.at_level(logging.ERROR, "rheed_acquire"):
        run.observe(load(installed))
    assert sorted(run.told) == ["calm", "early"]
    said = [
        "plugin angry:angry failed in rheed_run_started: no room",
        "plugin leaving:leaving failed in rheed_run_started: SystemExit: bye",
    ]
    assert sorted(record.getMessage() for record in caplog.records) == said
    assert sorted(warning.text for warning in run.journal.warnings) == said


def test_an_observer_takes_only_the_arguments_that_it_names(installed: Distributions) -> None:
    source = (
        "from rheed_acquire import hookimpl\n@hookimpl\ndef rheed_run_finished(report):\n"
        "    report.info.told.append('finished')"
    )
    installed.add("short", source)
    run = RunStub()
    run.observe(load(installed))
    assert (run.told, run.journal.warnings) == (["finished"], [])


def backend_with(*requires: str) -> CameraBackend:
    def nothing(*_: object) -> Any:
        raise AssertionError

    return CameraBackend(
        "some", "some", CameraSettings, nothing, nothing, requires, 'pip install "some[sdk]"'
    )


@pytest.mark.parametrize("module", ["no_such_sdk", "no_such_package.sdk", "json.no_such_part"])
def test_a_backend_whose_sdk_is_missing_says_how_to_install_it(module: str) -> None:
    backend = backend_with("json", module)
    assert missing_requirement(backend) == f'{module} is not installed: pip install "some[sdk]"'


def test_a_backend_whose_modules_are_all_there_is_usable() -> None:
    assert missing_requirement(backend_with("json", "json.decoder")) is None
    assert missing_requirement(backend_with()) is None
