"""What the author of a camera imports to hold it to the contract.

In a test module of the plugin::

    from rheed_acquire.testing import CameraContract

    class TestMyCamera(CameraContract):
        backend = "mycamera"
        settings = {"exposure_us": 1000}

and pytest runs every test of the contract. Names are loaded when they are first used: pytest loads this
package in each project of an environment, and it must cost the others nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.testing.contract import CameraContract, Change
    from rheed_acquire.testing.observer import TakenFrame
    from rheed_acquire.testing.rules import ContractBreachError, Rule

_HOME_OF = {
    "CameraContract": "rheed_acquire.testing.contract",
    "Change": "rheed_acquire.testing.contract",
    "ContractBreachError": "rheed_acquire.testing.rules",
    "Rule": "rheed_acquire.testing.rules",
    "TakenFrame": "rheed_acquire.testing.observer",
}

__all__ = ["CameraContract", "Change", "ContractBreachError", "Rule", "TakenFrame"]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
