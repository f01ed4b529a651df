"""What is known of a stream when it begins, as its ``stream.json`` has it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from rheed_acquire.recording.declarations import PixelDeclaration, StreamDeclaration

MOST_TAGS = 256


def utc_now() -> str:
    """The time now, as metadata spells it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_record(
    data_id: str, declaration: StreamDeclaration, pixels: PixelDeclaration | None = None
) -> dict[str, Any]:
    """Write down what is known of a stream when it begins: its ``stream.json``."""
    return {
        "data_id": data_id,
        **asdict(declaration),
        **({} if pixels is None else asdict(pixels)),
        "physical_sample": None,
        "tags": [],
        "state": "open",
        "created_utc": utc_now(),
        "ended_utc": None,
        "end_reason": None,
        "software": f"rheed-acquire {version('rheed-acquire')}",
    }
