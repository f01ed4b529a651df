"""Takes numbered pictures from a screen, or as H.264 over the network, and identifies every frame.

``python -m tests.hardware.video.campaign screen --seconds 60`` shows a number after another on an Xvfb, 30 a
second, and takes them at as many; ``h264`` has ``ffmpeg`` encode them (x264) and serve them over HTTP on
loopback. Each frame must show a number that was shown, and none may come before one that came later. Of
H.264, which has each of them, none may be missing or come twice; a screen's frames are taken by another clock
than it is drawn by.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tests.hardware.video.numbered import BITS, HEIGHT, WIDTH, number_of, picture
from tests.hardware.video.taking import Taking, taking
from tests.hardware.video.x_display import XDisplay

FPS = 30


def gray_code(number: int) -> int:
    """In which one bar changes at a time: a picture taken while it is drawn shows this number or the next."""
    return number ^ number >> 1


def number_in(gray: int) -> int:
    """Undo `gray_code`."""
    number = 0
    while gray:
        number ^= gray
        gray >>= 1
    return number


class Shown:
    """Shows or sends a number after another, at an even pace, until it is ended."""

    def __init__(self, show: Callable[[int], object]) -> None:
        self.count = 0
        self._show = show
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shown")
        self._thread.start()

    def _run(self) -> None:
        begun = time.perf_counter()
        while not self._ending.wait(max(0.0, begun + self.count / FPS - time.perf_counter())):
            self._show(self.count % (1 << BITS))
            self.count += 1

    def end(self) -> None:
        self._ending.set()
        self._thread.join()


@contextmanager
def screen() -> Iterator[tuple[Taking, Shown]]:
    """Show numbers on an Xvfb."""
    with tempfile.TemporaryDirectory() as folder, XDisplay(Path(folder)) as display:
        os.environ["DISPLAY"] = display.name
        region = display.screen[:HEIGHT, :WIDTH, :3]

        def show(number: int) -> None:
            region[:] = picture(gray_code(number))[..., np.newaxis]

        show(0)
        shown = Shown(show)
        try:
            with taking(fps=float(FPS), source="screen", width=WIDTH, height=HEIGHT) as taken:
                yield taken, shown
        finally:
            shown.end()


@contextmanager
def h264() -> Iterator[tuple[Taking, Shown]]:
    """Have ffmpeg serve numbers as H.264."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/live.ts"
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-s",
        f"{WIDTH}x{HEIGHT}",
    ]
    command += ["-framerate", str(FPS), "-i", "pipe:0", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    command += [
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        str(FPS),
        "-f",
        "mpegts",
        "-listen",
        "1",
        url,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
        assert server.stdin is not None
        pipe = server.stdin

        def send(number: int) -> None:
            try:
                pipe.write(picture(number).tobytes())
                pipe.flush()
            except OSError:  # the camera has gone, and ffmpeg with it
                return

        time.sleep(2.0)  # until it listens
        shown = Shown(send)
        try:
            with taking(source=url) as taken:
                yield taken, shown
        finally:
            server.terminate()
            shown.end()


def main() -> int:
    """Run it; 1 where a frame was none of those that were shown, or in the wrong place."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.video.campaign")
    parser.add_argument("source", choices=["screen", "h264"])
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with (screen if given.source == "screen" else h264)() as (taken, shown):
        taken.wait_for_frames(1)
        time.sleep(given.seconds)
        frames = list(taken.pixels)
        faults = list(taken.faults)
        count = shown.count
    read = [number_of(pixels, is_whole=given.source == "h264") for pixels in frames]
    numbers = [number_in(number) for number in read] if given.source == "screen" else read
    steps = np.diff(numbers)
    unknown = sum(number >= count for number in numbers)
    late, twice = int((steps < 0).sum()), int((steps == 0).sum())
    missing = int((steps[steps > 1] - 1).sum())
    print(f"{len(numbers)} frames in {given.seconds:g} s, of numbers {numbers[0]} to {numbers[-1]}")
    print(f"  {unknown} show none that was shown, {late} come too late; faults: {faults}")
    print(f"  {twice} numbers came twice, {missing} in no frame")
    wrong = unknown + late + len(faults)
    if given.source == "h264":
        wrong += twice + missing
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
