"""What a wrong value is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import SettingsError
from rheed_acquire.settings.sources import LoadedSettings

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources


def _value(loaded: LoadedSettings, key: str) -> Any:
    head, _, rest = key.partition(".")
    value: Any = loaded.backend(head) if rest else loaded.run
    for name in (rest or head).split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--fps", "abc"], "--fps 'abc': must be a number (command line)"),
        (["--fps", "0"], "--fps '0': must be greater than 0 (command line)"),
        (["--fps=nan"], "--fps 'nan': must be a finite number (command line)"),
        (["--duration", "-inf"], "--duration '-inf': must be a finite number (command line)"),
        (["--duration", "-1"], "--duration '-1': must be greater than 0 (command line)"),
        (["--frames", "1.5"], "--frames '1.5': must be a whole number (command line)"),
        (["--frames", "0"], "--frames '0': must be greater than or equal to 1 (command line)"),
        (["--chunk-size", "0"], "--chunk-size '0': must be greater than or equal to 1 (command line)"),
        (["--chunk-seconds", "1"], "--chunk-seconds '1': must be greater than or equal to 2 (command line)"),
        (["--rotations-per-min=-1"], "--rotations-per-min '-1': must be greater than or equal to 0 (comm"),
        (["--gap-tolerance", "0"], "--gap-tolerance '0': must be greater than 0 (command line)"),
        (["--verbosity", "5"], "--verbosity '5': must be less than or equal to 4 (command line)"),
        (["--ring-chunks", "1"], "--ring-chunks '1': must be greater than or equal to 2 (command line)"),
        (["--bit-shift", "-1"], "--bit-shift '-1': must be greater than or equal to 0 (command line)"),
        (["--fps-tolerance", "2"], "--fps-tolerance '2': must be less than or equal to 1 (command line)"),
        (["--drain-timeout", "0"], "--drain-timeout '0': must be greater than 0 (command line)"),
        (["--json=perhaps"], "--json 'perhaps': must be true or false (command line)"),
        (["--endpoint", "api.x.ai"], "--endpoint 'api.x.ai': must be a base URL such as https://api.at"),
        (["--endpoint", "http://h:x"], "--endpoint 'http://h:x': must be a base URL such as "),
        (["--output", ""], "--output '': must name a directory"),
        (["--basler.trigger", "x"], "--basler.trigger 'x': must be 'off', 'line' or 'software' (command"),
        (["--pattern.mode", "x"], "--pattern.mode 'x': must be 'spot' or 'streak' (command line)"),
        (["--pattern.level", "inf"], "--pattern.level 'inf': must be a finite number (command line)"),
        (["--basler.width", "x" * 99], f"--basler.width '{'x' * 59}…: must be a whole number (command line)"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_allowed(sources: Sources, argv: list[str], said: str) -> None:
    (problem,) = sources.problems(*argv)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("fps = true", "fps = true: must not be true or false"),
        ("fps = nan", "fps = nan: must be a finite number"),
        ("stream_name = 5", "stream_name = 5: must be text"),
        ("tags = 'a'", "tags = 'a': must be a list such as"),
        ("tags = [1]", "tags = [1]: must be text"),
        ("basler = 5", "basler: no such key; the nearest is "),
        ("fps = {x = 1}", "fps = {'x': 1}: must be a number"),
        ("[basler]\nfeatures = 5", "basler.features = 5: must be a table [basler.features]"),
        ("[pattern]\nlevel = inf", "pattern.level = inf: must be a finite number"),
        ("frames = 2024-01-01", "frames = datetime.date(2024, 1, 1): must be a whole number"),
    ],
)
def test_a_wrong_type_in_toml_is_answered_with_what_is_allowed(
    sources: Sources, toml: str, said: str
) -> None:
    (problem,) = sources.problems(toml=toml)
    assert problem.startswith(said)
    assert "(rheed-acquire.toml line " in problem


@pytest.mark.parametrize("text", ["[1]", "{", "3", '"x"', "[" * 9999])
def test_a_mapping_in_a_variable_must_be_a_json_object(sources: Sources, text: str) -> None:
    (problem,) = sources.problems(environ={"RHEED_BASLER__FEATURES": text})
    assert problem.endswith(': must be a JSON object such as {"Gain": 3} (environment variable)')


def test_a_feature_that_is_given_twice_is_refused_with_the_way_to_mean_both(sources: Sources) -> None:
    flags = ("--basler.features.ChunkEnable=false", "--basler.features.ChunkEnable=true")
    (problem,) = sources.problems(*flags)
    assert problem == (
        "--basler.features.ChunkEnable: is given twice, 'false' and 'true'; leave one out, or spell each "
        "--basler.features.ChunkEnable[SELECTED] where a selector chooses (command line)"
    )
    (problem,) = sources.problems("--basler.features.On[A]=1", "--basler.features.On[A]=1")
    assert problem == "--basler.features.On[A]: is given twice, '1' and '1'; leave one out (command line)"
    (problem,) = sources.problems(environ={"RHEED_BASLER__FEATURES": '{"On": 1, "Off": 0, "On": 2}'})
    assert problem.endswith(": On is in it twice; leave one out (environment variable)")


@pytest.mark.parametrize("value", ["[1, 2]", "{ Timestamp = true }", "2024-01-01"])
def test_a_feature_takes_one_value(sources: Sources, value: str) -> None:
    (problem,) = sources.problems(toml=f"[basler.features]\nGain = {value}")
    assert "must be one value: text, a number, true or false" in problem
    assert problem.endswith("(rheed-acquire.toml line 2)")


def test_all_that_is_wrong_is_said_at_once(sources: Sources) -> None:
    problems = sources.problems(
        "--fps=-1",
        "--nonsense",
        environ={"RHEED_FRAMES": "x", "RHEED_WHAT": "1"},
        dotenv="RHEED_DURATION=0",
        toml="verbosity = 9\nwhat = 1\n[basler]\nwidth = 0",
    )
    assert len(problems) == 8
    assert len({problem.rpartition("(")[2] for problem in problems}) == 6


def test_an_overruled_wrong_value_is_no_error(sources: Sources) -> None:
    assert sources.load("--fps", "3", environ={"RHEED_FPS": "x"}).run.fps == 3


def test_settings_that_contradict_each_other_are_named_with_their_sources(sources: Sources) -> None:
    assert sources.problems(
        "--chunk-size=9",
        "--azimuth=[110]",
        environ={"RHEED_ROTATIONS_PER_MIN": "3"},
        toml="chunk_seconds = 3",
    ) == [
        (
            "--chunk-size '9' (command line) and chunk_seconds = 3 (rheed-acquire.toml line 1): "
            "both give the length of a chunk; leave one out"
        ),
        (
            "--azimuth '[110]' (command line) and RHEED_ROTATIONS_PER_MIN='3' (environment variable): "
            "a rotating stage has no one azimuth; leave one out"
        ),
    ]
    (problem,) = sources.problems("--pattern.stamp", "--pattern.mode", "streak", toml="")
    assert problem == (
        "pattern: a streak cannot be stamped; given: --pattern.stamp true (command line), "
        "--pattern.mode 'streak' (command line)"
    )


def test_a_model_that_needs_a_value_spoils_only_its_own_camera(sources: Sources) -> None:
    loaded = sources.load("--camera=pattern")
    with pytest.raises(SettingsError, match=r"needy\.must: needs a value"):
        loaded.backend("needy")
    assert _value(sources.load("--needy.must=3"), "needy.must") == 3
