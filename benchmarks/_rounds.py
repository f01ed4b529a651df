"""What the comparisons share: whose turn it is, and what the rounds say together."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class UnavailableError(Exception):
    """A benchmark cannot be run here; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures of several rounds: their median, and the lowest and highest of them."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Put the rounds together.

        Raises
        ------
        ValueError
            There is no round.
        """
        if not figures:
            raise ValueError("no round was measured")
        return cls(statistics.median(figures), min(figures), max(figures))

    @classmethod
    def of_ratios(cls, ones: Sequence[float], others: Sequence[float]) -> Spread:
        """Divide within each round, so that what slows the machine for a while slows both sides.

        Raises
        ------
        ValueError
            There is no round, or one side has more of them than the other.
        """
        return cls.of([one / other for one, other in zip(ones, others, strict=True)])

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.lowest)} to {short(self.highest)})"


def turns(sides: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Say who is measured next: each side once a round, in an order that changes from round to round.

    Two sides go A B, B A, B A, A B: each is as often first as second, and neither always follows itself.
    Of more sides each comes first equally often, over twice as many rounds as there are sides.

    Yields
    ------
    int, T
        The round, counted from 0, and the side.
    """
    for number in range(rounds):
        first = number // 2 % len(sides)
        order = [*sides[first:], *sides[:first]]
        if number % 2:
            order.reverse()
        for side in order:
            yield number, side


def short(figure: float) -> str:
    """Write a figure with three digits that count, and no exponent."""
    size = abs(figure)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 else 4
    return f"{figure:,.{digits}f}"
