"""The overview of a server with 500 runs that have ended: made by one that was just started, and later.

The first time a line is read of each run; later it is only asked what has changed. Beside it: the folders and
the documents of the lines are listed, and nothing else.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from benchmarks._rounds import Spread, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._table import Row
from rheed_acquire.overview.pages import Overview
from rheed_acquire.recording.layout import folder_name
from rheed_acquire.server.audit import Audit
from rheed_acquire.server.documents import FolderDocuments
from rheed_acquire.server.keys import Keys
from rheed_acquire.server.store import StreamStore

RUNS, A_DAY = 500, 10


def rows(quick: bool) -> Iterator[Row]:
    """Measure the page."""
    count = 50 if quick else RUNS
    with scratch_folder() as scratch:
        place = scratch / "runs"
        streams, documents = StreamStore(place), FolderDocuments(place)
        fill(place, count)

        def page(audit: Audit) -> None:
            overview = Overview(place, streams, audit, Keys(None))
            answer = overview.overview(Request(EnvironBuilder().get_environ()))
            assert b"Growth" in answer.data

        known = Audit(documents)
        sides: dict[str, Callable[[], object]] = {
            "just started": lambda: page(Audit(documents)),
            "later": lambda: page(known),
            "listing alone": lambda: (list(place.iterdir()), documents.below("audit")),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for show in sides.values():
            show()
        for _, name in turns(list(sides), 6 if quick else 24):
            begun_s = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - begun_s)
    for name in ("just started", "later"):
        took_ms, longest_ms = 1e3 * statistics.median(seconds[name]), 1e3 * max(seconds[name])
        yield (
            f"{count} runs, {name}",
            f"{short(took_ms)} ms, longest {short(longest_ms)} ms",
            f"listing alone {short(1e3 * statistics.median(seconds['listing alone']))} ms",
            str(Spread.of_ratios(seconds[name], seconds["listing alone"])),
        )


def fill(place: Path, count: int) -> None:
    """Make the folders of runs, and the lines of their streams."""
    begun = datetime(2026, 1, 1, 8, tzinfo=UTC)
    lines: dict[str, list[str]] = {}
    for number in range(count):
        ended = begun + timedelta(days=number // A_DAY, hours=number % A_DAY)
        data_id = f"{number:08x}-0000-4000-8000-000000000000"
        folder = folder_name(f"Growth {number}", data_id, ended)
        (place / folder).mkdir()
        line = {
            "data_id": data_id, "folder": folder, "name": f"Growth {number}",
            "sample": f"wafer {number // 3}", "streamed_by": f"chamber-{number % 4}",
            "ended_utc": ended.isoformat(), "fps": 120.0,
            "frames": 432_000, "chunks": 1800, "chunks_missing": 0, "bytes": 60_000_000_000,
        }  # fmt: skip
        lines.setdefault(f"{ended:%Y-%m-%d}", []).append(json.dumps(line) + "\n")
    (place / ".server/audit").mkdir()
    for day, of_day in lines.items():
        (place / f".server/audit/{day}.jsonl").write_text("".join(of_day), encoding="utf-8")
