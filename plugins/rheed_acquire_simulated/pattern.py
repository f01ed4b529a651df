"""The physics of the picture: where a RHEED pattern has its spots, and how bright they are.

The model is kinematic and geometric (A. Ichimiya and P. I. Cohen, *Reflection High-Energy Electron
Diffraction*, Cambridge University Press 2004). A surface has reciprocal-lattice rods normal to it. With the
incident wave vector ``K = (k cos t, 0, -k sin t)``, glancing angle ``t`` and the rod ``G = (Gx, Gy)``,
elastic scattering puts the outgoing wave vector where the rod pierces the Ewald sphere::

    kx = k cos t + Gx,   ky = Gy,   kz = sqrt(k^2 - kx^2 - ky^2)

and a flat screen normal to the beam, at distance L, shows it at ``(L ky / kx, L kz / kx)`` from where the
shadow edge meets the plane of incidence. Rods of one ``Gx`` lie on one Laue arc; ``G = 0`` is the specular
spot. A rod of finite width ``d`` (domains of size ``2 pi / d``) meets the sphere at a grazing angle, which
draws the spot out to a streak of height ``L d / kz``: long near the shadow edge, short on the outer arcs.

Not modelled: dynamical scattering, Kikuchi lines, and the shadow edge's own movement (under 2 pixels of 300)
when the rotating sample wobbles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BEAM_ENERGY_EV = 20e3
GLANCING_ANGLE = math.radians(2.2)
WOBBLE = math.radians(0.1)
"""How far the surface normal lies off the axis of rotation: turns a lattice's symmetry into a full turn's."""
FIRST_AZIMUTH = math.radians(0.3)
"""A real sample is never mounted exactly along a low-index direction."""

SURFACE_LATTICE = 4.0
"""Side of the square surface cell in angstrom, as on GaAs(001), which reconstructs (2 x 4)."""
LAYER_HEIGHT = 2.83
"""Height of one layer in angstrom: the period of the intensity along a rod is 2 pi over this."""
ROD_WIDTH = 0.022
"""Of a rod, in inverse angstrom: domains of about 300 angstrom."""

PEAK = 1.15
"""Brightness of the specular spot of a complete layer, in units of the sensor's full scale."""
DIMMED = 0.3
"""What is left of a spot's brightness on half a layer."""


def wave_number(energy_ev: float) -> float:
    """Wave number of an electron in inverse angstrom, ``sqrt(2 m E (1 + E / 2 m c^2)) / hbar``."""
    return 0.512317 * math.sqrt(energy_ev * (1 + 0.978476e-6 * energy_ev))


@dataclass(frozen=True, slots=True)
class Screen:
    """The phosphor screen as the sensor of ``width`` x ``height`` pixels sees it.

    The geometry is set for 500 x 300 pixels and scaled to fit any other size.
    """

    width: int
    height: int

    @property
    def scale(self) -> float:
        """Size of everything, in units of its size at 500 x 300."""
        return min(self.width / 500, self.height / 300)

    @property
    def distance(self) -> float:
        """From the sample to the screen, in pixels."""
        return 1000 * self.scale

    @property
    def centre_x(self) -> float:
        """Column of the plane of incidence."""
        return self.width / 2

    @property
    def edge_y(self) -> float:
        """Row of the shadow edge."""
        return 0.15 * self.height

    @property
    def radius(self) -> float:
        """Of the round screen, which leaves the frame's corners dark, in pixels."""
        return 0.44 * math.hypot(self.width, self.height)

    @property
    def growth_box(self) -> tuple[slice, slice]:
        """Rows and columns outside which the growth of a layer changes nothing."""
        rows = slice(
            max(0, math.floor(self.edge_y - 4 * self.scale)),
            min(self.height, math.ceil(self.edge_y + 108 * self.scale)),
        )
        half = 75 * self.scale
        columns = slice(
            max(0, math.floor(self.centre_x - half)), min(self.width, math.ceil(self.centre_x + half))
        )
        return rows, columns


@dataclass(frozen=True, slots=True)
class Spots:
    """Spots on the screen: centres and Gaussian widths in pixels, brightness in units of full scale.

    All of shape (n,), float64. ``growth`` is how far a spot takes part in the growth oscillation, 0 to 1.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    sigma_x: NDArray[np.float64]
    sigma_y: NDArray[np.float64]
    brightness: NDArray[np.float64]
    growth: NDArray[np.float64]

    def half_layer(self) -> NDArray[np.float64]:
        """Return the brightness of each spot on a surface that is covered by half a layer."""
        return self.brightness * (1 - (1 - DIMMED) * self.growth)


class Surface:
    """The rods of a (2 x 4) reconstructed square lattice, with strengths drawn from ``seed``."""

    def __init__(self, screen: Screen, seed: int) -> None:
        self.screen = screen
        self.k = wave_number(BEAM_ENERGY_EV)
        unit = 2 * math.pi / SURFACE_LATTICE
        widest = math.hypot(screen.width / 2, screen.height) / screen.distance
        reach = self.k * min(widest, 0.6)
        steps = math.ceil(4 * reach / unit)
        along, across = np.meshgrid(np.arange(-steps, steps + 1), np.arange(-steps, steps + 1))
        # In quarters of the lattice's unit: each rod along the (x4) direction, every second across it.
        kept = (across % 2 == 0) & (np.hypot(along, across) * unit / 4 <= reach)
        along, across = along[kept], across[kept]
        self._gx = along * (unit / 4)
        self._gy = across * (unit / 4)
        self._specular = (along == 0) & (across == 0)
        whole = (along % 4 == 0) & (across % 4 == 0)
        half = ~whole & (along % 2 == 0) & (across % 2 == 0)
        order = np.where(whole, 0.5, np.where(half, 0.2, 0.14))
        self._strength = order * np.random.default_rng(seed).uniform(0.4, 1.6, len(order))

    def spots(self, azimuth: float) -> Spots:
        """Where the rods pierce the Ewald sphere with the sample turned by ``azimuth`` radians."""
        screen, k = self.screen, self.k
        turn = azimuth + FIRST_AZIMUTH
        glancing = GLANCING_ANGLE + WOBBLE * math.cos(azimuth)
        kx = k * math.cos(glancing) + self._gx * math.cos(turn) - self._gy * math.sin(turn)
        ky = self._gx * math.sin(turn) + self._gy * math.cos(turn)
        kz_squared = k * k - kx * kx - ky * ky
        seen = (kz_squared > 0) & (kx > 0.5 * k)
        kx, ky, kz = kx[seen], ky[seen], np.sqrt(kz_squared[seen])
        across = screen.distance * ky / kx
        below = screen.distance * kz / kx

        # Rods scatter most where the layers scatter in phase, and less at large angles (form factor, heat).
        in_phase = 0.25 + 0.75 * np.cos((kz + k * math.sin(glancing)) * LAYER_HEIGHT / 2) ** 2
        angle = np.hypot(across, below) / screen.distance
        brightness = PEAK * self._strength[seen] * in_phase * np.exp(-((angle / 0.16) ** 2))
        brightness[self._specular[seen]] = PEAK
        optics = 1.15 * max(screen.scale, 0.5)
        spread = np.minimum(screen.distance * ROD_WIDTH / kz, 13 * screen.scale)
        sigma_x = np.full(len(kx), optics)
        sigma_y = np.hypot(optics, spread)
        # A drawn-out spot has its electrons on more pixels.
        brightness *= np.where(self._specular[seen], 1, np.minimum(1, 3.2 * optics / sigma_y))
        growth = np.exp(-((angle / 0.055) ** 4))

        x, y = screen.centre_x + across, screen.edge_y + below
        on_screen = np.hypot(x - screen.width / 2, y - screen.height / 2) < screen.radius
        visible = on_screen & (brightness > 0.004)
        sharp = Spots(
            x[visible],
            y[visible],
            sigma_x[visible],
            sigma_y[visible],
            brightness[visible],
            growth[visible],
        )
        return _with_bloom(sharp, 4.5 * screen.scale)


def _with_bloom(spots: Spots, sigma: float) -> Spots:
    """Add the glow that phosphor and optics put around the bright spots."""
    bright = spots.brightness > 0.1
    return Spots(
        np.concatenate([spots.x, spots.x[bright]]),
        np.concatenate([spots.y, spots.y[bright]]),
        np.concatenate([spots.sigma_x, np.full(bright.sum(), sigma)]),
        np.concatenate([spots.sigma_y, np.hypot(spots.sigma_y[bright], sigma)]),
        np.concatenate([spots.brightness, 0.06 * spots.brightness[bright]]),
        np.concatenate([spots.growth, spots.growth[bright]]),
    )


def draw(screen: Screen, spots: Spots, brightness: NDArray[np.float64], onto: Floats) -> None:
    """Add Gaussian spots, cut off by the shadow edge, to a picture.

    Parameters
    ----------
    brightness
        One for each spot, shape (n,), in units of full scale.
    onto
        Shape (height, width), float32, C-contiguous, in units of full scale; changed in place.
    """
    lit = brightness > 0.001
    wide = spots.sigma_x > 2.5 * spots.sigma_x.min(initial=np.inf)
    tall = spots.sigma_y > 3.5 * screen.scale
    # Patches of one size are made at once; sorted by size, so that small spots do not pay for streaks.
    for kind in (~wide & ~tall, ~wide & tall, wide & ~tall, wide & tall):
        chosen = lit & kind
        if chosen.any():
            _draw_patches(screen, spots, brightness, chosen, onto)


def _draw_patches(
    screen: Screen,
    spots: Spots,
    brightness: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    onto: Floats,
) -> None:
    rows, weight_y = _profile(spots.y[chosen], spots.sigma_y[chosen], screen.height)
    columns, weight_x = _profile(spots.x[chosen], spots.sigma_x[chosen], screen.width)
    weight_y *= 0.5 + 0.5 * np.tanh((rows - screen.edge_y) / screen.scale)
    weight_y *= brightness[chosen, np.newaxis]
    values = weight_y.astype(np.float32)[:, :, np.newaxis] * weight_x.astype(np.float32)[:, np.newaxis, :]
    places = (rows * screen.width)[:, :, np.newaxis] + columns[:, np.newaxis, :]
    np.add.at(onto.reshape(-1), places.reshape(-1), values.reshape(-1))


def _profile(
    centre: NDArray[np.float64], sigma: NDArray[np.float64], length: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return pixels around each centre and the Gaussian there, (n, m) each; 0 for pixels off the picture."""
    reach = math.ceil(3 * float(sigma.max()))
    pixels = np.rint(centre)[:, np.newaxis].astype(np.intp) + np.arange(-reach, reach + 1)
    weight = np.exp(-0.5 * ((pixels - centre[:, np.newaxis]) / sigma[:, np.newaxis]) ** 2)
    weight[(pixels < 0) | (pixels >= length)] = 0
    return pixels.clip(0, length - 1), weight


def background(screen: Screen) -> Floats:
    """Light on the screen that is in no spot: inelastic scattering, darker above the shadow edge.

    Returns
    -------
    Shape (height, width), float32, in units of full scale.
    """
    y, x = np.ogrid[: screen.height, : screen.width]
    dx, dy = (x - screen.centre_x) / screen.scale, (y - screen.edge_y) / screen.scale
    wide = 0.030 * np.exp(-((dx / 260) ** 2) - ((dy - 70) / 210) ** 2)
    near = 0.045 * np.exp(-np.hypot(dx / 1.1, dy - 35) / 38)
    # Below the edge the forward-peaked inelastic light sets in at once and fades along the exit angle.
    lit = 0.4 + 0.6 * (0.5 + 0.5 * np.tanh(dy / 1.5))
    from_rim = screen.radius - np.hypot(x - screen.width / 2, y - screen.height / 2)
    glass = 0.5 + 0.5 * np.tanh(from_rim / (4 * screen.scale))
    light = (wide + near) * lit * glass
    return np.asarray(light, dtype=np.float32)
