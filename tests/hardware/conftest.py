"""Stand-ins for hardware that the real SDKs accept."""

from __future__ import annotations

import os


def pytest_configure() -> None:
    """Emulate two Basler cameras, serials 0815-0000 and 0815-0001; pylon asks for them as it loads."""
    os.environ["PYLON_CAMEMU"] = "2"
