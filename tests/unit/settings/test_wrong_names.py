"""What a wrong name, or a file that cannot be read, is answered with."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.settings.sources import LoadedSettings

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources


def _value(loaded: LoadedSettings, key: str) -> Any:
    head, _, rest = key.partition(".")
    value: Any = loaded.backend(head) if rest else loaded.run
    for name in (rest or head).split("."):
        value = getattr(value, name)
    return value


def test_another_file_can_be_named_by_flag_or_variable(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "night run.toml").write_text("fps = 3\n")
    toml = "fps = 4\nframes = 9\n"
    loaded = sources.load("--config", "night run.toml", toml=toml)
    assert (loaded.run.fps, loaded.run.frames) == (3, None)
    assert loaded.source_of("fps") == "night run.toml line 1"
    loaded = sources.load(environ={"RHEED_CONFIG": str(tmp_path / "night run.toml")})
    assert loaded.run.fps == 3
    assert sources.problems("--config", "none.toml") == ["--config 'none.toml': no such file (command line)"]
    assert (
        "no such file (environment variable)" in sources.problems(environ={"RHEED_CONFIG": str(tmp_path)})[0]
    )
    assert sources.problems(toml='config = "x.toml"') == [
        "config = 'x.toml': a settings file cannot name another (rheed-acquire.toml line 1)"
    ]


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("# one\n\nfps = 0", "fps", 3),
        ("azimuth = '''\nfps = 3\n[basler]\n'''\n\nfps = 0", "fps", 6),
        ("tags = [\n  'fps = 1', # ]\n  'b',\n]\nfps = 0", "fps", 5),
        ("[basler] # x\nwidth = 1\n\nheight = 0", "basler.height", 4),
        ("[pattern]\nseed = 1\n[pattern.roi]\n\nleft = -1", "pattern.roi.left", 5),
        ("fps = 3\nbasler = { width = 3, height = 0 }", "basler.height", 2),
        ("basler.width = 1\nbasler.height = 0", "basler.height", 2),
        ("\"basler\".'height' = 0", "basler.height", 1),
        ('[ "basler" ]\n\n"height"=0', "basler.height", 3),
        ("\ufeff# from an editor on Windows\r\nframes = 1\r\nfps = 0\r\n", "fps", 3),
        ('frames = 1\r\nazimuth = """\r\nx\r\n"""\r\nfps = 0', "fps", 5),
    ],
)
def test_a_wrong_value_in_toml_is_reported_with_its_line(
    sources: Sources, tmp_path: Path, text: str, key: str, line: int
) -> None:
    (tmp_path / "rheed-acquire.toml").write_bytes(text.encode())
    (problem,) = sources.problems()
    assert problem.startswith(f"{key} = ")
    assert problem.endswith(f"(rheed-acquire.toml line {line})")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"fps = 3\nframes\n", "rheed-acquire.toml line 2, column 7: not valid TOML: Expected '='"),
        (b"tags = [\n", "rheed-acquire.toml line 1, column 9: not valid TOML: "),
        (b"fps = 1\nfps = 2\n", "rheed-acquire.toml line 2, column 8: not valid TOML: "),
        (b"\xff\xfef\x00p\x00s\x00", "rheed-acquire.toml: is not UTF-8 text"),
        (b"tags = " + b"[" * 5000, "rheed-acquire.toml: nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_reported_with_the_place(
    sources: Sources, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "rheed-acquire.toml").write_bytes(content)
    (problem,) = sources.problems()
    assert problem.startswith(said)


def test_lines_of_dotenv_are_counted_over_comments_and_multi_line_values(sources: Sources) -> None:
    dotenv = '# x\n\nOTHER="a\nb\nc"\n\n  export RHEED_FRAMES = -1  # note\nRHEED_FPS\n= broken\n'
    assert sources.problems(dotenv=dotenv) == [
        "RHEED_FPS: must be followed by = and a value (.env line 8)",
        "RHEED_FRAMES='-1': must be greater than or equal to 1 (.env line 7)",
    ]


def test_a_dotenv_of_other_software_is_no_concern(sources: Sources) -> None:
    loaded = sources.load(dotenv="just words\nDATABASE=postgres://x\n=\nRHEED_INTEROP_PYTHON=py\n")
    assert loaded.run == RunSettings()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--fsp", "30"], "--fsp: no such flag; the nearest is --fps (command line)"),
        (["--fsp=30"], "--fsp: no such flag; the nearest is --fps (command line)"),
        (["--stream", "x"], "--stream: no such flag; the nearest is --streamer (command line)"),
        (["--exposure_us", "5"], "--exposure_us: no such flag; the nearest is --basler.exposure-us (command"),
        (["--basler.fps", "5"], "--basler.fps: no such flag; the nearest is --fps (command line)"),
        (["--no-fps"], "--no-fps: no such flag; the nearest is --fps (command line)"),
        (["--tags", "x"], "--tags: no such flag; the nearest is --tag (command line)"),
        (["-v"], "-v: no such flag; the nearest is "),
        (["basler"], "unexpected argument 'basler' (command line)"),
        (["--json", "--", "x"], "--: no such flag; the nearest is "),
        (["--fps"], "--fps: needs a value, FPS (command line)"),
        (["--fps", "--json"], "--fps: needs a value, FPS (command line)"),
        (["--basler.trigger"], "--basler.trigger: needs a value, {off,line,software} (command line)"),
        (["--basler.features", "Gain"], "--basler.features='Gain': must be spelled --basler.features.NAME="),
        (["--basler.features"], "--basler.features: needs a value, --basler.features.NAME=VALUE (command"),
        (["--no-json=true"], "--no-json: takes no value (command line)"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_one_line_of_advice(
    sources: Sources, argv: list[str], said: str
) -> None:
    assert sources.problems(*argv)[0].startswith(said)


def test_an_unknown_variable_names_the_nearest(sources: Sources) -> None:
    environ = {"RHEED_FSP": "1", "RHEED_BASLER__EXPOSURE": "2", "RHEED_INTEROP_PYTHON": "3"}
    assert sources.problems(environ=environ, dotenv="\nRHEED_STREAMNAME=x") == [
        "RHEED_FSP: no such setting; the nearest is RHEED_FPS (environment variable)",
        (
            "RHEED_BASLER__EXPOSURE: no such setting; the nearest is RHEED_BASLER__EXPOSURE_US "
            "(environment variable)"
        ),
        "RHEED_STREAMNAME: no such setting; the nearest is RHEED_STREAM_NAME (.env line 2)",
    ]


def test_an_unknown_key_in_toml_names_the_nearest(sources: Sources) -> None:
    toml = (
        "stream-name = 'x'\n[basler]\nexposure = 1\nfps = 3\n"
        "[baslr.features]\nA = 1\n[zzz]\n[pattern.roi]\nlfet=1"
    )
    assert sources.problems(toml=toml) == [
        "stream-name: no such key; the nearest is stream_name (rheed-acquire.toml line 1)",
        "basler.exposure: no such key; the nearest is basler.exposure_us (rheed-acquire.toml line 3)",
        (
            "basler.fps: no such key; the nearest is fps, which stands above the first [table] "
            "(rheed-acquire.toml line 4)"
        ),
        "[baslr]: no such table; the nearest is [basler] (rheed-acquire.toml line 5)",
        "[zzz]: no such table; there are [basler], [needy], [pattern] (rheed-acquire.toml line 7)",
        "pattern.roi.lfet: no such key; the nearest is pattern.roi.left (rheed-acquire.toml line 9)",
    ]


def test_the_settings_of_a_disabled_or_broken_plugin_are_passed_over_in_files(
    tmp_path: Path, make_host: Callable[..., PluginHost], sources_in: Callable[..., Sources]
) -> None:
    disabled = make_host({"basler": [("basler", CameraSettings)]}, disabled=["basler"])
    broken = PluginHost(sources=[EntryPoint("basler", "no_such_module_at_all", PROJECT)])
    for host, said in ((disabled, "plugin basler is disabled"), (broken, "cannot be used: Module")):
        here = sources_in(tmp_path, host)
        environ = {"RHEED_BASLER__WIDTH": "3"}
        assert here.load(toml="[basler]\nwidth = 3", environ=environ).run == RunSettings()
        assert said in here.problems("--basler.width", "3")[0]


def test_a_backend_named_like_a_setting_is_refused_with_its_origin(
    make_host: Callable[..., PluginHost],
) -> None:
    host = make_host({"odd": [("fps", CameraSettings)]})
    assert "is that of a setting of the run" in (host.failures[0].failure or "")


def test_a_backend_may_have_any_other_name(
    tmp_path: Path, make_host: Callable[..., PluginHost], sources_in: Callable[..., Sources]
) -> None:
    here = sources_in(tmp_path, make_host({"odd": [("my-camera", CameraSettings), ("copy", CameraSettings)]}))
    environ = {"RHEED_MY_CAMERA__WIDTH": "3"}
    loaded = here.load("--my-camera.height=4", environ=environ, toml="[copy]\nwidth=5")
    assert (_value(loaded, "my-camera.width"), _value(loaded, "my-camera.height")) == (3, 4)
    assert _value(loaded, "copy.width") == 5


@pytest.mark.parametrize("name", ["RHEED_", "RHEED_BASLER__FEATURES__", "RHEED_BASLER", "rheed_fsp"])
def test_a_variable_that_sets_nothing_is_refused(sources: Sources, name: str) -> None:
    (problem,) = sources.problems(environ={name: "1"})
    assert problem.startswith(f"{name}: no such setting; the nearest is RHEED_")


@pytest.mark.parametrize("word", ["", "-", "--", "---", "--=", "--no-", "--basler.features.", "--camera\n"])
def test_odd_words_on_the_command_line_are_refused_in_one_line(sources: Sources, word: str) -> None:
    (problem,) = sources.problems(word)
    assert problem.isprintable()
    assert problem.endswith("(command line)")
