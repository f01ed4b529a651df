"""A run that is stopped as a whole, by SIGSTOP or a computer that sleeps, goes on as if nothing had been."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import numpy as np
import pytest
import zarr

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer
    from tests.faults.rig import Rig

RATES = ("--fps", "15", "--faulty.speed", "8")
CHUNK = 30
"""Frames: two seconds of the declared rate, and a quarter of one in truth."""
WAITING = 12
"""Chunks that have been tried before the run is stopped."""
STOPPED_S = 9.0
"""Longer than the pauses of those, and than what the spool takes for a stop."""
BUFFERS = 300
"""For all that the camera has missed meanwhile and then gives at once, however long the stop was."""
UPLOADS_AT_ONCE = 8


def chunks_asked_for(server: FaultyServer, since_s: float = 0.0) -> dict[int, float]:
    """When each chunk was first asked an upload's place for, from a time on."""
    first: dict[int, float] = {}
    for at_s, query in list(server.plan.arrivals):
        for name in parse_qs(query).get("original_filename", ()):
            if at_s >= since_s:
                first.setdefault(int(name.split("/")[-3]), at_s)
    return first


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process with a signal")
def test_after_a_stop_all_is_delivered_not_all_at_once_and_no_date_runs_backwards(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("presign", Kind.STATUS, 503))
    process = rig.start(*RATES, "--ring-chunks", str(BUFFERS), "--spool-keep-free", "0", "--json")
    assert rig.wait_until(lambda: len(chunks_asked_for(faulty_server)) >= WAITING, process)
    process.send_signal(signal.SIGSTOP)
    tried = set(chunks_asked_for(faulty_server))
    faulty_server.plan.heal()
    # Slow enough that uploads which are begun together are seen together.
    faulty_server.add(Rule("upload", Kind.DELAY, 0.05))
    time.sleep(STOPPED_S)
    taken, awake_s = rig.frames_taken, time.monotonic()
    process.send_signal(signal.SIGCONT)

    assert rig.wait_until(lambda: rig.frames_taken >= taken + CHUNK, process)
    assert rig.wait_until(lambda: tried <= set(chunks_asked_for(faulty_server, awake_s)), process)
    taken = rig.frames_taken
    process.send_signal(signal.SIGINT)
    report = rig.finish(process).report
    # Until it has been told to stop the camera goes on, and what comes then is no part of the run.
    assert taken <= report["frames_received"] == report["frames_pushed"]
    assert report["frames_overrun"] == 0
    rig.expect_delivered(report["frames_pushed"], report["frames_pushed"])
    assert not rig.waiting()

    assert faulty_server.plan.most_at_once <= UPLOADS_AT_ONCE

    (recording,) = rig.runs.glob("*/frames.zarr")
    group: Any = zarr.open_group(recording, mode="r")
    dates = group["time_unix_ms"][:]
    assert np.all(np.diff(dates) >= 0)
    # What came after the stop is dated after it.
    assert dates[-1] - dates[0] > STOPPED_S * 1000
