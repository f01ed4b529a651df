"""The server's one-dimensional arrays, read back through zarr-python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.recording.vector import ElementType, Vector

BLOCK = 5
NOTHING = {"int64": 0, "float64": np.nan}

piece_lists = st.lists(
    st.tuples(st.integers(0, 22), st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=12)),
    min_size=1,
    max_size=6,
)


def read(folder: Path) -> NDArray[np.generic]:
    return np.asarray(zarr.open_array(folder, mode="r")[:])


def expected(written: list[tuple[int, list[int]]], element_type: str) -> NDArray[np.generic]:
    length = max(first + len(values) for first, values in written)
    elements = np.full(length, NOTHING[element_type], element_type)
    for first, values in written:
        elements[first : first + len(values)] = values
    return elements


@given(
    anew=piece_lists,
    in_place=st.lists(piece_lists, max_size=3),
    element_type=st.sampled_from(["int64", "float64"]),
)
def test_whatever_is_written_anew_and_then_in_place_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    anew: list[tuple[int, list[int]]],
    in_place: list[list[tuple[int, list[int]]]],
    element_type: ElementType,
) -> None:
    folder = tmp_path_factory.mktemp("run") / "numbers"
    vector = Vector(folder, folder.parent / "staging", BLOCK, element_type, "chunk", {"units": "1"})
    written = list(anew)
    vector.write(written, len(expected(written, element_type)), durable=True)
    np.testing.assert_array_equal(read(folder), expected(written, element_type))
    for pieces in in_place:
        written += pieces
        vector.put(pieces, len(expected(written, element_type)))
        np.testing.assert_array_equal(read(folder), expected(written, element_type))


def test_a_vector_written_anew_and_shorter_keeps_no_block_past_its_end(tmp_path: Path) -> None:
    vector = Vector(tmp_path / "numbers", tmp_path / "staging", BLOCK, "int64", "chunk", {})
    for length in (2 * BLOCK + 1, BLOCK):
        vector.write([(0, list(range(length)))], length, durable=False)
        blocks = {path.name for path in (tmp_path / "numbers/c").iterdir()}
        assert blocks == {str(number) for number in range(-(-length // BLOCK))}
        np.testing.assert_array_equal(read(tmp_path / "numbers"), np.arange(length))


def test_elements_are_put_in_place_without_writing_the_block_around_them(tmp_path: Path) -> None:
    vector = Vector(tmp_path / "numbers", tmp_path / "staging", BLOCK, "int64", "chunk", {})
    vector.put([(0, [1])], 1)
    with (tmp_path / "numbers/c/0").open("rb") as block:  # of the file that a reader has open
        vector.put([(1, [2])], 2)
        assert np.frombuffer(block.read(), "<i8").tolist() == [1, 2, 0, 0, 0]
