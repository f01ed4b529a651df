"""A push that cannot be taken is refused at once, says why, and takes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rheed_acquire.streaming import RHEEDStreamer

if TYPE_CHECKING:
    from tests.integration.fault_server import FaultServer

CHUNK_SIZE = 20
GOOD = np.zeros((2, 6, 8), np.uint8)


@pytest.fixture(scope="module")
def streamer(
    make_faults: Callable[[], FaultServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RHEEDStreamer]:
    with make_faults() as service, pytest.MonkeyPatch.context() as patched:
        patched.setenv("RHEED_SPOOL_DIR", str(tmp_path_factory.mktemp("arguments") / "spool"))
        patched.setenv("ATOMSCALE_SKIP_CLOCK_SYNC", "1")
        with RHEEDStreamer("a-key", service.endpoint) as streamer:
            yield streamer


@pytest.fixture(scope="module")
def data_id(streamer: RHEEDStreamer) -> str:
    """A stream of frames of 6 x 8, whose chunk 0 was pushed."""
    data_id = initialize(streamer)
    streamer.push(data_id, 0, GOOD)
    return data_id


def initialize(streamer: RHEEDStreamer) -> str:
    return streamer.initialize(fps=10.0, rotations_per_min=0.0, chunk_size=CHUNK_SIZE)


def assert_refused(streamer: RHEEDStreamer, data_id: str, match: str, *push: Any) -> None:
    before = streamer.status(data_id).chunks_pushed
    with pytest.raises(ValueError, match=match):
        streamer.push(data_id, *push)
    assert streamer.status(data_id).chunks_pushed == before


other_dtypes = (
    arrays.integer_dtypes() | arrays.floating_dtypes() | arrays.boolean_dtypes() | st.just(np.dtype("u2"))
) | arrays.complex_number_dtypes()


@given(dtype=other_dtypes)
def test_frames_of_another_dtype_are_refused(streamer: RHEEDStreamer, data_id: str, dtype: Any) -> None:
    assert_refused(streamer, data_id, "must be uint8", 1, np.zeros((2, 6, 8), dtype))


@given(shape=st.lists(st.integers(0, 4), max_size=6).filter(lambda shape: len(shape) not in (2, 3)))
def test_frames_of_another_rank_are_refused(streamer: RHEEDStreamer, data_id: str, shape: list[int]) -> None:
    assert_refused(streamer, data_id, r"shape \(N, H, W\) or \(H, W\)", 1, np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 6, 8), (2, 0, 8), (2, 6, 0), (0, 0), (0, 8)])
def test_frames_without_a_pixel_are_refused(
    streamer: RHEEDStreamer, data_id: str, shape: tuple[int, ...]
) -> None:
    assert_refused(streamer, data_id, "hold no pixel", 1, np.empty(shape, np.uint8))


@pytest.mark.parametrize("frames", [None, [[1, 2], [3, 4]], b"\0" * 96, GOOD.data, "frames"])
def test_what_is_no_array_is_refused(streamer: RHEEDStreamer, data_id: str, frames: Any) -> None:
    assert_refused(streamer, data_id, "must be a numpy array", 1, frames)


@given(count=st.integers(CHUNK_SIZE + 1, 200))
def test_more_frames_than_were_declared_are_refused(
    streamer: RHEEDStreamer, data_id: str, count: int
) -> None:
    assert_refused(
        streamer,
        data_id,
        f"has {count} frames, more than the declared chunk_size, 20",
        1,
        np.zeros((count, 6, 8), np.uint8),
    )


@given(size=st.tuples(st.integers(1, 12), st.integers(1, 12)).filter(lambda size: size != (6, 8)))
def test_frames_of_another_size_than_the_streams_are_refused(
    streamer: RHEEDStreamer, data_id: str, size: tuple[int, int]
) -> None:
    assert_refused(streamer, data_id, "the stream's have 6 x 8", 1, np.zeros((2, *size), np.uint8))


def test_an_index_is_taken_once(streamer: RHEEDStreamer, data_id: str) -> None:
    assert_refused(streamer, data_id, "chunk 0 was pushed before", 0, GOOD)


@given(
    index=st.integers(max_value=-1) | st.floats() | st.text() | st.sampled_from([True, False, None, np.True_])
)
def test_an_index_that_is_no_integer_from_0_is_refused(
    streamer: RHEEDStreamer, data_id: str, index: Any
) -> None:
    assert_refused(streamer, data_id, "chunk_idx must be an integer from 0", index, GOOD)


@pytest.mark.parametrize("start", [math.nan, math.inf, -1.0, True, "now"])
def test_a_capture_start_that_is_no_time_is_refused(
    streamer: RHEEDStreamer, data_id: str, start: Any
) -> None:
    assert_refused(streamer, data_id, "capture_start_ms_utc", 1, GOOD, start)


@pytest.mark.parametrize(
    ("item", "match"),
    [
        (np.zeros((21, 6, 8), np.uint8), "more than the declared chunk_size"),
        (np.zeros((2, 6, 9), np.uint8), "the stream's have 6 x 8"),
        (np.zeros((7, 9), np.uint8), "the stream's have 6 x 8"),
        (np.zeros((6, 8), np.float32), "must be uint8"),
        ((GOOD, math.nan), "capture_start_ms_utc"),
        ((GOOD, "now"), "capture_start_ms_utc"),
        (None, "must be a numpy array"),
    ],
)
def test_run_refuses_the_item_at_fault_and_delivers_what_came_before(
    streamer: RHEEDStreamer, item: Any, match: str
) -> None:
    data_id = initialize(streamer)
    with pytest.raises(ValueError, match=match):
        streamer.run(data_id, iter([GOOD[0], GOOD[1], item, GOOD[0]]))
    report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["chunks_not_uploaded"]) == (1, 0)


@pytest.mark.parametrize("drain_timeout_s", [math.nan, -1.0, "10", math.inf])
def test_a_drain_timeout_that_is_none_is_refused_and_the_stream_stays_open(
    streamer: RHEEDStreamer, drain_timeout_s: Any
) -> None:
    data_id = initialize(streamer)
    with pytest.raises(ValueError, match="drain_timeout_s"):
        streamer.finalize(data_id, drain_timeout_s)
    streamer.push(data_id, 0, GOOD)
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1


def test_a_finalized_stream_takes_nothing_and_is_not_finalized_again(streamer: RHEEDStreamer) -> None:
    data_id = initialize(streamer)
    streamer.finalize(data_id)
    for call in (
        lambda: streamer.finalize(data_id),
        lambda: streamer.push(data_id, 0, GOOD),
        lambda: streamer.run(data_id, [GOOD]),
    ):
        with pytest.raises(RuntimeError, match=f"{data_id} was finalized before"):
            call()


def test_a_data_id_of_another_streamer_is_unknown(streamer: RHEEDStreamer, data_id: str) -> None:
    with (
        RHEEDStreamer("a-key", streamer.endpoint) as other,
        pytest.raises(ValueError, match=f"'{data_id}' is not a data_id that initialize of this streamer"),
    ):
        other.push(data_id, 1, GOOD)


def test_the_spool_folder_may_be_text(
    make_faults: Callable[[], FaultServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMSCALE_SKIP_CLOCK_SYNC", "1")
    spool = str(tmp_path / "spool")
    with make_faults() as service, RHEEDStreamer("a-key", service.endpoint, spool_folder=spool) as streamer:
        data_id = initialize(streamer)
        streamer.push(data_id, 0, GOOD)
        assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    assert (tmp_path / "spool").is_dir()
