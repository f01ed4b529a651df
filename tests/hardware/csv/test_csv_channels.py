"""A table that another program writes while it is followed."""

from __future__ import annotations

import csv
import time
from contextlib import suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rheed_acquire import Channel, ChannelError, Reading
from rheed_acquire_csv import CsvSettings, open_channels
from rheed_acquire_csv.rows import RowCutter

LOG = "log.csv"
LONGEST = 13
"""Bytes of a row, its end among them, where tables are cut everywhere."""


def channel(path: Path, **more: str) -> Channel:
    described = {"name": "T", "path": str(path), "column": "T", **more}
    (made,) = open_channels(CsvSettings.model_validate({"channels": [described]}))
    return made


def add(path: Path, text: str, encoding: str = "utf-8") -> None:
    with path.open("ab") as file:
        file.write(text.encode(encoding))


def values(channel: Channel) -> list[float]:
    readings: list[Reading] = list(channel.read())  # type: ignore[arg-type]
    return [reading.value for reading in readings]


def test_rows_that_come_are_read_once_and_those_before_never(tmp_path: Path) -> None:
    log = tmp_path / LOG
    add(log, "time,T\n0,600.0\n1,601.0\n")
    follower = channel(log)
    assert values(follower) == []
    add(log, "2,602.5\n3,603.5\n4,60")
    assert values(follower) == [602.5, 603.5]
    add(log, "4.5\n")
    assert values(follower) == [604.5]
    assert values(follower) == []


def test_half_a_row_that_was_there_at_first_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / LOG
    add(log, "T\n600\n60")
    follower = channel(log)
    add(log, "1\n")
    assert values(follower) == [601.0]


def test_a_file_that_comes_later_or_is_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    with pytest.raises(ChannelError, match=LOG):
        follower.read()
    add(log, "T\n1\n2\n")
    assert values(follower) == [1.0, 2.0]
    log.write_bytes(b"T\n3\n")  # shorter
    assert values(follower) == [3.0]
    add(tmp_path / "next", "a;T\n1;4\n2;5\n3;6\n")
    (tmp_path / "next").replace(log)  # another file, with its own columns
    assert values(follower) == [4.0, 5.0, 6.0]


@given(st.lists(st.tuples(st.integers(0, 9999), st.floats(-1e6, 1e6)), max_size=30), st.data())
@settings(max_examples=30)
def test_however_it_is_written_each_row_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float]], data: st.DataObject
) -> None:
    log = tmp_path_factory.mktemp("csv") / LOG
    text = "n;T [°C]\r\n" + "".join(f"{number};{str(value).replace('.', ',')}\r\n" for number, value in rows)
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    log.touch()
    follower = channel(log, column="T [°C]")
    found: list[float] = []
    for first, last in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with log.open("ab") as file:
            file.write(whole[first:last])
        with suppress(ChannelError):  # while there is no whole line
            found += values(follower)
    assert found == [value for _, value in rows]


@pytest.mark.parametrize(
    ("text", "more", "number"),
    [
        ("a,T\n1,2.5\n", {}, 2.5),
        ("a\tT\n1\t2,5\n", {}, 2.5),
        ("a;T\n1;2,5\n", {}, 2.5),
        ('"a, b","T"\n"1, 2","2.5"\n', {}, 2.5),
        ("\ufeffT;a\n2.5;1\n", {}, 2.5),
        ("1,2.5\n", {"column": "2"}, 2.5),
        ("a,T\n1,2.5\n", {"column": "2"}, 2.5),
        ("LabVIEW log\nmade by hand\n\na,T\n1,2.5\n", {}, 2.5),
        ("a:T\n1:2.5\n", {"delimiter": ":"}, 2.5),
        ("a T\n1 2.5\n", {"delimiter": " "}, 2.5),
        ("a,T\n1,\n2,2.5\n3\n\n", {}, 2.5),
    ],
)
def test_tables_of_many_programs_are_read(
    tmp_path: Path, text: str, more: dict[str, str], number: float
) -> None:
    log = tmp_path / LOG
    follower = channel(log, **more)
    add(log, text)
    assert values(follower) == [number]


@pytest.mark.parametrize(
    ("written", "more"),
    [
        ("1764378000.25", {}),
        ("1764378000250", {}),
        ("2025-11-29T01:00:00.250+00:00", {}),
        ("2025-11-29 01:00:00.250Z", {}),
        ("29.11.2025 01:00:00.250 +0000", {"time_format": "%d.%m.%Y %H:%M:%S.%f %z"}),
    ],
)
def test_a_row_is_dated_by_its_column_of_times(tmp_path: Path, written: str, more: dict[str, str]) -> None:
    log = tmp_path / LOG
    follower = channel(log, time="when", **more)
    add(log, f"when,T\n{written},5\n")
    expected_ms = datetime(2025, 11, 29, 1, 0, 0, 250_000, UTC).timestamp() * 1e3
    (reading,) = follower.read()  # type: ignore[misc]
    assert reading == Reading(5.0, pytest.approx(expected_ms, abs=1e-3))  # type: ignore[arg-type]


def test_a_date_without_a_zone_is_local(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log, time="1", column="2")
    add(log, "2025-11-29 01:00:00,5\n")
    expected_ms = time.mktime((2025, 11, 29, 1, 0, 0, 0, 0, -1)) * 1e3
    assert follower.read() == [Reading(5.0, expected_ms)]


@pytest.mark.parametrize(
    ("text", "more", "why"),
    [
        ("a,b\n1,2\n", {}, "no column 'T'; its first line is a, b"),
        ("a,T\n1,hot\n", {}, "'hot', which is no number"),
        ("a,T\n1,nan\n", {}, "'nan', which is no number"),
        ("a,T\nyesterday,5\n", {"time": "a"}, "no time: see time-format"),
        ("a,T\n1,5\n", {"time": "b"}, "no column 'b'"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(
    tmp_path: Path, text: str, more: dict[str, str], why: str
) -> None:
    log = tmp_path / LOG
    follower = channel(log, **more)
    add(log, text)
    with pytest.raises(ChannelError, match=why):
        follower.read()


def test_a_bad_cell_costs_no_good_row(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    add(log, "T\n1\nhot\n2\n")
    assert values(follower) == [1.0, 2.0]


def test_a_long_table_is_taken_piece_by_piece(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    add(log, "T\n" + "".join(f"{number}\n" for number in range(2_500)))
    found = [values(follower) for _ in range(4)]
    assert [len(piece) for piece in found] == [1_000, 1_000, 500, 0]
    assert [value for piece in found for value in piece] == list(range(2_500))


def test_a_row_that_is_too_long_is_told_and_passed_over_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    add(log, "T\n" + "9" * 600_000)
    with pytest.raises(ChannelError, match="no end"):
        follower.read()
    assert [values(follower) for _ in range(3)] == [[], [], []]
    add(log, "9\n1\n")
    assert values(follower) == [1.0]


def test_what_ends_a_row_that_was_under_way_from_far_back_is_no_row(tmp_path: Path) -> None:
    log = tmp_path / LOG
    add(log, "T\n" + " " * 600_000)
    follower = channel(log)
    add(log, "7\n8\n")
    assert values(follower) == [8.0]


def test_a_cell_with_lines_of_its_own_is_one_cell(tmp_path: Path) -> None:
    log = tmp_path / LOG
    add(log, "note,T\n")
    follower = channel(log)
    add(log, '"shutter open\nagain,5\n')
    assert values(follower) == []
    add(log, 'and closed",600\nplain,601\n')
    assert values(follower) == [600.0, 601.0]


def test_a_file_that_is_written_anew_and_longer_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    add(log, "T\n1\n2\n")
    assert values(follower) == [1.0, 2.0]
    log.write_text("time,T\n0,10.5\n1,11.5\n", encoding="utf-8")  # in its place
    assert values(follower) == [10.5, 11.5]
    add(log, "2,12.5\n")
    assert values(follower) == [12.5]


ROWS = st.lists(
    st.one_of(
        st.integers(0, 9999).map(str),
        st.tuples(st.integers(0, 99), st.text("ab\n,", max_size=5)).map(lambda row: f'{row[0]},"{row[1]}"'),
        st.integers(13, 60).map(lambda length: "7" * length),  # longer than a row may be
    ),
    max_size=12,
)


@given(ROWS, st.lists(st.integers(0, 200), max_size=8))
def test_wherever_a_table_is_cut_the_same_rows_are_found(rows: list[str], cuts: list[int]) -> None:
    whole = "".join(f"{row}\n" for row in rows).encode()
    fitting = [row for row in rows if len(row) < LONGEST]
    cutter, place, found = RowCutter(LONGEST), 0, []
    for size in [*sorted(cuts), len(whole)]:
        there = whole[:size]
        while True:
            found += list(cutter.rows(there[place : place + LONGEST], ","))
            if not cutter.used:
                break
            place += cutter.used
    lines = "".join(f"{row}\n" for row in fitting)
    assert found == [[cell.replace("\n", "") for cell in row] for row in csv.reader(StringIO(lines))]


def test_the_program_that_writes_is_not_kept_from_its_file(tmp_path: Path) -> None:
    log = tmp_path / LOG
    follower = channel(log)
    add(log, "T\n1\n")
    assert values(follower) == [1.0]
    log.replace(tmp_path / "moved.csv")  # which Windows allows of a file that nobody has open


@pytest.mark.parametrize(
    "text", ["name=T column=T", "name=T path=log.csv", "name=T path=a column=T delimiter=ab"]
)
def test_what_describes_no_column_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CsvSettings.model_validate({"channels": [text]})
