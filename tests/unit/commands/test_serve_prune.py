"""Runs that are too old are named, and deleted only where that is asked for."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.unit.recording.conftest import record
from tests.unit.recording.test_runs_in_a_bucket import copy

from rheed_acquire import SettingsError
from rheed_acquire.commands import serve
from rheed_acquire.recording.pruning import OldRun, delete_run, runs_ended_before
from rheed_acquire.recording.run_path import RunPath

FRAMES = np.ones((3, 4, 6), np.uint8)
LONG_AGO, STREAM = "2020-02-29T12:00:00.000+00:00", "stream.json"


def age(run: Path, **changes: object) -> Path:
    """Change what a run says of itself."""
    file = run / STREAM
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ended_utc": LONG_AGO} | changes))
    return run


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> RunPath:
    """A place with an old run, a new one, one that is open, and things that are no runs."""
    runs = tmp_path / "runs"
    age(record(runs / "2020-old", [(0, FRAMES)], 4))
    record(runs / "2026-new", [(0, FRAMES)], 4)
    age(record(runs / "2020-open", [(0, FRAMES)], 4, closed=False))
    age(record(runs / "2020-closing", [(0, FRAMES)], 4), state="closing")
    age(record(runs / "2020-strange", [(0, FRAMES)], 4), ended_utc="long ago")
    for name in ("notes", ".server", ".hidden"):
        (runs / name).mkdir()
        (runs / name / "x.txt").write_text("x")
    if request.param == "folder":
        return runs
    return copy(runs, request.getfixturevalue("bucket"))


def names(place: RunPath) -> set[str]:
    """What lies there; in the store a folder is nothing but its objects, though it may list one without."""
    if isinstance(place, Path):
        return {folder.name for folder in place.iterdir()}
    return {path.path_from(place).partition("/")[0] for path, _, _ in place.below()}


def prune(place: RunPath, *arguments: str) -> int:
    where = ("--dir", str(place)) if isinstance(place, Path) else ("--store", str(place))
    return serve.main(["prune", *where, *arguments])


def test_nothing_is_deleted_unless_it_is_asked_for(
    place: RunPath, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(place)
    assert prune(place, "--older-than", "90d", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["path"] for run in told["runs"]] == [str(place / "2020-old")]
    assert told["bytes"] > 100
    assert not told["deleted"]
    assert {kept["path"].rpartition("-")[2] for kept in told["kept"]} == {"open", "closing", "strange"}
    assert prune(place, "--older-than", "90d") == 0
    assert "1 runs, 0.000 GB, would be deleted" in capsys.readouterr().out
    assert names(place) == before


def test_only_what_has_ended_so_long_ago_is_deleted_and_all_of_it(place: RunPath) -> None:
    before = names(place)
    assert prune(place, "--older-than", "99999d", "--delete") == 0
    assert names(place) == before
    assert prune(place, "--older-than", "12w", "--delete") == 0
    assert names(place) == before - {"2020-old"}
    assert prune(place, "--older-than", "12w", "--delete") == 0


def test_two_that_prune_at_once_delete_each_run_once(place: RunPath, tmp_path: Path) -> None:
    for number in range(6):
        made = age(record(tmp_path / "more" / f"2020-old-{number}", [(0, FRAMES)], 4))
        if isinstance(place, Path):
            made.rename(place / made.name)
        else:
            copy(made, place / made.name)
    with ThreadPoolExecutor(2) as two:
        codes = list(two.map(lambda _: prune(place, "--older-than", "1d", "--delete"), range(2)))
    assert codes == [0, 0]
    assert not any(name.startswith(("2020-old", ".pruned")) for name in names(place))


def test_what_a_prune_that_died_has_left_is_deleted_by_the_next(place: RunPath) -> None:
    if isinstance(place, Path):
        (place / "2020-old").rename(place / ".pruned-2020-old")
    else:
        (place / "2020-old" / "frames.zarr" / "zarr.json").unlink()
    assert prune(place, "--older-than", "1d", "--delete") == 0
    assert not any("2020-old" in name for name in names(place))


@pytest.mark.skipif(sys.platform == "win32", reason="a symbolic link takes rights there")
def test_a_link_to_a_run_elsewhere_is_not_followed(tmp_path: Path) -> None:
    elsewhere = age(record(tmp_path / "elsewhere", [(0, FRAMES)], 4))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "2020-link").symlink_to(elsewhere)
    assert prune(tmp_path / "runs", "--older-than", "1d", "--delete") == 0
    assert elsewhere.is_dir()


def test_a_run_that_is_gone_meanwhile_is_deleted(place: RunPath) -> None:
    from datetime import UTC, datetime

    [run] = [one for one in runs_ended_before(place, datetime.now(UTC)) if "old" in one.path.name]
    assert isinstance(run, OldRun)
    delete_run(run)
    delete_run(run)


@pytest.mark.parametrize("wrong", ["90", "d", "-1d", "0d", "1y", "1e3d"])
def test_an_age_that_is_none_is_an_error(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match="--older-than"):
        prune(tmp_path, "--older-than", wrong)


@pytest.mark.parametrize("age_given", ["999999d", "999999w", "999999h"])
def test_no_run_is_older_than_the_calendar(
    tmp_path: Path, age_given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = age(record(tmp_path / "runs" / "2020-old", [(0, FRAMES)], 4))
    assert prune(run.parent, "--older-than", age_given, "--delete") == 0
    assert names(run.parent) == {run.name}
    assert capsys.readouterr().out.startswith("0 runs")
