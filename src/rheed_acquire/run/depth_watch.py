"""Notices where the 8 bits of a stream leave most of a camera's picture black."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheed_acquire.findings import FindingCode

if TYPE_CHECKING:
    from rheed_acquire.frames.chunk import Chunk
    from rheed_acquire.run.report import Journal

LOOKED_AT = 50
"""Frames of a chunk, spread over it."""
BLACK = 16
"""Of 255: where nothing is brighter the four highest bits are not used, as of 12-bit samples in 16 bits."""


class DepthWatch:
    """Looks at the first chunks, and tells the journal once.

    Parameters
    ----------
    frames
        That have to be dark before it is said, at the beginning.
    """

    def __init__(self, journal: Journal, frames: int) -> None:
        self._journal, self._left = journal, frames
        self._highest = 0

    def look(self, chunk: Chunk) -> None:
        """See how bright a chunk is; called with each, in order."""
        if self._left <= 0:
            return
        form = chunk.form
        if form.shift == 0 or form.bits == 8:
            self._left = 0
            return
        some = chunk.pixels[:: max(1, len(chunk) // LOOKED_AT)]
        self._highest = max(self._highest, int(form.levels_of()(some).max()))
        if self._highest >> form.shift >= BLACK:
            self._left = 0
            return
        self._left -= len(chunk)
        if self._left > 0 or not self._highest:
            return
        shift = max(0, self._highest.bit_length() - 8)
        self._journal.warn(
            FindingCode.MOSTLY_BLACK,
            f"no pixel of the first seconds is above {self._highest} of the {2**form.bits - 1} that "
            f"{form.pixel_format} has: the stream's 8 bits show at most {self._highest >> form.shift} of 255",
            advice=f"--bit-shift {shift} shows them, where the picture gets no brighter than it was",
        )
