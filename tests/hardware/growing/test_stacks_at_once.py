"""Files of many frames that grow at the same time: which is followed, what is said, each frame once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.hardware.growing.conftest import Writing
from tests.hardware.growing.writers import AviGray, Hdf5, Imm, TiffStack, Writer, number_of

from rheed_acquire_growing.follower import Follower


def write(writer: Writer, which: Iterable[int]) -> None:
    for number in which:
        writer.write(number)


def taken_now(follower: Follower) -> list[int]:
    """Look, and take what is there."""
    follower.look()
    return [number_of(taken.pixels) for taken in iter(follower.take, None)]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files rest as soon as nothing is written to them, and whether two grow is looked at each time."""
    monkeypatch.setattr("rheed_acquire_growing.growing_file.SETTLE_S", 0.0)
    monkeypatch.setattr("rheed_acquire_growing.at_once.LOOK_S", 0.0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("kind", "suffix"), [(Imm, "imm"), (TiffStack, "tif"), (AviGray, "avi"), (Hdf5, "h5")]
)
def test_a_stack_that_rests_while_another_one_grows_goes_on_and_each_frame_comes_once(
    kind: Any, suffix: str, tmp_path: Path, writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(tmp_path, from_start=False)
    first = writing(kind, tmp_path / f"a.{suffix}")
    write(first, range(3))
    assert taken_now(follower) == [0, 1, 2]
    second = writing(kind, tmp_path / f"b.{suffix}")
    write(second, range(100, 103))
    assert taken_now(follower) == [100, 101, 102]
    write(first, range(3, 5))
    write(second, [103])
    found = taken_now(follower) + taken_now(follower)
    assert found == [103, 3, 4]
    write(second, [104])
    assert taken_now(follower) == [104]
    assert taken_now(follower) == []
    assert follower.lost == 0
    (told,) = (record for record in caplog.records if "grow at the same time" in record.getMessage())
    assert str(first.path) in told.getMessage()
    assert str(second.path) in told.getMessage()
    follower.close()


@pytest.mark.usefixtures("settled")
def test_stacks_that_were_growing_already_are_both_followed(tmp_path: Path, writing: Writing) -> None:
    first, second = (writing(Imm, tmp_path / f"{name}.imm") for name in "ab")
    write(first, range(3))
    write(second, range(100, 103))
    follower = Follower(tmp_path, from_start=False)
    write(first, [3])
    write(second, [103])
    found = [number for _ in range(3) for number in taken_now(follower)]
    assert sorted(found) == [3, 103]
    follower.close()


@pytest.mark.usefixtures("settled")
def test_a_start_repeats_nothing_of_a_stack_that_went_on_but_what_came_since_the_opening(
    tmp_path: Path, writing: Writing
) -> None:
    follower = Follower(tmp_path, from_start=False)
    first = writing(Imm, tmp_path / "a.imm")
    write(first, range(3))
    assert taken_now(follower) == [0, 1, 2]
    second = writing(Imm, tmp_path / "b.imm")
    write(second, [100])
    assert taken_now(follower) == [100]
    follower.mark()
    write(first, [3, 4])
    assert taken_now(follower) == [3, 4]
    follower.rewind()
    assert taken_now(follower) == [3, 4]
    follower.close()


def test_two_stacks_that_grow_together_are_named_while_one_has_its_turn(
    tmp_path: Path, writing: Writing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheed_acquire_growing.growing_file.SETTLE_S", 3600.0)  # none rests here
    monkeypatch.setattr("rheed_acquire_growing.at_once.LOOK_S", 0.0)
    follower = Follower(tmp_path, from_start=False)
    first, second = (writing(Imm, tmp_path / f"{name}.imm") for name in "ab")
    found: list[int] = []
    for number in range(6):
        write(first, [number])
        write(second, [100 + number])
        found += taken_now(follower)
    assert found == sorted(found)
    assert max(found) < 100
    assert [record.getMessage().count("grow at the same time") for record in caplog.records] == [1]
    follower.close()
