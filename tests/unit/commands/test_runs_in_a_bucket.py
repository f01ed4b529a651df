"""The commands that look at runs take one in a bucket as they take a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.recording.conftest import DATA_ID, record
from tests.unit.recording.test_runs_in_a_bucket import copy

from rheed_acquire import BucketPath, RheedAcquireError, SettingsError
from rheed_acquire.commands import replay, report, run, show

FRAMES = np.random.default_rng(7).integers(1, 256, (20, 16, 24), np.uint8)
NAME = "2026-11-29-120000-growth-00000001"


@pytest.fixture
def site(tmp_path: Path, bucket: BucketPath, monkeypatch: pytest.MonkeyPatch) -> BucketPath:
    """A bucket with a run, and something that is none."""
    monkeypatch.chdir(tmp_path)
    copy(
        record(tmp_path / "recorded", [(0, FRAMES[:8]), (1, FRAMES[8:16]), (2, FRAMES[16:])], 8),
        bucket / NAME,
    )
    (bucket / "notes" / "x.txt").write_bytes(b"no run")
    return bucket


def test_show_lists_and_shows_what_lies_there(site: BucketPath, capsys: pytest.CaptureFixture[str]) -> None:
    assert show.main(["--output", str(site), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["folder"], one["data_id"], one["frames"]) for one in listed] == [
        (str(site / NAME), DATA_ID, 20)
    ]
    for named in ([str(site / NAME)], ["growth", "--output", str(site)], [DATA_ID, "--output", str(site)]):
        assert show.main([*named, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["report"]["frames"] == 20


def test_show_exports_frames_of_it(site: BucketPath, tmp_path: Path) -> None:
    import tifffile

    assert show.main([str(site / NAME), "--export", "some.tif", "--frames", "6:10"]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "some.tif"), FRAMES[6:10])


def test_report_puts_the_report_beside_the_recording(
    site: BucketPath, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(site / NAME), "--region", "specular=4x4+2+2"]) == 0
    assert capsys.readouterr().out.strip() == str(site / NAME / "report.html")
    assert b"<html" in (site / NAME / "report.html").read_bytes()
    [region] = json.loads((site / NAME / "report.json").read_bytes())["regions"]
    assert region["name"] == "specular"


def test_replay_takes_its_frames(site: BucketPath, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main(["--inspect", str(site / NAME), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["width"], told["height"]) == (20, 24, 16)
    assert told["device"]["address"] == str(site / NAME)


@pytest.mark.parametrize("wanted", ["growth-2", "../growth", "s3://runs/../x"])
def test_a_run_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(
    site: BucketPath, wanted: str
) -> None:
    with pytest.raises(SettingsError):
        show.main([wanted, "--output", str(site)])


@pytest.mark.parametrize("setting", ["output", "spool-dir"])
def test_a_run_itself_is_written_to_a_disk(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RheedAcquireError, match="must be a folder on a disk"):
        run.main([f"--{setting}", "s3://runs/x", "--camera", "simulated"])
    assert list(tmp_path.iterdir()) == []
