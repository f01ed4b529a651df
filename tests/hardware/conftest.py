"""Stand-ins for hardware that real SDKs accept; an SDK looks for them as it loads, so they come first."""

from __future__ import annotations

import os

# Two emulated Basler cameras, serials 0815-0000 and 0815-0001.
os.environ["PYLON_CAMEMU"] = "2"
