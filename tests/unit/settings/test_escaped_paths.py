r"""Windows paths in double quotes: ``"C:\runs"`` is another path than it seems, and is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources

    from rheed_acquire.host.plugins import PluginHost

PATHS = {
    ("output",): "--output",
    ("archive",): "--archive",
    ("spool_dir",): "--spool-dir",
    ("log_file",): "--log-file",
    ("pattern", "images"): "--pattern.images",
}
SAID = (
    "must not hold a control character; in double quotes a backslash begins an escape: "
    "write 'C:\\runs' or C:/runs"
)
CONTROLS = "\a\b\t\n\v\f\r"
"""What an escape of a letter makes, in TOML or a ``.env``."""


def _toml(path: tuple[str, ...], quoted: str) -> str:
    table = f"[{path[0]}]\n" if len(path) > 1 else ""
    return f"{table}{path[-1]} = {quoted}\n"


def _variable(path: tuple[str, ...]) -> str:
    return "RHEED_" + "__".join(path).upper()


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("typed", [r"C:\runs", r"D:\temp\new.log", r"C:\backup", r"C:\frames"])
def test_a_path_with_an_escape_is_refused_in_a_file(
    sources: Sources, path: tuple[str, ...], typed: str
) -> None:
    (problem,) = sources.problems(toml=_toml(path, f'"{typed}"'))
    assert problem.startswith(f"{'.'.join(path)} = '{typed[:2]}\\")
    assert problem.endswith(f": {SAID} (rheed-acquire.toml line {len(path)})")
    (problem,) = sources.problems(dotenv=f'{_variable(path)}="{typed}"\n', toml="")
    assert problem.startswith(f"{_variable(path)}=")
    assert problem.endswith(f": {SAID} (.env line 1)")


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_path_is_taken_as_it_is_typed_in_single_quotes(sources: Sources, path: tuple[str, ...]) -> None:
    for loaded in (
        sources.load(toml=_toml(path, r"'C:\runs'")),
        sources.load(dotenv=f"{_variable(path)}='C:\\runs'\n", toml=""),
    ):
        rows = {key: value for key, value, _ in loaded.table()}
        assert rows[".".join(path)].endswith(r"C:\runs")


def test_a_settings_file_with_an_escape_in_its_name_is_refused(sources: Sources) -> None:
    (problem,) = sources.problems(dotenv=r'RHEED_CONFIG="D:\new.toml"' + "\n")
    assert problem == rf"RHEED_CONFIG='D:\new.toml': {SAID} (.env line 1)"


@given(
    path=st.sampled_from(sorted(PATHS)),
    before=st.text("abC:/\\ ", max_size=5).map(lambda text: f"a{text}"),
    control=st.sampled_from(CONTROLS),
    after=st.text("abC:/\\ ", max_size=5),
)
def test_a_control_character_in_a_path_is_refused_from_every_source(
    sources_in: Callable[..., Sources],
    tmp_path_factory: pytest.TempPathFactory,
    path: tuple[str, ...],
    before: str,
    control: str,
    after: str,
) -> None:
    value = before + control + after
    sources = sources_in(tmp_path_factory.mktemp("sources"))
    for problems, origin in (
        (sources.problems(f"{PATHS[path]}={value}"), "command line"),
        (sources.problems(environ={_variable(path): value}), "environment variable"),
        (sources.problems(toml=_toml(path, json.dumps(value))), f"rheed-acquire.toml line {len(path)}"),
    ):
        (problem,) = problems
        assert problem.endswith(f": {SAID} ({origin})")


@given(value=st.text(st.characters(min_codepoint=1, codec="utf-8", exclude_characters=CONTROLS)))
def test_no_other_character_is_refused_for_that(
    sources_in: Callable[..., Sources], tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    sources = sources_in(tmp_path_factory.mktemp("sources"))
    assert sources.load(f"--pattern.images=x{value}").source_of("pattern.images") == "--pattern.images"


class SeveralSettings(BaseModel):
    folders: tuple[Path, ...] = Field((), description="several")
    named: dict[str, Path] = Field(default_factory=dict, description="by name")
    hidden: SecretStr | Path | None = Field(None, description="where a key lies")
    title: str = Field("", description="no path")


@pytest.mark.parametrize(
    ("argument", "toml"),
    [
        ("folders", r'folders = ["C:/good", "C:\runs"]'),
        ("named.one", r'named = {one = "C:\runs"}'),
        ("hidden", r'hidden = "C:\runs"'),
    ],
)
def test_a_plugins_paths_are_looked_at_too_and_no_secret_is_shown(
    sources_in: Callable[..., Sources],
    make_host: Callable[..., PluginHost],
    tmp_path: Path,
    argument: str,
    toml: str,
) -> None:
    host = make_host({"several": [("several", SeveralSettings)]})
    (problem,) = sources_in(tmp_path, host).problems(toml=f"[several]\n{toml}")
    assert problem.startswith(f"several.{argument} = ")
    assert problem.endswith(f": {SAID} (rheed-acquire.toml line 2)")
    assert ("runs': " in problem) is (argument == "named.one")
    assert ("**********" in problem) is (argument == "hidden")


def test_a_mapping_that_a_variable_spreads_over_lines_is_judged_entry_by_entry(
    sources_in: Callable[..., Sources], make_host: Callable[..., PluginHost], tmp_path: Path
) -> None:
    host = make_host({"several": [("several", SeveralSettings)]})
    variable = "RHEED_SEVERAL__NAMED"
    good: Any = sources_in(tmp_path, host).load(environ={variable: '{\n "a": "/x",\n "b": "/y"\n}'})
    assert good.backend("several").named == {"a": Path("/x"), "b": Path("/y")}
    (problem,) = sources_in(tmp_path, host).problems(environ={variable: '{"a": "C:\\runs"}'})
    assert SAID in problem


def test_text_that_is_no_path_may_hold_a_line_break(
    sources_in: Callable[..., Sources], make_host: Callable[..., PluginHost], tmp_path: Path
) -> None:
    host = make_host({"several": [("several", SeveralSettings)]})
    loaded: Any = sources_in(tmp_path, host).load(toml='[several]\ntitle = "a\\nb"')
    assert loaded.backend("several").title == "a\nb"
