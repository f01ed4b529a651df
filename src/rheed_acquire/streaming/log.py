"""What ``verbosity`` means: 0 nothing, 1 errors, 2 warnings, 3 progress, 4 details."""

from __future__ import annotations

import logging

from rheed_acquire.system.stalling_output import StallingHandler
from rheed_acquire.text.printable_text import LineFormatter

LEVELS = (logging.CRITICAL + 1, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


def apply_verbosity(verbosity: int) -> None:
    """Let the ``rheed_acquire`` logger write to stderr from a level on.

    Raises
    ------
    ValueError
        ``verbosity`` is not 0 to 4.
    """
    if isinstance(verbosity, bool) or not isinstance(verbosity, int) or not 0 <= verbosity < len(LEVELS):
        raise ValueError(f"verbosity is {verbosity!r}, but must be 0 (silent) to {len(LEVELS) - 1} (details)")
    logger = logging.getLogger("rheed_acquire")
    logger.setLevel(LEVELS[verbosity])
    if not logger.hasHandlers():
        handler = StallingHandler()
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s"))
        logger.addHandler(handler)
