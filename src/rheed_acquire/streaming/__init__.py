"""Delivery: chunks in, confirmed uploads out. `RHEEDStreamer` can be used alone, without a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer

__all__ = ["RHEEDStreamer"]


def __getattr__(name: str) -> object:
    # Loaded when asked for: the plugin host imports this package, and must not pay for numpy and requests.
    if name == "RHEEDStreamer":
        from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer

        return RHEEDStreamer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
