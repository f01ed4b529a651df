"""Buffers that hold no whole image: counted, the first ones told of, and a fault where no other comes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rheed_acquire.cameras.camera import CameraError

logger = logging.getLogger(__name__)

_LOGGED = 3
_ALL_FAILED_S = 2.0


class IncompleteBuffers:
    """Counts the buffers of one run that were left out.

    Attributes
    ----------
    number
        So far.
    """

    def __init__(self) -> None:
        self.number = 0
        self._first_s = 0.0

    def count(self, why: Callable[[], str], *, any_delivered: bool) -> None:
        """Count a buffer that is left out.

        Parameters
        ----------
        why
            Says what is wrong with it, in words.
        any_delivered
            Whether a whole one has come in this run.

        Raises
        ------
        CameraError
            There has been no other for a while.
        """
        self.number += 1
        if self.number == 1:
            self._first_s = time.monotonic()
        if self.number <= _LOGGED:
            more = "; further ones are counted only" if self.number == _LOGGED else ""
            logger.warning("incomplete buffer %d was left out: %s%s", self.number, why(), more)
        if not any_delivered and time.monotonic() - self._first_s > _ALL_FAILED_S:
            raise CameraError(f"every one of the first {self.number} buffers was {why()}")
