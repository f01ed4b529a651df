"""What becomes of one stream must not reach another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rheed_acquire.streaming import RHEEDStreamer

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer


def test_a_stream_given_up_with_chunks_waiting_does_not_stop_the_encoder_for_others(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 700, 700), np.uint8)
    spool = tmp_path / "spool"
    with RHEEDStreamer(
        faulty_server.api_key, faulty_server.endpoint, spool_folder=spool, ring_chunks=6
    ) as streamer:
        given_up, goes_on = (streamer.initialize(10, 0, 20) for _ in range(2))
        for number in range(6):
            streamer.push(given_up, number, noise)
        given = streamer.finalize(given_up, 0.0)
        assert not given["closed"]
        streamer.push(goes_on, 0, noise[:, :16, :16])
        assert streamer.finalize(goes_on, 20.0)["closed"]
        (recovered,) = streamer.recover(20.0)
    # What arrived while it was given up is counted by one of the two.
    assert given["chunks_uploaded"] + recovered["chunks_uploaded"] == 6
    assert (recovered["lost"], recovered["closed"]) == ([], True)


def test_a_damaged_sidecar_is_reported_at_every_recovery_and_keeps_no_other_stream(
    faulty_server: FaultyServer, tmp_path: Path
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("upload", Kind.STATUS, 503))
    spool = tmp_path / "spool"
    frames = np.ones((20, 16, 16), np.uint8)
    with RHEEDStreamer(faulty_server.api_key, faulty_server.endpoint, spool_folder=spool) as streamer:
        broken, whole = (streamer.initialize(10, 0, 20) for _ in range(2))
        for data_id in (broken, whole):
            streamer.push(data_id, 0, frames)
            streamer.finalize(data_id, 0.5)
    sidecar = spool / broken / "shards" / "0.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "body": {"dims": "nonsense"}}))
    faulty_server.heal()
    for expected in ({broken, whole}, {broken}):
        with RHEEDStreamer(faulty_server.api_key, faulty_server.endpoint, spool_folder=spool) as streamer:
            reports = {report["data_id"]: report for report in streamer.recover(20.0)}
        assert set(reports) == expected
        assert reports[broken]["quarantined"] == 1
    assert not (spool / whole).exists()
    assert (spool / broken / "quarantine" / "0.shard").exists()
