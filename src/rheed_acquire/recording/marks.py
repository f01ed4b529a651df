"""Marks of a run: what was done at the growth while it went, and when.

They lie in the run's folder, a line of JSON each in ``marks.jsonl``, from the moment on at which they are
taken; when the run is closed they are written into its Zarr group too.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rheed_acquire.recording.layout import MARKS_FILE
from rheed_acquire.recording.run_path import RunPath
from rheed_acquire.system.durable_files import append_durably
from rheed_acquire.text.json_text import json_text


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done, or read from an instrument.

    Attributes
    ----------
    time_unix_ms
        When, in ms since 1970, UTC, by the clock that dates the frames.
    text
        What: ``shutter open``, ``substrate temperature``.
    value, unit
        A number that belongs to it, and what it is in; None for none.
    """

    time_unix_ms: float
    text: str
    value: float | None = None
    unit: str | None = None

    def __str__(self) -> str:
        if self.value is None:
            return self.text
        return f"{self.text} = {self.value:.10g}{f' {self.unit}' if self.unit else ''}"

    def as_json(self) -> dict[str, Any]:
        """Its fields as plain JSON values."""
        return asdict(self)


def append_mark(folder: Path, mark: Mark) -> None:
    """Add a mark to a run's folder; from the return on it survives loss of power.

    Raises
    ------
    OSError
        The folder is not there, or its disk takes no more.
    """
    append_durably(folder / MARKS_FILE, json_text(mark.as_json()).encode())


def read_marks(folder: RunPath) -> tuple[Mark, ...]:
    """Read the marks of a run's folder, in the order of their times; a line that is none is passed over.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    try:
        lines = (folder / MARKS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    found = [mark for line in lines if (mark := _parsed(line)) is not None]
    return tuple(sorted(found, key=lambda mark: mark.time_unix_ms))


def _parsed(line: bytes) -> Mark | None:
    try:
        fields = json.loads(line)
        mark = Mark(**fields)
        time_unix_ms = float(mark.time_unix_ms)
        value = None if mark.value is None else float(mark.value)
    except (ValueError, TypeError):
        return None  # the half line of a crash: nobody was told that it is kept
    known = isinstance(mark.text, str) and isinstance(mark.unit, str | None) and math.isfinite(time_unix_ms)
    return Mark(time_unix_ms, mark.text, value, mark.unit) if known else None
