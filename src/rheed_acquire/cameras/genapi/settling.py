"""Settings tried in order, and again where they depend on each other, until nothing changes any more.

Which feature another depends on, a device's own description tells: whether a feature is there, whether it can
be set and to what, changes with others. So what is refused is tried again once the others are set, and so is
what was taken, but changed by what came after it. No list of names says which depends on which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rheed_acquire.cameras.genapi.features import FeatureWriter


@dataclass(frozen=True, slots=True)
class Step:
    """Sets one thing, with all that it needs; may be taken again.

    Attributes
    ----------
    settings
        The names under which `FeatureWriter.put` notes what becomes of it.
    """

    settings: tuple[str, ...]
    take: Callable[[], None]


def settle(writer: FeatureWriter, steps: Sequence[Step]) -> None:
    """Take all steps in order, then again those that were refused or undone, as long as that helps."""
    waiting = list(steps)
    for _ in range(len(steps) + 1):  # each may wait for the one behind it, the last for none
        before = writer.outcome()
        for step in waiting:
            writer.begin(step.settings)
            step.take()
        waiting = [step for step in steps if not all(map(writer.settled, step.settings))]
        if not waiting or writer.outcome() == before:
            return
