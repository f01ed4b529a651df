"""The files of the page, the library that draws its plots among them."""

from __future__ import annotations

from pathlib import Path

from rheed_acquire.errors import RheedAcquireError

PAGE = Path(__file__).with_name("page")
UPLOT = PAGE / "vendor" / "uplot"
"""uPlot, which the build fetches from npm: ``uPlot.iife.min.js``, ``uPlot.min.css``, ``LICENSE`` (MIT)."""


def require_uplot() -> Path:
    """Return the folder of uPlot.

    Raises
    ------
    RheedAcquireError
        The build could not fetch it.
    """
    if not (UPLOT / "uPlot.iife.min.js").is_file() or not (UPLOT / "uPlot.min.css").is_file():
        raise RheedAcquireError(
            f"the view cannot draw traces: uPlot is missing in {UPLOT}, because it could not be fetched from "
            "npm when rheed-acquire was installed. Install it once more where npm's registry can be reached "
            "(python -m pip install --force-reinstall --no-deps --no-cache-dir rheed-acquire, or the same "
            "pip install as before with those flags), or go on without --view"
        )
    return UPLOT
