"""The whole command on pylon's camera emulation, at many times the rate of any RHEED camera.

``rheed-acquire --camera basler`` takes 300 x 500 frames at 4,000 frames/s, and streams them to the local
server and to a server that only counts. Overrun, rejected and dropped frames are read off the command's own
report; none of them is the goal.

The emulator is no free lunch: it draws its frames on the same processors, and makes none while it has no free
buffer, so that what it could not draw is missing without a trace. Beside each run stands what the same plugin
delivers when nothing is done with a frame but numpy's copy; the ratio is of the frames per second.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._rounds import UnavailableError, short
from benchmarks._scratch import environment_apart, scratch_folder
from benchmarks._servers import SERVERS
from benchmarks._table import Row
from rheed_acquire import Frame

HEIGHT, WIDTH, FPS, EXPOSURE_US = 300, 500, 4000.0, 100
LIMIT_S = 240.0


def rows(quick: bool) -> Iterator[Row]:
    """Run once against each server; quick, against the one that only counts.

    Raises
    ------
    UnavailableError
        pypylon is not installed.
    """
    if importlib.util.find_spec("pypylon") is None:
        raise UnavailableError('pypylon is not installed: pip install "rheed-acquire[basler]"')
    seconds = 5 if quick else 30
    for server in ["sink"] if quick else SERVERS:
        report = _run(server, seconds)
        rate, alone = report["fps_measured"], _copied_per_s(2.0 if quick else 5.0)
        losses = {name: report[f"frames_{name}"] for name in ("overrun", "rejected", "dropped_by_camera")}
        lost = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in losses.items())
        arrived = f"{report['chunks_uploaded']} of {report['chunks_pushed']} chunks uploaded"
        yield (
            f"{HEIGHT} x {WIDTH}, {FPS:,.0f} fps for {seconds} s, {server}",
            f"{rate:,.0f} fps; of {report['frames_received']:,} {lost}",
            f"{alone:,.0f} fps with a copy only; {arrived}",
            short(rate / alone),
        )


def _copied_per_s(seconds: float) -> float:
    """Frames per second that the plugin delivers to a callback that only copies."""
    os.environ["PYLON_CAMEMU"] = "1"  # read when pylon is first used
    from rheed_acquire import CaptureRequest
    from rheed_acquire_basler import BaslerSettings, open_camera

    copies = np.ones((240, HEIGHT, WIDTH), np.uint8)
    slots = itertools.cycle(list(copies))
    taken = itertools.count()

    def on_frame(frame: Frame) -> None:
        np.copyto(next(slots), frame.pixels)
        next(taken)

    settings = BaslerSettings(width=WIDTH, height=HEIGHT, exposure_us=EXPOSURE_US)
    with open_camera(settings, CaptureRequest(fps=FPS)) as camera:
        begun = time.perf_counter()
        camera.start(on_frame, _raise)
        time.sleep(seconds)
        camera.stop()
        return next(taken) / (time.perf_counter() - begun)


def _raise(error: Exception) -> None:
    raise error


def _run(server: str, seconds: int) -> dict[str, Any]:
    with scratch_folder() as folder, SERVERS[server](folder) as running:
        account = {"AS_API_KEY": running.api_key.get_secret_value(), "AS_API_ENDPOINT": running.endpoint}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "rheed_acquire", "--camera", "basler", "--json"),
                *("--basler.width", str(WIDTH), "--basler.height", str(HEIGHT)),
                *("--basler.exposure-us", str(EXPOSURE_US), "--fps", str(FPS), "--duration", str(seconds)),
                *("--fps-tolerance", "0.1"),
            ],
            cwd=folder,
            env={**environment_apart(folder), **account, "PYLON_CAMEMU": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        try:
            report: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(
                f"rheed-acquire failed with {done.returncode}:\n{done.stderr[-2000:]}"
            ) from None
    return report
