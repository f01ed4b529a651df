"""From a chunk's push to the server's confirmation where each answer takes a while, as from far away.

Chunks come one at a time, as from a camera. The URL is asked for while the chunk is encoded; beside that, in
turn, only when it is sent.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks._frames import contents, make_frames
from benchmarks._rounds import Spread, short, turns
from benchmarks._scratch import scratch_folder
from benchmarks._servers import sink_server
from benchmarks._table import Row
from rheed_acquire import RHEEDStreamer
from rheed_acquire.streaming.reference_clock import SKIP_VARIABLE
from rheed_acquire.streaming.url_ahead import UrlAhead

ANSWER_S = 0.1
"""Until the server answers a request for a URL, and until it confirms an upload that has come."""
FPS, CHUNK_SIZE = 60.0, 120
SIZES = ((300, 500), (480, 640))
CHUNKS = 8
LEVEL = 3


def rows(quick: bool) -> Iterator[Row]:
    """Measure both sizes, with real frames and with a camera's noise."""
    for height, width in SIZES[:1] if quick else SIZES:
        for content in [*(one for one in contents() if one != "noise"), "shot noise"]:
            frames = make_frames(content, CHUNK_SIZE, height, width)
            times: dict[bool, list[float]] = {True: [], False: []}
            for _, is_ahead in turns([True, False], 2 if quick else 8):
                times[is_ahead].append(_seconds(frames, is_ahead=is_ahead))
            yield (
                f"{height} x {width}, {content}, answers after {ANSWER_S:g} s",
                f"{short(statistics.median(times[True]))} s",
                f"URL asked for when it is sent {short(statistics.median(times[False]))} s",
                str(Spread.of_ratios(times[True], times[False])),
            )


def _seconds(frames: NDArray[np.uint8], *, is_ahead: bool) -> float:
    """The median over a stream's chunks but the first, for which connections are made."""
    with (
        scratch_folder() as folder,
        sink_server(folder, answer_s=ANSWER_S) as server,
        patch.dict(os.environ, {SKIP_VARIABLE: "1"}),
        patch.object(UrlAhead, "ask", UrlAhead.ask if is_ahead else _ask_for_none),
        RHEEDStreamer(
            api_key=server.api_key,
            endpoint=server.endpoint,
            spool_folder=folder / "spool",
            compression_level=LEVEL,
        ) as streamer,
    ):
        data_id = streamer.initialize(FPS, 0.0, CHUNK_SIZE)
        seconds = []
        for index in range(1 + CHUNKS):
            begun_s = time.perf_counter()
            streamer.push(data_id, index, frames)
            while streamer.status(data_id).chunks_uploaded <= index:
                time.sleep(0.001)
            seconds.append(time.perf_counter() - begun_s)
        streamer.finalize(data_id)
    return statistics.median(seconds[1:])


def _ask_for_none(*_: object) -> None:
    pass
