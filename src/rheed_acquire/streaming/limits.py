"""What a stream and the spool may take, and what happens at the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

ATOMSCALE_MAX_FPS = 120.0
"""Frames per second that Atomscale's API lets a stream declare."""
_ROUNDING = 1e-9


def too_fast(fps: float, max_fps: float | None, reduced_to: float | None = None) -> str | None:
    """Say why a stream cannot be, and how it could: what the settings are called, with the N that fits.

    Parameters
    ----------
    fps
        Frames per second of the camera.
    max_fps
        That a stream may declare, or None for any number.
    reduced_to
        What it would declare, where that is not the camera's rate.

    Returns
    -------
    str or None
        A sentence without its full stop; None where nothing is wrong.
    """
    declared = fps if reduced_to is None else reduced_to
    if max_fps is None or declared <= max_fps * (1 + _ROUNDING):
        return None
    every = math.ceil(fps / max_fps - _ROUNDING)
    given = "" if reduced_to is None else f", reduced to {reduced_to:.6g},"
    return (
        f"{fps:.6g} frames/s{given} are more than the {max_fps:g} that Atomscale takes: "
        f"--stream-average {every} (the mean of every {every}) or --stream-every {every} (one of every "
        f"{every}) makes {fps / every:.6g} of them"
    )


class WhenFull(StrEnum):
    """What happens when the spool is at one of its limits and the uploads do not keep up."""

    STOP = "stop"
    """The run ends, cleanly; nothing that was captured is lost."""
    DROP = "drop"
    """The run goes on; once the ring is full as well, the newest frames are dropped and counted."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much the spool may take.

    Attributes
    ----------
    max_bytes
        Of all streams together, or None for as much as the disk has.
    keep_free_bytes
        That must stay free on its disk.
    retention_s
        Age at which `RHEEDStreamer.recover` deletes what an earlier run has left, or None for never.
    when_full
        See `WhenFull`.
    """

    max_bytes: int | None = None
    keep_free_bytes: int = 1 << 30
    retention_s: float | None = None
    when_full: WhenFull = WhenFull.STOP
