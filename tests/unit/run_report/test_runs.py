"""Which runs there are, and which one is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.run_report.conftest import MakeRecording, record

from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.run_report.record import read_record
from rheed_acquire.run_report.runs import find_run, list_runs
from rheed_acquire.run_report.writing import write_json

FRAMES = np.zeros((3, 4, 6), np.uint8)


def test_a_run_is_found_by_folder_data_id_or_a_part_of_its_name(make_recording: MakeRecording) -> None:
    gan, first, second = (make_recording(FRAMES, name=name) for name in ("GaN 7", "InAs 1", "InAs 12"))
    runs = gan.parent
    assert find_run(str(gan), Path("elsewhere")) == gan
    assert find_run(str(gan / "frames.zarr"), Path("elsewhere")) == gan
    assert find_run(gan.name, runs) == gan
    assert find_run("gan", runs) == gan
    assert find_run("00000001-0000-4000-8000-000000000000", runs) == first
    assert find_run("InAs 1", runs) == first, "the whole name wins over a part of another"
    assert find_run("inas-12", runs) == second


@pytest.mark.parametrize("wanted", ["InAs", "1-0000"])
def test_what_fits_several_runs_or_none_is_refused_with_a_way_out(
    make_recording: MakeRecording, wanted: str
) -> None:
    runs = make_recording(FRAMES, name="InAs 1").parent
    make_recording(FRAMES, name="InAs 12")
    if wanted == "InAs":
        with pytest.raises(SettingsError, match=r"'InAs' fits 2 runs in .*; give more of it"):
            find_run(wanted, runs)
    for nothing in ("", "GaAs", "..", "/"):
        with pytest.raises(SettingsError, match=r"there is no run .*rheed-acquire show lists them"):
            find_run(nothing, runs)


def test_the_list_holds_recordings_and_reports_in_the_order_of_their_beginning(
    make_recording: MakeRecording,
) -> None:
    recorded = make_recording(FRAMES, name="recorded")
    elsewhere = recorded.parent / "2026-01-01-elsewhere"
    elsewhere.mkdir()
    write_json(elsewhere, record(name="sent away"))
    (recorded.parent / ".server").mkdir(exist_ok=True)
    (recorded.parent / "notes").mkdir()
    sent, kept = list_runs(recorded.parent)
    assert (sent.name, sent.state, sent.exit_code, sent.frames) == ("sent away", "delivered", 0, 40)
    assert (kept.name, kept.state, kept.exit_code, kept.frames) == ("recorded", "closed", None, 3)


def test_a_damaged_report_hides_no_run_and_is_named_when_it_is_read(make_recording: MakeRecording) -> None:
    folder = make_recording(FRAMES)
    for damage in ("{", "[]", '{"report_version": 2}'):
        (folder / "report.json").write_text(damage)
        assert [run.frames for run in list_runs(folder.parent)] == [3]
        with pytest.raises(RheedAcquireError, match=r"report\.json is damaged, or of another version"):
            read_record(folder)


def test_a_report_that_is_read_again_is_the_one_that_was_written(tmp_path: Path) -> None:
    written = record(rate={"utc_ms": [1.5], "frames": [3], "seconds": [0.1]})
    write_json(tmp_path, written)
    assert read_record(tmp_path) == written


def test_a_directory_that_is_not_there_yet_has_no_runs_and_a_file_is_a_wrong_setting(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot be listed.*--output"):
        list_runs(tmp_path / "file")
