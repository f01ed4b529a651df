"""What a page's code computes of runs whose answer is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.docs.pages import read_page

from rheed_acquire import open_run
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.recording.run_writer import RunWriter
from rheed_acquire.recording.shard_encoding import encode_shard

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "analyse-runs-with-xarray-and-dask.md"
FPS, SECONDS, CHUNK = 10.0, 16, 20
START_MS = 1_700_000_000_000


def record_growth(folder: Path, number: int, rate: float, *, lost_chunk: int | None) -> Path:
    """Record a run whose pictures oscillate at a rate, over a drift that is stronger."""
    folder.mkdir()
    declared = StreamDeclaration(f"Growth {number}", FPS, 0.0, 0.0, None, None)
    run = RunWriter.create(folder, f"{number:08}-0000-4000-8000-000000000000", declared)
    for index in range(int(SECONDS * FPS) // CHUNK):
        if index == lost_chunk:
            continue
        seconds = np.arange(index * CHUNK, (index + 1) * CHUNK) / FPS
        levels = 100 + 20 * np.sin(2 * np.pi * rate * seconds) + 60 * seconds / SECONDS
        frames = np.broadcast_to(levels.astype(np.uint8)[:, None, None], (CHUNK, 112, 266))
        received = run.incoming_path()
        received.write_bytes(bytes(encode_shard(np.ascontiguousarray(frames))))
        start_ms = START_MS + round(seconds[0] * 1000)
        count, height, width = frames.shape
        run.commit(received, ChunkDeclaration(index, count, height, width, CHUNK, start_ms))
    run.close("test")
    return folder


def test_the_growth_rates_of_twenty_runs_are_found_on_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = np.linspace(0.3, 2.2, 20)
    runs = [
        record_growth(tmp_path / str(number), number, rate, lost_chunk=3 if number % 2 else None)
        for number, rate in enumerate(rates)
    ]
    blocks = [block.text for block in read_page(PAGE.name, PAGE).blocks if "LocalCluster" in block.text]
    exec(compile(blocks[0], str(PAGE), "exec"), {"runs": runs, "open_run": open_run})
    printed = re.findall(r"^Growth (\d+): ([\d.]+) monolayers/s$", capsys.readouterr().out, re.MULTILINE)
    assert [int(number) for number, _ in printed] == list(range(20))
    assert [float(rate) for _, rate in printed] == pytest.approx(rates, abs=0.25 / SECONDS)
