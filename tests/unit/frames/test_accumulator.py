"""Single things that `ChunkAccumulator` promises, one by one; `test_accumulator_model` has the whole."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.pixels import make_copier
from rheed_acquire.frames.ring import NO_ID, Chunk, ChunkRing, Gap

HEIGHT, WIDTH = 2, 4


class Consumer:
    """Takes chunks and keeps them."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.errors: list[CameraError] = []

    def take(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)


def take(accumulator: ChunkAccumulator, *frames: tuple[int | None, int | None]) -> None:
    for number, timestamp_ns in frames:
        accumulator.on_frame(Frame(np.zeros((HEIGHT, WIDTH), np.uint8), number, timestamp_ns))


def small(consumer: Consumer, **options: Any) -> ChunkAccumulator:
    ring = ChunkRing(2, 10, HEIGHT, WIDTH)
    convert = make_copier("Mono8", HEIGHT, WIDTH)
    return ChunkAccumulator(
        ring, convert, (HEIGHT, WIDTH), 10.0, consumer.take, consumer.errors.append, **options
    )


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 11])
def test_a_frame_limit_closes_at_exactly_that_many_frames_and_the_last_chunk_is_short(limit: int) -> None:
    ring = ChunkRing(2, 4, HEIGHT, WIDTH)
    consumer = Consumer()

    def take_and_give_back(chunk: Chunk) -> None:
        consumer.take(chunk)
        chunk.release()

    convert = make_copier("Mono8", HEIGHT, WIDTH)
    accumulator = ChunkAccumulator(
        ring, convert, (HEIGHT, WIDTH), 10.0, take_and_give_back, consumer.errors.append, frame_limit=limit
    )
    take(accumulator, *[(number, None) for number in range(30)])
    assert accumulator.closed
    accumulator.close()
    assert accumulator.received == accumulator.accumulated == limit
    assert [len(chunk) for chunk in consumer.chunks] == [4] * (limit // 4) + [limit % 4] * (limit % 4 > 0)


def test_a_loss_across_the_wrap_of_a_gige_counter_names_the_first_frame_that_is_missing() -> None:
    consumer = Consumer()
    accumulator = small(consumer, frame_id_cycle=65535, gap_tolerance_s=1)
    take(accumulator, (65534, None), (2, None))
    accumulator.close()
    assert consumer.chunks[0].frame_ids.tolist() == [65534, 65537]
    assert consumer.chunks[0].gaps == (Gap(before_frame=1, first_missing_id=65535, missing=2),)


@pytest.mark.parametrize("unknown", [2**64 - 1, -1, np.uint64(2**64 - 1), -(2**31)])
def test_what_drivers_spell_for_unknown_is_no_id_and_no_stamp(unknown: Any) -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    take(accumulator, (unknown, unknown), (1, 100_000_000), (2, unknown), (unknown, 300_000_000), (4, None))
    accumulator.close()
    assert consumer.errors == []
    (chunk,) = consumer.chunks
    assert chunk.frame_ids.tolist() == [NO_ID, 1, 2, NO_ID, 4]
    assert [stamp if stamp >= 0 else None for stamp in chunk.timestamps_ns.tolist()] == [
        None,
        100_000_000,
        None,
        300_000_000,
        None,
    ]


@pytest.mark.parametrize("kind", [int, np.uint32, np.int32, np.uint64, np.int64, np.uint16])
def test_ids_and_stamps_of_any_whole_number_are_taken_for_what_they_are(kind: type) -> None:
    consumer = Consumer()
    accumulator = small(consumer, gap_tolerance_s=1)
    for number in range(8):
        accumulator.on_frame(Frame(np.zeros((HEIGHT, WIDTH), np.uint8), kind(number), kind(1000 * number)))
    accumulator.close()
    assert consumer.errors == []
    assert [chunk.frame_ids.tolist() for chunk in consumer.chunks] == [list(range(8))]
    assert (accumulator.ids.gaps, accumulator.has_ids) == (0, True)


def test_ids_that_stand_still_number_nothing() -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    take(accumulator, *[(7, None)] * 9)
    assert not accumulator.has_ids
    assert (accumulator.frames_missing, accumulator.gap_count, accumulator.ids.repeated) == (0, 0, 8)


@pytest.mark.parametrize("odd", [0, 2**32 - 1, 10**15])
def test_one_id_that_fits_to_nothing_is_no_loss_and_hides_none(odd: int) -> None:
    consumer = Consumer()
    accumulator = small(consumer, gap_tolerance_s=10)
    take(accumulator, *[(number, None) for number in (5000, 5001, odd, 5003, 5004, odd, 5007, 5008)])
    accumulator.close()
    ids = accumulator.ids
    assert (ids.odd, ids.restarts, ids.gaps, ids.missing) == (2, 0, 1, 1)
    assert [gap for chunk in consumer.chunks for gap in chunk.gaps] == [Gap(6, 5006, 1)]


def test_an_accumulator_that_follows_another_goes_on_with_its_counts_and_knows_nothing_of_its_ids() -> None:
    consumer = Consumer()
    accumulator = small(consumer, first_chunk_index=7, first_frame=100, gap_tolerance_s=1)
    take(accumulator, (5, None), (8, None))
    accumulator.close()
    assert [chunk.index for chunk in consumer.chunks] == [7]
    assert consumer.chunks[0].gaps == (Gap(before_frame=101, first_missing_id=6, missing=2),)


def test_a_chunk_begun_is_handed_over_only_by_close_where_the_camera_could_not_be_stopped() -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    take(accumulator, (0, None), (1, None))
    accumulator.refuse()
    take(accumulator, (2, None))
    assert (accumulator.received, len(consumer.chunks)) == (2, 0)
    accumulator.close()
    assert [len(chunk) for chunk in consumer.chunks] == [2]


def test_a_change_of_shape_names_both_shapes_and_the_frame_and_keeps_what_came_before() -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    take(accumulator, (0, None), (1, None))
    accumulator.on_frame(Frame(np.zeros((3, 4), np.uint8), 2, None))
    assert accumulator.closed
    accumulator.close()
    assert "(2, 4) to (3, 4) at frame 2" in str(consumer.errors[0])
    assert [len(chunk) for chunk in consumer.chunks] == [2]


def test_a_change_of_shape_is_refused_also_while_the_ring_is_full() -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    take(accumulator, *[(number, None) for number in range(21)])
    assert (accumulator.overrun, len(consumer.chunks)) == (1, 2)
    accumulator.on_frame(Frame(np.zeros((3, 4), np.uint8), 21, None))
    assert (accumulator.overrun, accumulator.rejected, accumulator.closed) == (1, 1, True)
    assert "(2, 4) to (3, 4) at frame 21" in str(consumer.errors[0])


def test_pixels_of_the_wrong_dtype_are_refused_by_the_real_converter_and_end_the_run() -> None:
    consumer = Consumer()
    accumulator = small(consumer)
    accumulator.on_frame(Frame(np.zeros((2, 4), np.uint16), 0, None))
    accumulator.close()
    assert "gave frame 0 of the run, whose pixels cannot be read: Mono8 pixels" in str(consumer.errors[0])
    assert consumer.chunks == []


def test_pixels_are_written_straight_into_the_buffer_that_the_chunk_is_handed_over_in() -> None:
    ring = ChunkRing(2, 3, HEIGHT, WIDTH)
    written: list[NDArray[np.uint8]] = []
    consumer = Consumer()

    def convert(source: NDArray[Any], destination: NDArray[np.uint8]) -> None:
        destination[...] = source
        written.append(destination)

    accumulator = ChunkAccumulator(
        ring, convert, (HEIGHT, WIDTH), 10.0, consumer.take, consumer.errors.append
    )
    take(accumulator, (0, None), (1, None), (2, None))
    chunk = consumer.chunks[0]
    assert all(np.shares_memory(slot, chunk.frames[n]) for n, slot in enumerate(written))
    assert chunk.frames.flags.c_contiguous


def test_no_memory_of_a_frames_size_is_taken_however_many_frames_come() -> None:
    height, width = 300, 500
    ring = ChunkRing(2, 20, height, width)

    errors: list[CameraError] = []

    def give_back(chunk: Chunk) -> None:
        chunk.release()

    accumulator = ChunkAccumulator(
        ring, make_copier("Mono8", height, width), (height, width), 100.0, give_back, errors.append
    )
    frame = Frame(np.full((height, width), 7, np.uint8), 0, 0)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(500):
            frame.id, frame.timestamp_ns = number, number * 10_000_000
            accumulator.on_frame(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (accumulator.accumulated, errors) == (500, [])
    assert peak - before < height * width // 2


def test_a_gap_that_ends_a_chunk_goes_with_the_next_also_in_an_accumulator_that_follows_another() -> None:
    consumer = Consumer()
    accumulator = small(consumer, first_frame=100)
    take(accumulator, (5, None), (6, None), (12, None))
    accumulator.close()
    assert [chunk.gaps for chunk in consumer.chunks] == [(), (Gap(102, 7, 5),)]
