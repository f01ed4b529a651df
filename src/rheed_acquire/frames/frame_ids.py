"""What a camera's frame counter says: that frames are missing, that it wrapped, or that it does not count."""

from __future__ import annotations

import operator

from rheed_acquire.frames.ring import Gap

ODD_STEP = 1000
"""A step of the ids further than this which the next frame takes back was one frame's wrong id."""

_LARGEST = 2**63 - 1


def whole_number(value: object, name: str) -> int | None:
    """Make an int of what a camera gives as a number: its own, numpy's, or None.

    Parameters
    ----------
    name
        Of the value, for the message.

    Returns
    -------
    int or None
        None also for what drivers write for "unknown": negative numbers, and those beyond 63 bits.

    Raises
    ------
    TypeError
        It is no whole number; the message names it and its type.
    """
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise TypeError  # noqa: TRY301
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value)
        named = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        raise TypeError(f"{name} is {value!r:.40}, a {named}, and must be an int or None") from None
    return number if 0 <= number <= _LARGEST else None


class FrameIds:
    """Explains ids that are not the one after the last; those that are cost nothing here.

    Parameters
    ----------
    cycle
        See `rheed_acquire.cameras.camera.CameraInfo.frame_id_cycle`.

    Attributes
    ----------
    base
        What added to the camera's id gives one without its wraps.
    missing, gaps
        Frames that the jumps left out, and how many jumps there were.
    repeated, restarts, odd
        Frames with the id of the one before, with a lower one, and with one that fits to nothing.
    """

    def __init__(self, cycle: int | None) -> None:
        self._cycle = cycle
        self._doubt: tuple[int, int, Gap | None] | None = None
        self.numbered = False
        self.base = 0
        self.missing = 0
        self.gaps = 0
        self.repeated = 0
        self.restarts = 0
        self.odd = 0
        self.taken_back: Gap | None = None
        """The gap that the latest `look` has found to be none."""

    def look(self, frame_id: int | None, expected: int | None, position: int) -> Gap | None:
        """Find out what an unexpected id means.

        Parameters
        ----------
        frame_id
            What the frame has; None where it has none.
        expected
            What it should have had; None where nothing was expected.
        position
            Of the frame in the run.

        Returns
        -------
        Gap or None
            The frames that are missing before this one, if any.
        """
        doubt, self._doubt, self.taken_back = self._doubt, None, None
        if frame_id is None or expected is None:
            self.numbered |= frame_id is not None
            return None
        if doubt is not None and doubt[0] == position - 1 and 0 <= frame_id - doubt[1] < ODD_STEP:
            expected = self._forget(doubt)
            if frame_id == expected:
                return None
        step = frame_id - expected
        first_missing_id = expected + self.base
        if self._cycle is not None and step < 0 and step % self._cycle <= self._cycle // 2:
            step %= self._cycle
            self.base += self._cycle
        gap = None
        if step == 0:  # it wrapped, and nothing is missing
            return None
        if step == -1:
            self.repeated += 1
        elif step < 0:
            self.restarts += 1
        else:
            gap = Gap(position, first_missing_id, step)
            self.gaps += 1
            self.missing += step
        # With a cycle, a step forward may have moved the base, which is not taken back.
        if abs(step) > ODD_STEP and self._cycle is None:
            self._doubt = (position, expected + 1, gap)
        return gap

    def _forget(self, doubt: tuple[int, int, Gap | None]) -> int:
        """Take back what one frame's wrong id was taken for; which id the frame after it should have."""
        _, expected, gap = doubt
        self.odd += 1
        if gap is None:
            self.restarts -= 1
        else:
            self.gaps -= 1
            self.missing -= gap.missing
            self.taken_back = gap
        return expected
