"""Pushes chunks through one client and measures itself; run by `benchmarks._pushes`, as a program.

It is run by the interpreter that has the client, and needs nothing but that and numpy. The task comes as one
JSON object on standard input, so that no key is seen in the list of processes; the figures leave as one on
standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

MODULES = {"rheed-acquire": "rheed_acquire", "atomscale": "atomscale.streaming"}


def _status(field: str) -> int | None:
    """A figure of ``/proc/self/status`` in bytes; None where the system has no such file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def resident_bytes() -> int:
    """Memory that is resident now; 0 where the system does not tell (not Linux)."""
    return _status("VmRSS") or 0


def peak_bytes() -> int | None:
    """Most memory that was resident at once so far; None on Windows."""
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def written_bytes() -> int | None:
    """Bytes that this process has had written to disk; None where the system does not tell (not Linux)."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def forget_peak() -> None:
    """Begin the peak anew at what is resident now, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main() -> None:
    """Do the task."""
    task: dict[str, Any] = json.load(sys.stdin)
    client: Any = importlib.import_module(MODULES[task["client"]])
    source = np.load(task["frames"])
    count = task["chunk_frames"]
    chunks = [source[start : start + count] for start in range(0, len(source), count)]
    forget_peak()
    before = peak_bytes()

    streamer = client.RHEEDStreamer(api_key=task["api_key"], endpoint=task["endpoint"], **task["options"])
    data_id = streamer.initialize(
        fps=task["fps"], rotations_per_min=0.0, chunk_size=count, stream_name=f"benchmark {task['client']}"
    )
    pushes_s: list[float] = []
    cpu_s = time.process_time()
    written = written_bytes()
    begun = time.perf_counter()
    for number in range(task["chunks"]):
        time.sleep(max(0.0, begun + number * task["interval_s"] - time.perf_counter()))
        entered = time.perf_counter()
        streamer.push(data_id, number, chunks[number % len(chunks)])
        pushes_s.append(time.perf_counter() - entered)
    pushed = time.perf_counter()
    report = streamer.finalize(data_id)
    ended = time.perf_counter()
    cpu_s = time.process_time() - cpu_s
    after, written_at_end = peak_bytes(), written_bytes()
    print(
        json.dumps(
            {
                "data_id": data_id,
                "pushes_s": pushes_s,
                "seconds": ended - begun,
                "drain_s": ended - pushed,
                "cpu_s": cpu_s,
                "written": None if written is None or written_at_end is None else written_at_end - written,
                "memory_before": before,
                "memory_peak": after,
                "report": repr(report),
            }
        )
    )


if __name__ == "__main__":
    main()
