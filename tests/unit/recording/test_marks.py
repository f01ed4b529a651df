"""Marks in a run's folder: kept whole, whatever they say, and in the Zarr group once the run is closed."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.recording.conftest import START_MS, record

from rheed_acquire import RecordedRun, RheedAcquireError
from rheed_acquire.recording.layout import MARKS_FILE
from rheed_acquire.recording.marks import Mark, append_mark, read_marks
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.run import marks as run_marks
from rheed_acquire.run.marks import MarkError, RunMarks

MARKS = st.builds(
    Mark,
    time_unix_ms=st.floats(0, 4e12),
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | st.text(st.characters(codec="utf-8"), max_size=10),
)


@given(st.lists(MARKS, max_size=10), st.binary(max_size=40))
@settings(max_examples=40)
def test_marks_are_read_as_they_were_kept_also_behind_the_half_line_of_a_crash(
    marks: list[Mark], torn: bytes
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        assert read_marks(folder) == ()
        for mark in marks:
            append_mark(folder, mark)
        with (folder / MARKS_FILE).open("ab") as file:
            file.write(b'{"time_unix_ms": 1' + torn.replace(b"\n", b"").replace(b"}", b""))
        last = Mark(4e12, "after the crash")
        append_mark(folder, last)
        assert read_marks(folder) == (*sorted(marks, key=lambda mark: mark.time_unix_ms), last)


@pytest.mark.parametrize(
    "line",
    ["", "5", "[]", '{"text": "a"}', '{"time_unix_ms": null, "text": "a"}', '{"time_unix_ms": 1, "text": 2}'],
)
def test_a_line_that_is_no_mark_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / MARKS_FILE).write_text(f"{line}\n", encoding="utf-8")
    append_mark(tmp_path, Mark(1.0, "open"))
    assert read_marks(tmp_path) == (Mark(1.0, "open"),)


MARKED = (
    Mark(START_MS + 100.0, "substrate", 650.5, "\N{DEGREE SIGN}C"),
    Mark(START_MS + 150.0, "shutter open"),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A closed run of two frames with two marks, the later of which was told first."""
    folder = record(tmp_path / "run", [(0, np.zeros((2, 4, 5), np.uint8))], 2, closed=False)
    for mark in reversed(MARKED):
        append_mark(folder, mark)
    RunWriter.load(folder).close("test")  # as whatever finishes it after a crash
    return folder


def test_a_closed_run_has_its_marks_in_the_group_for_any_reader_of_zarr(run: Path) -> None:
    group = zarr.open_group(run / "frames.zarr", mode="r")
    times: Any = group["mark_time_unix_ms"]
    values: Any = group["mark_value"]
    assert times[:].tolist() == [mark.time_unix_ms for mark in MARKED]
    assert times.attrs["text"] == ["substrate", "shutter open"]
    assert times.attrs["unit"] == ["\N{DEGREE SIGN}C", None]
    assert values[0] == 650.5
    assert np.isnan(values[1])


def test_marks_are_read_from_the_folder_and_from_a_group_that_was_copied_alone(
    run: Path, tmp_path: Path
) -> None:
    assert RecordedRun(run).marks() == MARKED
    shutil.copytree(run / "frames.zarr", tmp_path / "copy" / "frames.zarr")
    assert RecordedRun(tmp_path / "copy").marks() == MARKED


def test_a_run_without_marks_has_no_array_of_them(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", [(0, np.zeros((2, 4, 5), np.uint8))], 2)
    assert "mark_value" not in zarr.open_group(folder / "frames.zarr", mode="r")
    assert RecordedRun(folder).marks() == ()


def test_marks_that_cannot_be_read_do_not_keep_a_run_from_its_end(tmp_path: Path) -> None:
    folder = record(tmp_path / "run", [(0, np.zeros((2, 4, 5), np.uint8))], 2, closed=False)
    (folder / MARKS_FILE).mkdir()
    writer = RunWriter.load(folder)
    writer.close("test")
    assert writer.is_closed
    with pytest.raises(RheedAcquireError, match="cannot be read"):
        RecordedRun(folder).marks()


def test_a_run_takes_marks_from_its_beginning_to_its_end_only(tmp_path: Path) -> None:
    marks = RunMarks()
    with pytest.raises(MarkError, match="not begun"):
        marks.add(MARKED[0])
    marks.begin([tmp_path])
    marks.add(MARKED[1])
    marks.add(MARKED[0])
    assert marks.items == read_marks(tmp_path) == MARKED
    marks.close()
    with pytest.raises(MarkError, match="is ending"):
        marks.add(MARKED[0])
    assert len(marks) == 2


def test_a_mark_is_kept_in_each_folder_and_counts_where_one_takes_it(tmp_path: Path) -> None:
    marks = RunMarks()
    (tmp_path / "output").mkdir()
    marks.begin([tmp_path / "archive", tmp_path / "output"])
    marks.add(MARKED[0])  # the archive's disk is away
    (tmp_path / "archive").mkdir()
    marks.add(MARKED[1])
    assert read_marks(tmp_path / "output") == MARKED
    assert read_marks(tmp_path / "archive") == MARKED[1:]


def test_no_run_takes_marks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_marks, "MOST_MARKS", 3)
    marks = RunMarks()
    marks.begin([tmp_path])
    for _ in range(3):
        marks.add(MARKED[0])
    with pytest.raises(MarkError, match="3 marks already"):
        marks.add(MARKED[0])
