"""The contract for a camera that is connected, for pytest to run from wherever the package is installed.

Example::

    pytest --pyargs rheed_acquire.testing.qualify --camera basler --serial 40012345
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rheed_acquire.testing.contract import CameraContract


class TestCamera(CameraContract):
    """Whatever ``--camera`` names: nothing is known of it, but what the command line says."""

    unread: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("serial", "user_id", "ip", "cti", "vendor", "model", "index"), "it selects a device"
    )
    leak_kb: ClassVar[float] = 1000.0
    leak_why: ClassVar[str] = "nobody knows what its driver keeps; a real camera's description is large"
