"""A report that is made from the recording alone."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.run_report.conftest import FPS, START_MS, MakeRecording, record

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording import reading
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.regions.regions import Region
from rheed_acquire.run_report.from_recording import record_of

RNG = np.random.default_rng(1)
FRAMES = RNG.integers(0, 256, (50, 12, 16), np.uint8)
SPOT = Region(name="spot", x=3, y=2, width=5, height=4)


def test_each_region_is_measured_in_each_frame(make_recording: MakeRecording) -> None:
    remade, pictures, notes = record_of(RecordedRun(make_recording(FRAMES)), None, [SPOT])
    (region,) = remade.regions
    means = FRAMES[:, 2:6, 3:8].mean(axis=(1, 2))
    assert region.frames == 50
    assert region.trace.mean == pytest.approx(means, abs=1e-3)
    assert region.mean == pytest.approx(means.mean(), abs=1e-3)
    assert region.brightest == FRAMES[:, 2:6, 3:8].max()
    assert (remade.made_from, remade.run, remade.settings, remade.versions) == ("recording", None, None, None)
    assert (remade.frames, remade.height, remade.width) == (50, 12, 16)
    assert remade.last_utc_ms == START_MS + 4900
    assert [picture.record.frame for picture in pictures] == [0, 24, 49]
    assert np.array_equal(pictures[1].pixels, FRAMES[24])
    assert notes == []


def test_an_oscillation_of_a_known_period_is_found(make_recording: MakeRecording) -> None:
    levels = 100 + 50 * np.sin(2 * np.pi * np.arange(200) / FPS / 2.5)
    frames = np.broadcast_to(levels.astype(np.uint8)[:, None, None], (200, 4, 6))
    remade, _, _ = record_of(
        RecordedRun(make_recording(frames)), None, [Region(name="all", x=0, y=0, width=6, height=4)]
    )
    period = remade.regions[0].period
    assert period is not None
    assert period.period_s == pytest.approx(2.5, rel=0.01)


@pytest.mark.parametrize("closed", [True, False])
def test_chunks_that_never_came_are_told_and_not_measured(
    make_recording: MakeRecording, closed: bool
) -> None:
    folder = make_recording(FRAMES, missing=(1,), closed=closed)
    remade, pictures, _ = record_of(RecordedRun(folder), None, [SPOT])
    assert remade.frames == remade.regions[0].frames == 30
    assert [(loss.kind, loss.missing, loss.utc_ms) for loss in remade.losses] == [
        ("chunk", 1, START_MS + 4000)
    ]
    assert remade.rate.frames == [], "no chunk is followed by its neighbour"
    assert all(picture.pixels.any() for picture in pictures)


def test_the_rate_is_that_from_one_chunk_to_the_next(make_recording: MakeRecording) -> None:
    remade, _, _ = record_of(RecordedRun(make_recording(FRAMES)), None, ())
    assert (remade.rate.frames, remade.rate.seconds) == ([20, 20], [2.0, 2.0])


def test_what_only_the_run_knew_is_kept(make_recording: MakeRecording) -> None:
    before = record(versions={"Python": "3.11"}, rate={"utc_ms": [START_MS], "frames": [9], "seconds": [1.0]})
    remade, _, _ = record_of(RecordedRun(make_recording(FRAMES)), before, ())
    assert remade.run == before.run
    assert (remade.versions, remade.rate, remade.made_from) == (before.versions, before.rate, "run")


def test_the_regions_of_the_run_are_followed_again_where_none_are_given(
    make_recording: MakeRecording,
) -> None:
    recording = RecordedRun(make_recording(FRAMES))
    first, _, _ = record_of(recording, None, [SPOT])
    again, _, _ = record_of(recording, first, None)
    assert again.regions == first.regions


def test_a_region_outside_the_frame_is_named(make_recording: MakeRecording) -> None:
    outside = Region(name="far", x=100, y=0, width=2, height=2)
    remade, _, notes = record_of(RecordedRun(make_recording(FRAMES)), None, [outside])
    assert remade.regions == []
    assert len(notes) == 1
    assert "far" in notes[0]


def test_a_stream_without_a_chunk_has_an_empty_report(make_recording: MakeRecording) -> None:
    remade, pictures, _ = record_of(RecordedRun(make_recording(FRAMES[:0])), None, [SPOT])
    assert (remade.frames, remade.first_utc_ms, pictures) == (0, None, [])


def test_a_folder_without_a_recording_says_where_frames_may_be(make_recording: MakeRecording) -> None:
    folder = make_recording(FRAMES)
    with pytest.raises(RheedAcquireError, match=r"holds no recording.*server elsewhere"):
        RecordedRun(folder.parent)


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 50, 1), (7, 43, 1), (0, 50, 3), (5, 49, 7), (49, 50, 9)]
)
def test_slices_hold_every_frame_that_is_wanted_and_little_at_a_time(
    make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch, start: int, stop: int, step: int
) -> None:
    monkeypatch.setattr(reading, "SLICE_BYTES", 25 * 12 * 16)
    parts = list(RecordedRun(make_recording(FRAMES)).slices(start, stop, step))
    assert max(len(part.frames) for part in parts) <= 20, "a whole chunk, and not two"
    numbers = [part.first + place * part.step for part in parts for place in range(len(part.frames))]
    assert numbers == list(range(start, stop, step))
    assert np.array_equal(np.concatenate([part.frames for part in parts]), FRAMES[start:stop:step])


def test_a_damaged_shard_is_one_clear_message(make_recording: MakeRecording) -> None:
    folder = make_recording(FRAMES)
    shard = folder / "frames.zarr" / "frames" / "c" / "1" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(RheedAcquireError, match=r"frames \d+ to \d+ of .*frames\.zarr cannot be read"):
        record_of(RecordedRun(folder), None, [SPOT])
