"""A series in one line of text, and the rows of the live display that are made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.commands.progress import Traces
from rheed_acquire.commands.sparkline import ASCII, BLOCKS, sparkline, takes_blocks
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region

if TYPE_CHECKING:
    from rheed_acquire.run.acquisition import Acquisition


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([], 5, ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, BLOCKS),
        ([8, 8, 1, 1], 2, "█▁"),
        ([5, 5, 5], 3, "▁▁▁"),
        ([1, float("nan"), 8], 3, "▁ █"),
        ([float("nan"), float("inf")], 2, "  "),
        ([float("nan"), 1, 8, 8], 2, "▁█"),
    ],
)
def test_a_line_follows_its_series(values: list[float], width: int, line: str) -> None:
    assert sparkline(values, width) == line
    ascii_line = line.translate(str.maketrans(BLOCKS, ASCII))
    assert sparkline(values, width, blocks=False) == ascii_line


@given(st.lists(st.floats(allow_nan=True, width=32), max_size=300), st.integers(1, 60))
def test_a_line_is_never_wider_than_asked_for(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(width, len(values))


def test_blocks_are_for_encodings_that_have_them() -> None:
    assert takes_blocks("utf-8")
    assert not takes_blocks("latin-1")
    assert not takes_blocks("no such encoding")


def test_the_live_display_has_a_row_for_each_region() -> None:
    chunks: list[Chunk] = []
    accumulator = ChunkAccumulator(
        ChunkRing(2, 20, 4, 4), make_copier("Mono8", 4, 4), (4, 4), 10.0, chunks.append, print
    )
    tap = FrameTap([Region(name="spot", x=0, y=0, width=2, height=2)], looks_per_s=1e-6)
    tap.watch(accumulator)
    tap.begin(4, 4, lambda stamps_ns, host_ns: host_ns / 1e6)
    traces = Traces(cast("Acquisition", type("Run", (), {"tap": tap})()), "utf-8")
    assert traces.look(10.0) == []
    traces = Traces(cast("Acquisition", type("Run", (), {"tap": tap})()), "utf-8")
    for number in range(8):
        accumulator.on_frame(Frame(np.full((4, 4), 10 * number, np.uint8), number, None))
    tap.look()
    tap.stop()
    assert traces.look(10.0) == [("spot", f"{BLOCKS} 70.0 (0.0 to 70.0)", False)]
