"""A stream with fewer frames than the camera gives: what it declares, what is pushed, and that it adds up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.ring import Chunk, ChunkRing
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST, RunReport

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage


class Keeper:
    """Keeps what a streamer and whoever looks on are given."""

    def __init__(self) -> None:
        self.pushed: list[tuple[int, list[int], list[int]]] = []
        self.seen: list[int] = []
        self.chunk_sizes: list[int] = []

    def push(self, chunk: Chunk) -> None:
        self.pushed.append((chunk.index, chunk.frames[:, 0, 0].tolist(), chunk.frame_ids.tolist()))

    def notify(self, hook: str, **arguments: Any) -> None:
        if "chunk" in arguments:
            self.seen += arguments["chunk"].frames[:, 0, 0].tolist()
            self.chunk_sizes.append(arguments["run"].chunk_size)


def reduced(stage: Stage, script: Any, **settings: Any) -> tuple[RunReport, Keeper, dict[str, Any]]:
    keeper = Keeper()
    streamer = stage.streamer(push=keeper.push)
    session = stage.session(stage.camera(script), streamer, notify=keeper.notify, ring_chunks=20, **settings)
    return session.run(), keeper, streamer.stream


def test_the_stream_declares_the_reduced_rate_and_whoever_looks_on_sees_every_frame(stage: Stage) -> None:
    report, keeper, declared = reduced(stage, range(100), stream_every=2, chunk_size=4, frames=20)
    assert (declared["fps"], declared["chunk_size"]) == (2.0, 4)
    assert [(index, frames) for index, frames, _ in keeper.pushed] == [
        (0, [0, 2, 4, 6]),
        (1, [8, 10, 12, 14]),
        (2, [16, 18]),
    ]
    assert keeper.pushed[1][2] == [8, 10, 12, 14]
    assert (keeper.seen, keeper.chunk_sizes) == (list(range(20)), [8, 8, 8])
    assert (report.frames_received, report.frames_pushed, report.frames_reduced) == (20, 10, 10)
    assert (report.adds_up, report.exit_code, report.problems) == (True, DELIVERED, [])


def test_a_mean_is_made_of_frames_with_none_missing_between_them(stage: Stage) -> None:
    script = [number for number in range(20) if number != 5]
    report, keeper, declared = reduced(
        stage, script, stream_average=2, chunk_size=10, frames=19, gap_tolerance=10.0
    )
    assert (declared["fps"], declared["chunk_size"]) == (2.0, 10)
    ((_, frames, ids),) = keeper.pushed
    # 4 stands alone before the gap; halves are rounded up.
    assert ids == [0, 2, 6, 8, 10, 12, 14, 16, 18]
    assert frames == [1, 3, 7, 9, 11, 13, 15, 17, 19]
    assert (report.frames_pushed, report.frames_reduced, report.frames_dropped_by_camera) == (9, 10, 1)
    assert (report.adds_up, report.exit_code) == (True, FRAMES_LOST)


def test_a_gap_that_ends_a_chunk_ends_a_mean(stage: Stage) -> None:
    script = [*range(5), *range(9, 20)]
    report, keeper, _ = reduced(stage, script, stream_average=2, chunk_size=10, frames=16)
    assert [ids for _, _, ids in keeper.pushed] == [[0, 2], [9, 11, 13, 15, 17]]
    assert (report.frames_received, report.frames_pushed, report.frames_reduced) == (16, 7, 9)


def test_a_chunk_that_is_not_taken_counts_with_all_the_cameras_frames(stage: Stage) -> None:
    def refuse(chunk: Chunk) -> None:
        if chunk.index == 1:
            raise RuntimeError("no room")

    streamer = stage.streamer(push=refuse)
    session = stage.session(
        stage.camera(range(100)), streamer, stream_every=2, chunk_size=4, frames=24, ring_chunks=20
    )
    report = session.run()
    assert (report.frames_pushed, report.frames_reduced, report.frames_not_taken) == (8, 8, 8)
    assert (report.adds_up, report.exit_code) == (True, FRAMES_LOST)


def test_overruns_are_counted_beside_what_is_reduced(stage: Stage) -> None:
    played = threading.Event()
    streamer = stage.streamer(push=lambda chunk: stage.wait_for(played))
    camera = stage.camera([*range(100), played.set])
    report = stage.session(camera, streamer, stream_every=2, chunk_size=4, duration=0.5).run()
    assert report.frames_overrun > 0
    assert report.frames_received == 100
    assert report.adds_up


def test_one_of_one_is_the_whole_stream(stage: Stage) -> None:
    report, _keeper, declared = reduced(stage, range(100), stream_average=1, frames=8)
    assert (declared["fps"], declared["chunk_size"]) == (4.0, 8)
    assert (report.frames_pushed, report.frames_reduced) == (8, 0)
    assert report.as_json()["stream_frame"] is None


def test_the_report_tells_both_rates(stage: Stage) -> None:
    figures = reduced(stage, range(100), stream_average=2, chunk_size=4, frames=8)[0].as_json()
    assert (figures["fps"], figures["stream_fps"]) == (4.0, 2.0)
    assert (figures["chunk_size"], figures["stream_chunk_size"]) == (8, 4)
    assert (figures["frames_pushed"], figures["frames_reduced"]) == (4, 4)
    assert figures["stream_frame"] == "the mean of every 2"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "4 frames/s are more than the 1.5 that Atomscale takes"),
        ({"stream_every": 2}, "4 frames/s, reduced to 2, are more than the 1.5 that Atomscale takes"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_a_rate_above_the_services_is_refused_before_anything_is_made(
    stage: Stage, settings: dict[str, Any], said: str, *, asked: bool
) -> None:
    camera, streamer = stage.camera(range(8)), stage.streamer()
    given = {**settings, **({"fps": 4.0} if asked else {})}
    session = stage.session(camera, streamer, max_fps=1.5, **given)
    with pytest.raises(SettingsError) as refused:
        session.run()
    assert str(refused.value) == (
        f"{said}: --stream-average 3 (the mean of every 3) or --stream-every 3 (one of every 3) makes 1.33333"
        " of them"
    )
    assert (session.streamers_opened, streamer.calls) == (0, [])
    # A rate that the user gives is known before the camera is opened.
    assert (len(session.requests), camera.closed) == ((0, 0) if asked else (1, 1))


def test_the_n_that_the_refusal_names_fits(stage: Stage) -> None:
    report = stage.session(
        stage.camera(range(50)), stage.streamer(), max_fps=1.5, stream_average=3, frames=24
    ).run()
    assert report.exit_code == DELIVERED


def test_a_streamer_written_before_there_was_a_reduction_gets_its_chunks_in_plain_memory(
    stage: Stage,
) -> None:
    streamer = stage.streamer()
    asked: list[object] = []

    def open_ring(data_id: str, count: int, height: int, width: int) -> ChunkRing | None:
        asked.append(count)
        return ChunkRing(count, 8, height, width)

    streamer.open_ring = open_ring  # type: ignore[method-assign, assignment]
    assert stage.session(stage.camera(range(8)), streamer, frames=8).run().exit_code == DELIVERED
    assert asked == [2]
    again = stage.streamer()
    again.open_ring = open_ring  # type: ignore[method-assign, assignment]
    report = stage.session(stage.camera(range(16)), again, frames=16, stream_every=2).run()
    assert (report.exit_code, again.frames, asked) == (DELIVERED, list(range(0, 16, 2)), [2])


def test_a_ring_that_does_not_fit_the_reduction_is_refused(stage: Stage) -> None:
    streamer = stage.streamer()

    def open_ring(*size: int, **_: object) -> ChunkRing:
        return ChunkRing(2, 8, 2, 4)

    streamer.open_ring = open_ring  # type: ignore[method-assign, assignment]
    with pytest.raises(Exception, match="its ring is for chunks of 8 x 2 x 4 in place of 16 x 2 x 4"):
        stage.session(stage.camera(range(16)), streamer, stream_every=2).run()


def test_the_frames_are_those_that_numpy_makes(stage: Stage) -> None:
    _, keeper, _ = reduced(stage, range(200), stream_average=5, chunk_size=8, frames=200)
    made = [frame for _, frames, _ in keeper.pushed for frame in frames]
    assert made == np.arange(200).reshape(-1, 5).mean(axis=1).tolist()
