"""The pattern's frames by number, from a bank of rendered pictures.

Rendering a frame takes one to three milliseconds, too long to do it for each. So pictures are rendered once
and lent again, and what must be exact is computed anew for each frame, from its number alone:

- The growth oscillation is a cosine of ``number / fps``. It changes only the spots near the specular one;
  there (about a tenth of the frame) each frame is a mix of a complete and a half-covered surface, in 256
  steps. Its period does not depend on the bank.
- A stationary sample has up to 64 pictures, alike but for their noise, in an order that repeats only after
  65,536 frames.
- A rotating sample has one picture for each step of its azimuth: one for each frame of a revolution where
  these are a whole number and few enough, and else as many as the bank holds, the nearest of which is taken.
  At 500 x 300 pixels and 8 bits that is 500 steps of 0.72 degrees; at 1388 x 1038, 59 of 6 degrees. The noise
  of a step is always the same.

The bank holds at most `BANK_BYTES`, and at least one picture. Pictures are rendered when first needed, the
first few when the bank is made.
"""

from __future__ import annotations

import math
import time
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire_simulated.pattern import Screen, Surface, background, draw

BANK_BYTES = 96 << 20
MAX_NOISE_PICTURES = 64
MAX_AZIMUTH_STEPS = 500
AHEAD_S = 0.1
"""How long opening may take for pictures beyond the first."""

ELECTRONS_AT_FULL_SCALE = 20000.0
READOUT_ELECTRONS = 12.0
"""The noise of an industrial CMOS sensor: 0.15 of 255 in the dark, 1.8 in a bright spot."""

_BITS = {"Mono8": 8, "Mono12": 12, "Mono16": 16}
_ORDER_LENGTH = 1 << 16


class _Picture:
    """One rendered picture, and what the growth box holds on a half-covered and adds on a complete layer."""

    __slots__ = ("box", "half_layer", "pixels", "rise")

    def __init__(
        self, pixels: NDArray[Any], box: NDArray[Any], half_layer: NDArray[Any], rise: NDArray[Any]
    ) -> None:
        self.pixels = pixels
        self.box = box
        self.half_layer = half_layer
        self.rise = rise


class PatternBank:
    """Frames of the computed pattern.

    Parameters
    ----------
    fps
        Frames per second, which turns a frame number into a time.
    rotations_per_min
        Of the sample; 0 for a stationary one.
    oscillation_period_s
        Of the growth oscillation; 0 for none.
    oscillation_damping_s
        Its time constant, or None for no damping.
    """

    def __init__(
        self,
        *,
        width: int,
        height: int,
        pixel_format: str,
        seed: int,
        noise: float,
        fps: float,
        rotations_per_min: float,
        oscillation_period_s: float,
        oscillation_damping_s: float | None,
    ) -> None:
        self.width, self.height, self.pixel_format = width, height, pixel_format
        self._seed, self._noise, self._fps = seed, noise, fps
        self._period, self._damping = oscillation_period_s, oscillation_damping_s
        bits = _BITS[pixel_format]
        self._full_scale = float((1 << bits) - 1)
        self._dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)

        # Normal deviates by table are drawn four times as fast as numpy's own.
        quantile = NormalDist().inv_cdf
        self._normal = np.array([quantile((n + 0.5) / 4096) for n in range(4096)], np.float32)
        self._screen = Screen(width, height)
        self._surface = Surface(self._screen, seed)
        self._background = background(self._screen)
        self._box = self._screen.growth_box
        box_shape = self._background[self._box].shape
        self._mix = np.empty(box_shape, np.uint16 if bits == 8 else np.uint32)
        # Rounds each pixel at a level of its own, so that a region's mean follows the mix without steps.
        self._dither = np.random.default_rng(seed).integers(0, 256, box_shape, self._mix.dtype)
        per_picture = self._dtype.itemsize * (width * height + 2 * math.prod(box_shape))
        capacity = max(1, BANK_BYTES // per_picture)

        self._frames_per_revolution = fps * 60 / rotations_per_min if rotations_per_min > 0 else 0.0
        if self._frames_per_revolution:
            length = min(capacity, MAX_AZIMUTH_STEPS)
            if self._frames_per_revolution.is_integer():
                length = min(length, int(self._frames_per_revolution))
            self._order: list[int] = []
            self._clean = None
        else:
            length = min(capacity, MAX_NOISE_PICTURES) if noise else 1
            # Steps that are never 0: no frame equals the one before.
            steps = np.random.default_rng(seed).integers(1, max(2, length), _ORDER_LENGTH)
            self._order = (np.cumsum(steps) % length).tolist()
            self._clean = self._render_clean(0.0)
        self._pictures: list[_Picture | None] = [None] * length
        self._render_ahead()

    @property
    def azimuth_steps(self) -> int:
        """Pictures in one revolution; 1 for a stationary sample."""
        return len(self._pictures) if self._frames_per_revolution else 1

    def pixels(self, number: int) -> NDArray[Any]:
        """Return frame ``number``, valid until the next call.

        Returns
        -------
        Shape (height, width), C-contiguous, uint8 or uint16. The caller may write into the first 8 pixels.
        """
        index = self._index(number)
        picture = self._pictures[index]
        if picture is None:
            picture = self._pictures[index] = self._render(index)
        if self._period:
            mix = self._mix
            np.multiply(picture.rise, self._complete(number), out=mix, dtype=mix.dtype)
            np.add(mix, self._dither, out=mix)
            np.right_shift(mix, 8, out=mix)
            np.add(picture.half_layer, mix, out=picture.box, casting="unsafe")
        return picture.pixels

    def _index(self, number: int) -> int:
        if self._frames_per_revolution:
            steps = len(self._pictures)
            return math.floor(number * steps / self._frames_per_revolution + 0.5) % steps
        return self._order[number % _ORDER_LENGTH]

    def _complete(self, number: int) -> int:
        """How complete the growing layer is at this frame: 256 for complete, 0 for half covered."""
        elapsed = number / self._fps
        swing = math.cos(2 * math.pi * math.fmod(elapsed / self._period, 1.0))
        if self._damping is not None:
            swing *= math.exp(-elapsed / self._damping)
        return round(128 + 128 * swing)

    def _render_ahead(self) -> None:
        """Render the pictures of the first frames, for as long as opening may take."""
        deadline = time.perf_counter() + AHEAD_S
        for number in range(_ORDER_LENGTH):
            index = self._index(number)
            if self._pictures[index] is None:
                self._pictures[index] = self._render(index)
            if time.perf_counter() > deadline or all(self._pictures):
                return

    def _render_clean(self, azimuth: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a half-covered surface and the growth box of a complete one, both without noise."""
        spots = self._surface.spots(azimuth)
        half_layer = self._background.copy()
        draw(self._screen, spots, spots.half_layer(), half_layer)
        rise = np.zeros_like(half_layer)
        draw(self._screen, spots, spots.brightness - spots.half_layer(), rise)
        return half_layer, half_layer[self._box] + rise[self._box]

    def _render(self, index: int) -> _Picture:
        if self._clean is None:
            half_layer, complete = self._render_clean(2 * math.pi * index / len(self._pictures))
        else:
            half_layer, complete = self._clean
        # Each picture has its own generator, so that it does not matter in which order they are rendered.
        random = np.random.Generator(np.random.SFC64([self._seed, index]))
        drawn = random.integers(0, len(self._normal), half_layer.shape, dtype=np.uint16)
        deviate = self._normal.take(drawn)
        pixels = self._expose(half_layer, deviate)
        box = pixels[self._box]
        exposed_half = box.copy()
        exposed_complete = np.maximum(self._expose(complete, deviate[self._box]), exposed_half)
        box[...] = exposed_complete
        return _Picture(pixels, box, exposed_half, exposed_complete - exposed_half)

    def _expose(self, light: NDArray[np.float32], deviate: NDArray[np.float32]) -> NDArray[Any]:
        """Turn light into pixel values: shot noise (Poisson's, as its normal limit), readout, saturation."""
        electrons = light * np.float32(ELECTRONS_AT_FULL_SCALE)
        if self._noise:
            deviation = np.sqrt(electrons + np.float32(READOUT_ELECTRONS**2))
            deviation *= deviate
            deviation *= np.float32(self._noise)
            electrons += deviation
        electrons *= np.float32(self._full_scale / ELECTRONS_AT_FULL_SCALE)
        np.rint(electrons, out=electrons)
        np.clip(electrons, 0, self._full_scale, out=electrons)
        return electrons.astype(self._dtype)
