"""Which source wins, and who is named for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheed_acquire.cameras.camera_settings import CameraSettings, Trigger
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.settings.sources import LoadedSettings, load_settings

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources


# Key, values as text, how TOML writes one, and how to read it back.
LEVELS = st.integers(1, 10_000)
KEYS = {
    "fps": ("--fps", "RHEED_FPS"),
    "chunk_size": ("--chunk-size", "RHEED_CHUNK_SIZE"),
    "drain_timeout": ("--drain-timeout", "RHEED_DRAIN_TIMEOUT"),
    "basler.exposure_us": ("--basler.exposure-us", "RHEED_BASLER__EXPOSURE_US"),
    "basler.width": ("--basler.width", "RHEED_BASLER__WIDTH"),
    "pattern.seed": ("--pattern.seed", "RHEED_PATTERN__SEED"),
    "pattern.roi.left": ("--pattern.roi.left", "RHEED_PATTERN__ROI__LEFT"),
}
PLACES = ("flag", "environment", "dotenv", "toml")


def _value(loaded: LoadedSettings, key: str) -> Any:
    head, _, rest = key.partition(".")
    value: Any = loaded.backend(head) if rest else loaded.run
    for name in (rest or head).split("."):
        value = getattr(value, name)
    return value


@settings(max_examples=60)
@given(
    st.dictionaries(st.tuples(st.sampled_from(sorted(KEYS)), st.sampled_from(PLACES)), LEVELS, max_size=20),
    st.booleans(),
)
def test_the_strongest_source_wins_and_is_named(
    sources_in: Callable[..., Sources], assigned: dict[tuple[str, str], int], equals_form: bool
) -> None:
    argv: list[str] = []
    environ: dict[str, str] = {"PATH": "/bin", "AS_SOMETHING": "1"}
    dotenv = ["# a comment", "OTHER_TOOL=1"]
    toml = ["# a comment"]
    expected: dict[str, tuple[int, str]] = {}
    places: dict[tuple[str, str], str] = {}
    for (key, place), value in sorted(assigned.items()):
        flag, variable = KEYS[key]
        if place == "flag":
            argv += [f"{flag}={value}"] if equals_form else [flag, str(value)]
            places[key, place] = flag
        elif place == "environment":
            environ[variable] = str(value)
            places[key, place] = f"environment variable {variable}"
        elif place == "dotenv":
            dotenv += ["", f"{variable}={value}"]
            places[key, place] = f".env line {len(dotenv)}"
        else:
            toml += [f"{key} = {value}", ""]
            places[key, place] = f"rheed-acquire.toml line {len(toml) - 1}"
    for key in KEYS:
        for place in PLACES:
            if (key, place) in assigned:
                expected[key] = assigned[key, place], places[key, place]
                break
    with TemporaryDirectory() as directory:
        loaded = sources_in(directory).load(
            *argv, environ=environ, dotenv="\n".join(dotenv), toml="\n".join(toml)
        )
    defaults = sources_in(f"{directory}/nowhere").load()
    for key in KEYS:
        value, source = expected.get(key, (_value(defaults, key), "default"))
        assert _value(loaded, key) == value
        assert loaded.source_of(key) == source
    shown = {key: source for key, _, source in loaded.table()}
    assert {key: source for key, (_, source) in expected.items()}.items() <= shown.items()


def test_without_any_source_all_is_default(sources: Sources) -> None:
    loaded = sources.load()
    assert loaded.run == RunSettings()
    assert loaded.run.output == Path("runs")
    assert loaded.backend("basler") == CameraSettings()
    assert {source for _, _, source in loaded.table()} == {"default"}


def test_a_backend_without_settings_has_none_to_ask_for(sources: Sources) -> None:
    loaded = sources.load("--camera", "plain-one")
    with pytest.raises(KeyError):
        loaded.source_of("plain-one.seed")
    assert loaded.backend("plain-one").model_dump() == {}


def test_the_environment_is_the_process_s_own_by_default(
    host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHEED_STREAM_NAME", "from outside")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("RHEED_FRAMES=7\n")
    loaded = load_settings([], host)
    assert (loaded.run.stream_name, loaded.run.frames) == ("from outside", 7)


def test_rheed_names_win_over_atomscale_s_within_one_source(sources: Sources) -> None:
    environ = {"ATOMSCALE_API_KEY": "third", "AS_API_ENDPOINT": "http://a.example"}
    assert _key(sources.load(environ=environ)) == "third"
    environ["AS_API_KEY"] = "second"
    assert _key(sources.load(environ=environ)) == "second"
    environ |= {"RHEED_API_KEY": "first", "RHEED_ENDPOINT": "http://b.example/"}
    loaded = sources.load(environ=environ, dotenv="AS_API_KEY=fourth")
    assert _key(loaded) == "first"
    assert loaded.run.endpoint == "http://b.example"
    assert loaded.source_of("api_key") == "environment variable RHEED_API_KEY"


def test_atomscale_s_key_is_read_from_dotenv_and_toml(sources: Sources) -> None:
    assert _key(sources.load(toml='api_key = "in the file"'.replace(" ", ""))) == "inthefile"
    loaded = sources.load(dotenv="\n\nexport AS_API_KEY='quoted'\n")
    assert (_key(loaded), loaded.source_of("api_key")) == ("quoted", ".env line 3")


def _key(loaded: LoadedSettings) -> str:
    assert loaded.run.api_key is not None
    return loaded.run.api_key.get_secret_value()


def test_lists_are_replaced_by_a_stronger_source_not_joined(sources: Sources) -> None:
    toml = 'tags = ["file"]\ndisable_plugins = []'
    assert sources.load(toml=toml).run.tags == ("file",)
    environ = {"RHEED_TAGS": "a, b,,c d"}
    assert sources.load(environ=environ).run.tags == ("a", "b", "c d")
    assert sources.load("--tag", "x,y", "--tag=z", environ=environ).run.tags == ("x,y", "z")
    environ = {"RHEED_PATTERN__NAMES": "l,r"}
    assert _value(sources.load(environ=environ), "pattern.names") == ["l", "r"]


def test_features_are_merged_entry_by_entry_with_the_source_of_each(sources: Sources) -> None:
    loaded = sources.load(
        "--basler.features.A=1",
        "--basler.features.Neg",
        "-3e-2",
        environ={
            "RHEED_BASLER__FEATURES": '{"A": 2, "B": 2}',
            "RHEED_BASLER__FEATURES__MixedCase": "x",
        },
        toml='[basler.features]\nB = 3\nC = 3.5\n"D.E" = true\n',
    )
    features = _value(loaded, "basler.features")
    assert features == {"A": "1", "B": 2, "C": 3.5, "D.E": True, "Neg": "-3e-2", "MixedCase": "x"}
    assert loaded.source_of("basler.features.A") == "--basler.features.A"
    assert loaded.source_of("basler.features.B") == "environment variable RHEED_BASLER__FEATURES"
    assert loaded.source_of("basler.features.C") == "rheed-acquire.toml line 3"
    assert loaded.source_of("basler.features.D.E") == "rheed-acquire.toml line 4"
    assert "--basler.features.A, " in loaded.source_of("basler.features")
    assert ("basler.features.D.E", "true", "rheed-acquire.toml line 4") in loaded.table()


@pytest.mark.parametrize(
    "given",
    [
        {"argv": ["--basler.features.On[A]=1", "--basler.features.On[B:C]", "2"]},
        {"environ": {"RHEED_BASLER__FEATURES": '{"On[A]": "1", "On[B:C]": "2"}'}},
        {"environ": {"RHEED_BASLER__FEATURES__On[A]": "1", "RHEED_BASLER__FEATURES__On[B:C]": "2"}},
        {"dotenv": "RHEED_BASLER__FEATURES__On[A]=1\nRHEED_BASLER__FEATURES__On[B:C]=2\n"},
        {"dotenv": """RHEED_BASLER__FEATURES='{"On[A]": "1", "On[B:C]": "2"}'"""},
        {"toml": '[basler.features]\n"On[A]" = "1"\n"On[B:C]" = "2"\n'},
        {"toml": 'basler.features = {"On[A]" = "1", "On[B:C]" = "2"}\n'},
    ],
)
def test_a_selected_feature_is_spelled_alike_in_every_source_and_keeps_its_order(
    sources: Sources, given: dict[str, Any]
) -> None:
    features = _value(sources.load(*given.pop("argv", ()), **given), "basler.features")
    assert list(features.items()) == [("On[A]", "1"), ("On[B:C]", "2")]


def test_switches_go_both_ways(sources: Sources) -> None:
    toml = "[pattern]\nstamp = true"
    assert _value(sources.load(toml=toml), "pattern.stamp") is True
    assert _value(sources.load("--no-pattern.stamp"), "pattern.stamp") is False
    assert _value(sources.load("--pattern.stamp=no"), "pattern.stamp") is False
    loaded = sources.load("--no-pattern.damp", "--json", "--pattern.seed", "3")
    assert (_value(loaded, "pattern.damp"), loaded.run.json_report) == (False, True)


def test_negative_numbers_are_values_and_the_last_flag_counts(sources: Sources) -> None:
    loaded = sources.load("--basler.gain", "4", "--basler.gain", "-3", "--pattern.level=-1e-3")
    assert (_value(loaded, "basler.gain"), _value(loaded, "pattern.level")) == (-3.0, -1e-3)


def test_blank_text_counts_as_not_given(sources: Sources) -> None:
    environ = {"RHEED_FPS": "", "RHEED_AZIMUTH": " ", "AS_API_KEY": ""}
    loaded = sources.load("--stream-name", "  ", environ=environ, toml='stream_name = "x"\nfps = 5')
    assert (loaded.run.stream_name, loaded.run.azimuth, loaded.run.api_key) == (None, None, None)
    assert loaded.run.fps == 5


def test_enumerations_and_paths_arrive_as_their_types(sources: Sources) -> None:
    loaded = sources.load("--basler.trigger=line", "--output", "~/x", "--pattern.images", "here")
    assert _value(loaded, "basler.trigger") is Trigger.LINE
    assert loaded.run.output == Path.home() / "x"
    assert _value(loaded, "pattern.images") == Path("here")


@pytest.mark.parametrize("key", ["output", "archive", "spool_dir", "log_file", "pattern.images"])
@pytest.mark.parametrize("place", ["flag", "variable", "file"])
def test_a_path_below_the_users_home_is_found_wherever_it_is_written(
    sources: Sources, key: str, place: str
) -> None:
    table, _, name = key.rpartition(".")
    if place == "flag":
        loaded = sources.load(f"--{key.replace('_', '-')}", "~/growth 1")
    elif place == "variable":
        loaded = sources.load(environ={"RHEED_" + key.replace(".", "__").upper(): "~/growth 1"})
    else:
        loaded = sources.load(toml=(f"[{table}]\n" if table else "") + f'{name} = "~/growth 1"')
    value = _value(loaded, key) if table else getattr(loaded.run, key)
    assert value == Path.home() / "growth 1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' Python makes one up beside the user's own")
def test_a_home_that_nobody_has_is_said_to_be_unknown(sources: Sources) -> None:
    told = "must be a path; the home directory it begins with is unknown"
    assert sources.problems("--archive", "~nobody-of-this-name/x") == [
        f"--archive '~nobody-of-this-name/x': {told} (command line)"
    ]


def test_the_table_shows_the_chosen_camera_and_of_others_what_is_set(sources: Sources) -> None:
    rows = sources.load("--camera", "pattern", "--basler.width=5").table()
    keys = [key for key, _, _ in rows]
    assert {name for name in keys if name.startswith("basler")} == {"basler.width"}
    assert {"pattern.seed", "pattern.roi.left", "fps", "verbosity"} <= set(keys)
    assert ("fps", "not set", "default") in rows
    assert ("pattern.mode", "spot", "default") in rows


@settings(max_examples=60)
@given(st.sampled_from(sorted(KEYS)), st.integers(0, 40), st.sampled_from("qxz"), st.sampled_from(PLACES))
def test_one_letter_too_many_is_led_back_to_the_right_name(
    sources_in: Callable[..., Sources], key: str, at: int, letter: str, place: str
) -> None:
    start = key.rfind(".") + 1
    at = start + 1 + at % (len(key) - start)
    wrong = key[:at] + letter + key[at:]
    variable = "RHEED_" + wrong.replace(".", "__").upper()
    flag, right_variable = KEYS[key]
    with TemporaryDirectory() as directory:
        here = sources_in(directory)
        if place == "flag":
            (problem,) = here.problems("--" + wrong.replace("_", "-"), "5")
            assert f"the nearest is {flag} " in problem
        elif place == "toml":
            (problem,) = here.problems(toml=f"{wrong} = 5")
            assert f"the nearest is {key} " in problem
        else:
            given_there = {"environ": {variable: "5"}, "dotenv": f"{variable}=5"}
            name = "environ" if place == "environment" else "dotenv"
            (problem,) = here.problems(**{name: given_there[name]})
            assert f"the nearest is {right_variable} " in problem
