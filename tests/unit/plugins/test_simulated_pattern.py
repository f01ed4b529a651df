"""The simulated pattern: its geometry, its exact oscillation and rotation, and what it looks like."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rheed_acquire_simulated import bank as bank_module
from rheed_acquire_simulated.bank import PatternBank
from rheed_acquire_simulated.pattern import (
    BEAM_ENERGY_EV,
    GLANCING_ANGLE,
    SURFACE_LATTICE,
    WOBBLE,
    Screen,
    Surface,
    wave_number,
)

SCREEN = Screen(500, 300)
REGION = np.s_[60:110, 235:265]
"""Around the specular spot."""


@pytest.fixture(autouse=True)
def _render_only_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "AHEAD_S", 0.0)


def make_bank(**changed: Any) -> PatternBank:
    arguments: dict[str, Any] = {
        "width": 500,
        "height": 300,
        "pixel_format": "Mono8",
        "seed": 0,
        "noise": 0.0,
        "fps": 120.0,
        "rotations_per_min": 0.0,
        "oscillation_period_s": 0.0,
        "oscillation_damping_s": None,
    }
    return PatternBank(**(arguments | changed))


def trace(bank: PatternBank, numbers: range) -> NDArray[np.float64]:
    return np.array([bank.pixels(number)[REGION].mean() for number in numbers])


# Geometry


def test_the_wave_number_is_that_of_a_relativistic_electron() -> None:
    # de Broglie wavelengths of electrons: 0.08588 angstrom at 20 keV, 0.1220 at 10 keV, 0.03701 at 100 keV.
    assert 2 * math.pi / wave_number(20e3) == pytest.approx(0.08588, rel=2e-4)
    assert 2 * math.pi / wave_number(10e3) == pytest.approx(0.1220, rel=5e-4)
    assert 2 * math.pi / wave_number(100e3) == pytest.approx(0.03701, rel=2e-4)


def test_the_specular_spot_leaves_at_the_angle_at_which_the_beam_comes_in() -> None:
    spots = Surface(SCREEN, 0).spots(0.0)
    brightest = spots.brightness.argmax()
    assert spots.x[brightest] == pytest.approx(SCREEN.centre_x)
    below_edge = spots.y[brightest] - SCREEN.edge_y
    assert below_edge == pytest.approx(SCREEN.distance * math.tan(GLANCING_ANGLE + WOBBLE))


@given(azimuth=st.floats(0, 2 * math.pi))
@settings(max_examples=25)
def test_every_spot_is_an_elastic_reflection_from_a_rod_of_the_lattice(azimuth: float) -> None:
    surface, k = Surface(SCREEN, 0), wave_number(BEAM_ENERGY_EV)
    spots = surface.spots(azimuth)
    direction = np.stack(
        [np.full_like(spots.x, SCREEN.distance), spots.x - SCREEN.centre_x, spots.y - SCREEN.edge_y]
    )
    outgoing = k * direction / np.linalg.norm(direction, axis=0)
    glancing = GLANCING_ANGLE + WOBBLE * math.cos(azimuth)
    in_plane = outgoing[:2] - np.array([[k * math.cos(glancing)], [0.0]])
    # Lengths of lattice vectors do not depend on how the sample is turned: multiples of a / (2 x 4) cells.
    squares = (in_plane**2).sum(axis=0) / (2 * math.pi / SURFACE_LATTICE / 4) ** 2
    across, along = np.meshgrid(np.arange(0, 80, 2), np.arange(0, 80))
    allowed = np.unique(across**2 + along**2)
    nearest = allowed[np.abs(squares[:, np.newaxis] - allowed).argmin(axis=1)]
    np.testing.assert_allclose(squares, nearest, atol=1e-6)


def test_streaks_near_the_shadow_edge_are_longer_than_spots_on_the_outer_arcs() -> None:
    spots = Surface(SCREEN, 0).spots(0.0)
    sharp = spots.sigma_x < 2
    low = sharp & (spots.y < SCREEN.edge_y + 20)
    high = sharp & (spots.y > SCREEN.edge_y + 150)
    assert low.any()
    assert high.any()
    assert spots.sigma_y[low].min() > 3 * spots.sigma_y[high].max()


# Growth


@pytest.mark.parametrize(("fps", "period"), [(120.0, 2.0), (97.3, 0.731), (1000.0, 0.25), (11.0, 5.0)])
def test_the_specular_spot_follows_a_cosine_of_exactly_the_period_asked_for(
    fps: float, period: float
) -> None:
    bank = make_bank(fps=fps, oscillation_period_s=period)
    # Far into the run, so that an error of the period adds up.
    numbers = range(1_000_000, 1_000_000 + 400)
    measured = trace(bank, numbers)
    phase = 2 * np.pi * np.array([number / fps / period % 1.0 for number in numbers])
    terms = np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase)], axis=1)
    fitted = np.linalg.lstsq(terms, measured, rcond=None)[0]
    residue = measured - terms @ fitted
    _, cosine, sine = fitted
    assert cosine > 3
    assert abs(sine) < 0.01 * cosine
    assert np.abs(residue).max() < 0.02 * cosine


def test_a_damped_oscillation_dies_away_with_its_time_constant() -> None:
    bank = make_bank(oscillation_period_s=1.0, oscillation_damping_s=3.0)
    swings = [np.ptp(trace(bank, range(start, start + 120, 4))) for start in (0, 360, 7200)]
    assert swings[1] / swings[0] == pytest.approx(math.exp(-1), rel=0.1)
    assert swings[2] < 0.01 * swings[0]


def test_without_growth_and_noise_every_frame_of_a_stationary_sample_is_the_same() -> None:
    bank = make_bank()
    first = bank.pixels(0).copy()
    assert all(np.array_equal(bank.pixels(number), first) for number in (1, 60, 100_000))


def test_growth_changes_nothing_far_from_the_specular_spot() -> None:
    bank = make_bank(oscillation_period_s=2.0)
    complete, half_layer = bank.pixels(0).astype(int), bank.pixels(120).astype(int)
    changed = np.argwhere(complete != half_layer)
    rows, columns = SCREEN.growth_box
    assert changed[:, 0].min() > rows.start
    assert changed[:, 0].max() < rows.stop - 1
    assert changed[:, 1].min() > columns.start
    assert changed[:, 1].max() < columns.stop - 1


# Rotation


@pytest.mark.parametrize(("fps", "rotations_per_min"), [(30.0, 15.0), (1000.0, 15.0), (120.0, 7.0)])
def test_a_rotating_pattern_comes_back_after_one_revolution_and_not_before(
    fps: float, rotations_per_min: float
) -> None:
    bank = make_bank(fps=fps, rotations_per_min=rotations_per_min, noise=1.0, seed=3)
    revolution = fps * 60 / rotations_per_min
    later = round(7000 * revolution)
    assert later == pytest.approx(7000 * revolution)
    start = bank.pixels(0).copy()
    clean = make_bank(fps=fps, rotations_per_min=rotations_per_min)
    clean_start = clean.pixels(0).astype(int)
    np.testing.assert_array_equal(bank.pixels(later), start)
    for part in (2, 3, 4, 6):
        difference = np.abs(clean.pixels(round(revolution / part)).astype(int) - clean_start)
        assert difference.max() > 20, f"the pattern repeats after 1/{part} of a revolution"


def test_each_frame_has_an_azimuth_of_its_own_where_a_revolution_has_few_frames() -> None:
    assert make_bank(fps=120.0, rotations_per_min=15.0).azimuth_steps == 480
    assert make_bank(fps=1000.0, rotations_per_min=15.0).azimuth_steps == bank_module.MAX_AZIMUTH_STEPS
    assert make_bank(fps=120.5, rotations_per_min=15.3).azimuth_steps == bank_module.MAX_AZIMUTH_STEPS


def test_the_bank_stays_within_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "BANK_BYTES", 2_000_000)
    assert 5 <= make_bank(rotations_per_min=15.0).azimuth_steps <= 13
    monkeypatch.setattr(bank_module, "BANK_BYTES", 1)
    assert make_bank(rotations_per_min=15.0).azimuth_steps == 1


# Determinism and appearance


@given(
    numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
    rotations_per_min=st.sampled_from([0.0, 15.0, 33.3]),
)
@settings(max_examples=15)
def test_a_frame_depends_on_its_number_and_the_seed_alone(
    numbers: list[int], seed: int, rotations_per_min: float
) -> None:
    asked: dict[str, Any] = {
        "width": 100,
        "height": 60,
        "seed": seed,
        "noise": 1.0,
        "oscillation_period_s": 0.7,
        "rotations_per_min": rotations_per_min,
    }
    bank, other = make_bank(**asked), make_bank(**asked)
    frames = [bank.pixels(number).copy() for number in numbers]
    for number, frame in reversed(list(zip(numbers, frames, strict=True))):
        np.testing.assert_array_equal(other.pixels(number), frame)


def test_another_seed_gives_another_pattern() -> None:
    one, other = make_bank(seed=1).pixels(0).astype(int), make_bank(seed=2).pixels(0).astype(int)
    assert np.abs(one - other).max() > 20


def test_the_noise_differs_from_frame_to_frame_and_grows_with_the_signal() -> None:
    bank = make_bank(noise=1.0)
    frames = np.stack([bank.pixels(number).copy() for number in range(64)])
    assert all(not np.array_equal(one, next_) for one, next_ in pairwise(frames))
    clean, deviation = make_bank().pixels(0), frames.std(axis=0)
    gray, bright = (clean > 5) & (clean < 10), (clean > 60) & (clean < 120)
    assert 0.2 < deviation[gray].mean() < 1
    assert deviation[bright].mean() == pytest.approx(math.sqrt(85 * 255 / 20_000), rel=0.2)


@given(
    width=st.integers(8, 300),
    height=st.integers(8, 300),
    pixel_format=st.sampled_from(["Mono8", "Mono12", "Mono16"]),
    rotations_per_min=st.sampled_from([0.0, 60.0]),
)
@settings(max_examples=30)
def test_a_frame_of_any_size_and_format_has_the_shape_and_range_of_that_format(
    width: int, height: int, pixel_format: str, rotations_per_min: float
) -> None:
    bank = make_bank(
        width=width,
        height=height,
        pixel_format=pixel_format,
        rotations_per_min=rotations_per_min,
        oscillation_period_s=1.0,
    )
    pixels = bank.pixels(3)
    assert pixels.shape == (height, width)
    assert pixels.flags.c_contiguous
    assert pixels.dtype == (np.uint8 if pixel_format == "Mono8" else np.uint16)
    assert pixels.max() <= {"Mono8": 255, "Mono12": 4095, "Mono16": 65535}[pixel_format]


def test_formats_of_more_bits_show_the_same_picture() -> None:
    eight = make_bank(oscillation_period_s=2.0).pixels(30).astype(float) / 255
    for pixel_format, full_scale in (("Mono12", 4095), ("Mono16", 65535)):
        more = make_bank(oscillation_period_s=2.0, pixel_format=pixel_format).pixels(30) / full_scale
        assert np.abs(more - eight).max() < 2 / 255


@pytest.mark.parametrize("rotations_per_min", [0.0, 15.0])
def test_frames_are_dark_with_a_saturated_spot_and_shrink_as_real_ones_do(
    rotations_per_min: float,
) -> None:
    bank = make_bank(noise=1.0, oscillation_period_s=2.0, rotations_per_min=rotations_per_min)
    frame = bank.pixels(0)
    assert np.median(frame) < 15
    assert frame.max() == 255
    assert frame[:, 250][: int(SCREEN.edge_y) - 5].max() < frame[:, 250][int(SCREEN.edge_y) + 5 :].mean()
    ratio = frame.nbytes / len(zstandard.ZstdCompressor(3).compress(frame.tobytes()))
    assert 3 < ratio < 6
