"""The counter in the names of pictures, by which a missing one is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rheed_acquire_replay.names import in_order

_NUMBER = re.compile(r"\d+")


def series_of(path: Path) -> tuple[str, str]:
    """Name the series that a file belongs to: its folder, and its name with all numbers taken out."""
    return str(path.parent), _NUMBER.sub("#", path.name)


class NameCounter:
    """Frame ids from the last number in names that changes.

    Where the numbers begin anew, as in another series, ids go on: nobody knows what is missing there.

    Parameters
    ----------
    names
        Files of one series in their order, as many as are known. By them the number is found: of those that
        change the last one. Its step is that between them, 1 where there is a single file.
    """

    def __init__(self, names: Sequence[Path]) -> None:
        self.step = 1
        self._place: int | None = None  # from the end
        self._id = -1
        self._before: tuple[tuple[str, str], int] | None = None
        self._find([[int(one) for one in _NUMBER.findall(name.stem)] for name in names], names)

    @property
    def counts(self) -> bool:
        """Whether names have a number that counts."""
        return self._place is not None

    def missing_before(self, path: Path) -> int:
        """How many files should come before this one, by the one taken last."""
        number = self._number(path)
        if self._before is None or number is None or self._before[0] != series_of(path):
            return 0
        return max(0, (number - self._before[1]) // self.step - 1)

    def take(self, path: Path) -> int | None:
        """Give the id of the frame that is taken now; None where names do not count."""
        if self._place is None:
            return None
        number = self._number(path)
        ahead = 1 + self.missing_before(path)
        self._id = number if self._id < 0 and number is not None and self.step == 1 else self._id + ahead
        if number is not None:
            self._before = (series_of(path), number)
        return self._id

    def go_on(self) -> int | None:
        """Give the id of one more frame of the same file."""
        self._id += 1
        return self._id if self.counts else None

    def _number(self, path: Path) -> int | None:
        numbers = _NUMBER.findall(path.stem)
        if self._place is None or len(numbers) < self._place:
            return None
        return int(numbers[-self._place])

    def _find(self, numbers: list[list[int]], names: Sequence[Path]) -> None:
        if not numbers or not numbers[0] or max(numbers[0]) >= 1 << 62:
            return
        # Two that count up by one count, whatever else they look like; else dates and times do not.
        told = in_order(names)
        is_dated = told.moments is not None or told.seconds is not None
        for place in range(1, len(numbers[0]) + 1):
            steps = [later[-place] - earlier[-place] for earlier, later in pairwise(numbers)]
            steps = [step for step in steps if step]
            if not steps and len(numbers) > 1:
                continue
            step = min(steps) if steps else 1
            if step > 0 and (not is_dated or (step == 1 and bool(steps))):
                self._place, self.step = place, step
            return
