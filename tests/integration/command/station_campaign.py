"""Runs one after another at a station, each looked through for frames that are lost or doubled.

``python -m tests.integration.command.station_campaign --runs 50`` makes as many as a day has, and says how
far each began from where it was asked to; the suite makes a few.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rheed_acquire import RecordedRun, Station
from rheed_acquire.view.interface import Run

FPS = 50.0
WITHIN_MS = 5.0


@dataclass(frozen=True)
class Made:
    """One run as it was recorded.

    Attributes
    ----------
    off_s
        How much later than asked for it begins, by the time of its first frame.
    mark_ms
        How much later than it was sent its mark lies.
    answered_ms
        How much later than that it was answered: a mark lies between the two.
    """

    run: Run
    ids: list[int]
    off_s: float
    mark_ms: float
    answered_ms: float


def numbers_in(recorded: RecordedRun) -> list[int]:
    """The numbers that the camera has written into its frames."""
    frames: Any = recorded.read(0, len(recorded))
    pixels = np.ascontiguousarray(frames.reshape(len(frames), -1)[:, :8])
    numbers: list[int] = pixels.view("<u8")[:, 0].tolist()
    return numbers


def make_run(station: Station, name: str, pre_roll_s: float, seconds: float) -> Made:
    """Make a run, and look through it."""
    asked_ms = time.time() * 1e3
    with station.run(stream_name=name, pre_roll_s=pre_roll_s) as run:
        time.sleep(seconds)
        sent_ms = time.time() * 1e3
        mark = run.mark("here")
        answered_ms = time.time() * 1e3
    ended = run.latest
    assert (ended.phase, ended.exit_code, ended.problems) == ("ended", 0, ())
    assert ended.output is not None
    recorded = RecordedRun(Path(ended.output))
    ids = numbers_in(recorded)
    assert ids == list(range(ids[0], ids[0] + len(ids))), "frames are lost or doubled"
    assert ended.frames == len(ids)
    return Made(
        ended,
        ids,
        (float(recorded.time_unix_ms(0, 1)[0]) - asked_ms) / 1e3 + pre_roll_s,
        mark.time_unix_ms - sent_ms,
        answered_ms - sent_ms,
    )


def make_runs(station: Station, runs: int, pre_roll_s: float, pause_s: float, seconds: float) -> list[Made]:
    """Make runs; each begins after the end of the one before, and no frame is in two of them."""
    made: list[Made] = []
    for number in range(runs):
        time.sleep(pause_s)
        made.append(make_run(station, f"layer {number}", pre_roll_s, seconds))
        if number:
            assert made[-1].ids[0] > made[-2].ids[-1], "a frame is in two runs"
        assert -WITHIN_MS <= made[-1].mark_ms <= made[-1].answered_ms + WITHIN_MS
    return made


def main() -> int:
    """Make the campaign with the third party's camera of the tests."""
    from tests.conftest import Distributions
    from tests.integration.command.conftest import THIRD_PARTY, Command

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--fps", type=float, default=FPS)
    given = parser.parse_args()
    os.environ.setdefault("RHEED_SHARED_MEMORY", tempfile.gettempdir())
    with tempfile.TemporaryDirectory() as place:
        site, work = Path(place, "site"), Path(place, "work")
        site.mkdir()
        work.mkdir()
        plugins = Distributions(site)
        plugins.add("third-party-camera", THIRD_PARTY, plugin="thirdparty")
        command = Command(work, plugins)
        process = command.start("view", "--camera", "thirdparty", "--thirdparty.fps", str(given.fps))
        os.environ["RHEED_STATIONS"] = str(work / "stations")
        try:
            command.wait_for("stations")
            while not list((work / "stations").glob("*.json")):
                time.sleep(0.1)
            with Station() as station:
                while station.state().phase != "preview":
                    time.sleep(0.1)
                off: list[float] = []
                marked_ms: list[float] = []
                resident: list[int] = []
                for number in range(given.runs):
                    pre_roll_s = random.choice([0.0, 0.5, 1.0, 2.0])
                    (made,) = make_runs(station, 1, pre_roll_s, pre_roll_s + 0.3, random.uniform(0.2, 2.0))
                    off.append(made.off_s * given.fps)
                    marked_ms.append(made.mark_ms)
                    resident.append(_resident_mb(process.pid))
                    print(
                        f"run {number}: {len(made.ids)} frames, begins {off[-1]:+.2f} frames late, "
                        f"its mark lies {made.mark_ms:+.2f} ms after it was sent"
                    )
                print(
                    json.dumps(
                        {
                            "late_frames": [min(off), max(off)],
                            "marks_late_ms": [min(marked_ms), max(marked_ms)],
                            "resident_mb": resident[:: max(1, len(resident) // 10)],
                        }
                    )
                )
        finally:
            command.interrupt(process)
            command.end()
    return 0


def _resident_mb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    sys.exit(main())
