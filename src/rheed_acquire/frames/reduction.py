"""Fewer frames for the stream than the camera gives: one of every N, or the mean of every N.

The settings are made of it: nothing here imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reduction:
    """How a stream's frames are made of the camera's.

    Attributes
    ----------
    frames
        Of the camera's, that one of the stream stands for; 1 where the stream has them all.
    is_mean
        Whether it is their mean, else it is the first of them.
    """

    frames: int = 1
    is_mean: bool = False

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"a frame of the stream cannot stand for {self.frames} of the camera's")

    def __str__(self) -> str:
        return f"the mean of every {self.frames}" if self.is_mean else f"one of every {self.frames}"


WHOLE = Reduction()
"""The stream has every frame."""
