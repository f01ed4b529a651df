"""Frames lie in the ring as the camera delivers them; 8-bit gray is made later, and once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.cameras.pixel_formats import SUPPORTED_FORMATS, frame_layout
from rheed_acquire.frames.accumulator import ChunkAccumulator
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.frames.chunk_buffer import ChunkBuffer, memory_needed
from rheed_acquire.frames.frame_form import PLAIN, ChunkForm, FrameForm
from rheed_acquire.frames.pixels import make_converter, make_copier
from rheed_acquire.frames.reduction import Reduction
from rheed_acquire.frames.ring import ChunkRing
from rheed_acquire.frames.ring_size import decide_ring_chunks
from rheed_acquire.frames.stream_chunks import StreamChunks

HEIGHT, WIDTH = 4, 7
DEEP = [name for name in SUPPORTED_FORMATS if name != "Mono8"]
each_format = pytest.mark.parametrize("pixel_format", SUPPORTED_FORMATS)


def frames_of(pixel_format: str, count: int, seed: int = 0) -> NDArray[Any]:
    shape, dtype = frame_layout(pixel_format, HEIGHT, WIDTH)
    bits = FrameForm(HEIGHT, WIDTH, pixel_format).bits if dtype.itemsize == 2 else 8
    return np.random.default_rng(seed).integers(0, 1 << bits, (count, *shape), dtype)


def gray_of(pixel_format: str, frames: NDArray[Any], bit_shift: int | None = None) -> NDArray[np.uint8]:
    convert = make_converter(pixel_format, HEIGHT, WIDTH, bit_shift)
    gray = np.zeros((len(frames), HEIGHT, WIDTH), np.uint8)
    for frame, made in zip(frames, gray, strict=True):
        convert(frame, made)
    return gray


def samples_of(pixel_format: str, frames: NDArray[Any]) -> NDArray[np.int64]:
    """Packed samples, bit by bit; all others as they are."""
    bits = FrameForm(HEIGHT, WIDTH, pixel_format).bits
    if pixel_format.endswith("12Packed"):
        triples = (
            np.pad(frames, ((0, 0), (0, -frames.shape[1] % 3))).reshape(len(frames), -1, 3).astype(np.int64)
        )
        first = triples[..., 0] << 4 | triples[..., 1] & 15
        second = triples[..., 2] << 4 | triples[..., 1] >> 4
        return np.stack((first, second), -1).reshape(len(frames), -1)[:, : HEIGHT * WIDTH]
    if not pixel_format.endswith("p"):
        return frames.astype(np.int64)
    stream = np.unpackbits(frames, axis=1, bitorder="little")[:, : bits * HEIGHT * WIDTH]
    return stream.reshape(len(frames), -1, bits).astype(np.int64) @ (1 << np.arange(bits))


def chunk_in_ring(
    pixel_format: str, frames: NDArray[Any], bit_shift: int | None = None
) -> tuple[Chunk, ChunkRing]:
    ring = ChunkRing(2, len(frames), HEIGHT, WIDTH, form=ChunkForm(pixel_format, bit_shift))
    chunks: list[Chunk] = []
    accumulator = ChunkAccumulator(
        ring,
        make_copier(pixel_format, HEIGHT, WIDTH),
        frames.shape[1:],
        100.0,
        chunks.append,
        print,
    )
    for number, frame in enumerate(frames):
        accumulator.on_frame(Frame(frame, number, None))
    accumulator.close()
    (chunk,) = chunks
    return chunk, ring


@each_format
def test_what_the_camera_delivered_is_in_the_ring_and_its_gray_is_made_of_it(pixel_format: str) -> None:
    frames = frames_of(pixel_format, 70)
    chunk, _ = chunk_in_ring(pixel_format, frames)
    np.testing.assert_array_equal(chunk.pixels, frames)
    assert (chunk.pixels.dtype, chunk.pixel_format) == (frames.dtype, pixel_format)
    assert chunk.bit_depth == FrameForm(HEIGHT, WIDTH, pixel_format).bits
    assert (len(chunk), chunk.shape) == (70, (70, HEIGHT, WIDTH))
    expected = gray_of(pixel_format, frames)
    np.testing.assert_array_equal(chunk.gray(-1), expected[-1])
    np.testing.assert_array_equal(chunk.frames, expected)
    np.testing.assert_array_equal(chunk.gray(3), expected[3])
    assert chunk.frames.flags.c_contiguous
    assert chunk.frames is chunk.frames


def test_8_bit_gray_is_the_ring_itself() -> None:
    chunk, _ = chunk_in_ring("Mono8", frames_of("Mono8", 5))
    assert chunk.frames is chunk.pixels


def test_the_bit_shift_is_that_of_the_run() -> None:
    frames = frames_of("Mono12", 5)
    chunk, _ = chunk_in_ring("Mono12", frames, 2)
    np.testing.assert_array_equal(chunk.frames, np.minimum(frames >> 2, 255))


def test_threads_that_ask_at_once_are_given_the_same_gray() -> None:
    frames = frames_of("Mono12p", 200)
    chunk, _ = chunk_in_ring("Mono12p", frames)
    asked = [threading.Event() for _ in range(8)]
    made: list[NDArray[np.uint8]] = []

    def ask(event: threading.Event) -> None:
        made.append(chunk.frames)
        event.set()

    for event in asked:
        threading.Thread(target=ask, args=(event,)).start()
    for event in asked:
        assert event.wait(60)
    assert len({id(one) for one in made}) == 1
    np.testing.assert_array_equal(made[0], gray_of("Mono12p", frames))


def test_memory_for_gray_goes_round_with_the_chunks() -> None:
    frames = frames_of("Mono12", 6)
    ring = ChunkRing(2, 6, HEIGHT, WIDTH, form=ChunkForm("Mono12"))
    chunks: list[Chunk] = []
    copier = make_copier("Mono12", HEIGHT, WIDTH)
    accumulator = ChunkAccumulator(ring, copier, (HEIGHT, WIDTH), 100.0, chunks.append, print)
    places = set()
    for number in range(60):
        accumulator.on_frame(Frame(frames[number % 6], number, None))
        if chunks:
            chunk = chunks.pop().hand_over()
            places.add(chunk.frames.__array_interface__["data"][0])
            np.testing.assert_array_equal(chunk.frames, gray_of("Mono12", frames))
            chunk.release()
    assert len(places) == 1


@each_format
@pytest.mark.parametrize("bit_shift", [None, 0])
def test_a_process_that_comes_later_reads_what_the_frames_are(
    pixel_format: str, bit_shift: int | None
) -> None:
    form = ChunkForm(pixel_format, bit_shift, Reduction(3, is_mean=True))
    memory = bytearray(memory_needed(2, HEIGHT, WIDTH, pixel_format))
    frames = frames_of(pixel_format, 2)
    written = ChunkBuffer(memory, 2, HEIGHT, WIDTH, form=form)
    written.begin(0)
    written.append(frames)
    read = ChunkBuffer(memory)
    assert (read.frame_form, read.reduction) == (form.frame(HEIGHT, WIDTH), form.reduction)
    np.testing.assert_array_equal(read.frames, frames)
    assert read.frames.dtype == frames.dtype


def test_a_pixel_format_that_is_not_known_is_no_chunk_buffer_of_this_program() -> None:
    memory = bytearray(memory_needed(2, HEIGHT, WIDTH))
    ChunkBuffer(memory, 2, HEIGHT, WIDTH)
    memory[8 * 12 : 8 * 12 + 6] = b"Mono99"
    with pytest.raises(ValueError, match="Mono99"):
        ChunkBuffer(memory)


@each_format
def test_a_ring_says_what_memory_it_takes(pixel_format: str) -> None:
    ring = ChunkRing(3, 5, HEIGHT, WIDTH, form=ChunkForm(pixel_format))
    shape, dtype = frame_layout(pixel_format, HEIGHT, WIDTH)
    numbers = 4096
    assert ring.nbytes == 3 * (numbers + 5 * int(np.prod(shape)) * dtype.itemsize)


def test_the_memory_limit_counts_the_gray_too() -> None:
    one = memory_needed(100, 300, 500, "Mono12") + 100 * 300 * 500
    assert decide_ring_chunks(None, 5.5 * one / 1e9, 100, 300, 500, ChunkForm("Mono12")) == 5
    assert decide_ring_chunks(None, 5.5 * memory_needed(100, 300, 500) / 1e9, 100, 300, 500, PLAIN) == 5


@given(
    st.sampled_from(
        [
            *("Mono8", "Mono10", "Mono12", "Mono16", "Mono10p", "Mono12p", "Mono12Packed"),
            *("BayerBG8", "BayerRG12", "BayerGB12p", "BGR8", "RGB12"),
        ]
    ),
    st.integers(2, 6),
    st.integers(0, 2**32 - 1),
)
def test_a_mean_is_made_at_full_depth_and_reduced_to_8_bits_after(
    pixel_format: str, size: int, seed: int
) -> None:
    frames = frames_of(pixel_format, 2 * size, seed)
    chunk, _ = chunk_in_ring(pixel_format, frames)
    reduced = StreamChunks(Reduction(size, is_mean=True), 10.0, 2).of(chunk)
    samples = samples_of(pixel_format, frames).reshape(2, size, *reduced.pixels.shape[1:])
    expected = np.floor(samples.mean(axis=1) + 0.5).astype(np.int64)
    np.testing.assert_array_equal(reduced.pixels, expected)
    assert reduced.bit_depth == chunk.bit_depth
    means = expected.astype(reduced.pixels.dtype)
    np.testing.assert_array_equal(reduced.frames, gray_of(reduced.pixel_format, means))
    assert reduced.pixel_format == chunk.form.unpacked().pixel_format


@each_format
def test_one_of_every_n_keeps_its_frames_as_they_are(pixel_format: str) -> None:
    frames = frames_of(pixel_format, 7)
    chunk, _ = chunk_in_ring(pixel_format, frames)
    reduced = StreamChunks(Reduction(3), 10.0, 3).of(chunk)
    np.testing.assert_array_equal(reduced.pixels, frames[::3])
    assert reduced.pixel_format == pixel_format
    np.testing.assert_array_equal(reduced.frames, gray_of(pixel_format, frames[::3]))


@pytest.mark.parametrize("pixel_format", ["Mono10p", "Mono12p", "Mono12Packed", "Mono12", "Mono8"])
def test_levels_are_the_samples(pixel_format: str) -> None:
    frames = frames_of(pixel_format, 9)
    form = FrameForm(HEIGHT, WIDTH, pixel_format)
    levels = form.levels_of()(frames)
    np.testing.assert_array_equal(form.samples_of()(frames), levels)
    np.testing.assert_array_equal(levels.reshape(9, -1), samples_of(pixel_format, frames).reshape(9, -1))


def test_frames_of_another_shape_are_refused_as_they_were() -> None:
    ring = ChunkRing(2, 5, HEIGHT, WIDTH, form=ChunkForm("Mono12"))
    errors: list[Exception] = []
    copier = make_copier("Mono12", HEIGHT, WIDTH)
    accumulator = ChunkAccumulator(ring, copier, (HEIGHT, WIDTH), 100.0, print, errors.append)
    accumulator.on_frame(Frame(np.zeros((HEIGHT, WIDTH), np.uint8), 0, None))
    assert "must be uint16" in str(errors)
    assert accumulator.rejected == 1
