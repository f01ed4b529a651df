"""What a run's folder does not take."""

from __future__ import annotations

from rheed_acquire.errors import RheedAcquireError


class UnfitError(RheedAcquireError):
    """It is not what was declared, or does not fit what the run holds; the message says why."""


class RunClosedError(UnfitError):
    """The run has ended and takes no more chunks."""
