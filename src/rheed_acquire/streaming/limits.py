"""How much the spool may take, and what happens at the limit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
