"""Archives that belong into a bucket: whatever store, disk and process do, every frame lies there once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.faults.disks import small_disk
from tests.faults.rig import Rig
from tests.faults.test_archives import CHUNK, DELIVERED, FAST, FRAMES_LOST, codes, expect_books_to_add_up

from rheed_acquire.recording.bucket_path import BucketPath

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer
    from tests.object_store import Gate

FRAMES = 700
WRONG_SETTING = 2


def begin(rig: Rig, bucket: BucketPath, gate: Gate | None = None) -> Rig:
    """Have a rig's runs keep archives in a bucket, which they reach through the gate."""
    rig.pixel_format, rig.archive = "Mono12", bucket  # type: ignore[assignment]
    if gate is not None:
        rig.variables["AWS_ENDPOINT_URL"] = gate.endpoint
    return rig


def fetch(rig: Rig, bucket: BucketPath) -> None:
    """Bring what is in the bucket to where the rig looks for archives."""
    rig.archive = rig.folder / "fetched"
    for path, _, _ in bucket.below():
        file = rig.archive / path.path_from(bucket)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.read_bytes())


def has_shard(bucket: BucketPath) -> bool:
    """Whether frames have come there."""
    return any("/frames/c/" in path.key for path, _, _ in bucket.below())


def left_on_disk(rig: Rig) -> list[Path]:
    """What still waits on this computer."""
    return list((rig.spool / ".archives").glob("*"))


def expect_in_bucket(rig: Rig, bucket: BucketPath, frames: int) -> None:
    """Check that all of them are there, once and bit by bit, and that nothing waits any more."""
    fetch(rig, bucket)
    rig.expect_archived(frames)
    assert left_on_disk(rig) == []
    assert rig.waiting() == []


def test_every_frame_is_in_the_bucket_bit_by_bit_and_nothing_stays_on_the_disk(
    rig: Rig, bucket: BucketPath
) -> None:
    begin(rig, bucket)
    ended = rig.run(*FAST, "--frames", str(FRAMES), "--region", "spot=9x5+3+2")
    assert ended.code == DELIVERED, ended.err + ended.out
    report = ended.report
    assert report["archive"].startswith(f"{bucket}/")
    assert (report["archive_waits_in"], report["archive_chunks_waiting"]) == (None, 0)
    rig.expect_delivered(FRAMES, FRAMES)
    expect_books_to_add_up(report)
    expect_in_bucket(rig, bucket, FRAMES)
    assert b"<html" in (BucketPath(report["archive"]) / "report.html").read_bytes()


def test_a_store_that_is_away_when_the_run_begins_is_caught_up_later(
    rig: Rig, bucket: BucketPath, gate: Gate
) -> None:
    begin(rig, bucket, gate)
    gate.shut()
    ended = rig.run(*FAST, "--frames", str(FRAMES))  # which ends long before its --drain-timeout
    report = ended.report
    assert ended.code == FRAMES_LOST, ended.err
    assert codes(report) == {"archive-waits"}
    assert [warning["code"] for warning in report["warnings"]] == ["archive-away"]
    assert report["archive_chunks_waiting"] == 6
    assert Path(report["archive_waits_in"]).is_dir()
    assert report["frames_archived"] == FRAMES
    rig.expect_delivered(FRAMES, FRAMES)
    assert rig.waiting() == []  # the stream needs nothing more
    told = json.loads(rig.finish(rig.command("spool", "--json")).out)
    [archive] = told["archives"]
    assert (archive["place"], archive["chunks"], archive["in_use"]) == (report["archive"], 6, False)
    again = rig.recover()
    assert again.code == FRAMES_LOST, again.out
    assert again.report["archives"][0]["trouble"]
    gate.open()
    back = rig.recover()
    assert back.code == DELIVERED, back.out + back.err
    assert [one["is_complete"] for one in back.report["archives"]] == [True]
    expect_in_bucket(rig, bucket, FRAMES)


def test_a_store_that_goes_away_in_the_middle_and_comes_back_has_every_frame(
    rig: Rig, bucket: BucketPath, gate: Gate
) -> None:
    begin(rig, bucket, gate)
    process = rig.start("--faulty.speed", "4", *FAST[2:], "--frames", "1800", "--json")
    assert rig.wait_until(lambda: has_shard(bucket), process)
    gate.shut()
    gone_at = rig.frames_taken
    assert rig.wait_until(lambda: rig.frames_taken > gone_at + 3 * CHUNK, process)
    gate.open()
    ended = rig.finish(process)
    assert ended.code == DELIVERED, ended.err + ended.out
    rig.expect_delivered(1800, 1800)
    expect_in_bucket(rig, bucket, 1800)


def archived_numbers(run: BucketPath) -> list[int]:
    from rheed_acquire.recording.reading import RecordedRun

    recorded = RecordedRun(run)
    assert recorded.state == "closed"
    numbers = recorded.frame_ids()
    assert numbers is not None
    assert len(recorded) == len(numbers)
    return [int(number) for number in numbers]


def test_a_killed_run_has_every_frame_in_the_bucket_once_it_is_recovered(
    rig: Rig, bucket: BucketPath, gate: Gate
) -> None:
    begin(rig, bucket, gate)
    process = rig.start(*FAST, "--region", "spot=9x5+3+2")
    assert rig.wait_until(lambda: has_shard(bucket) and rig.frames_taken > 3 * CHUNK, process)
    gate.shut()
    seen = rig.frames_taken
    assert rig.wait_until(lambda: rig.frames_taken > seen + 2 * CHUNK, process)
    process.kill()
    process.wait()
    taken = rig.frames_taken
    assert rig.recover().code == FRAMES_LOST
    gate.open()
    recovered = rig.recover()
    assert recovered.code == DELIVERED, recovered.out + recovered.err
    count = rig.expect_delivered(taken)
    expect_in_bucket(rig, bucket, count)
    assert np.isfinite(rig.archived_group()["region_mean"][:]).all()


def test_a_stream_that_cannot_be_delivered_costs_the_bucket_nothing_and_is_recovered_by_itself(
    rig: Rig, bucket: BucketPath, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("upload", Kind.STATUS, 503))
    begin(rig, bucket)
    ended = rig.run(*FAST, "--frames", str(FRAMES), "--drain-timeout", "20")
    assert ended.code == FRAMES_LOST, ended.err
    assert not ended.report["archive_waits_in"], ended.report["problems"]
    assert archived_numbers(BucketPath(ended.report["archive"])) == list(range(FRAMES))
    faulty_server.heal()
    recovered = rig.recover()
    assert recovered.code == DELIVERED, recovered.out + recovered.err
    rig.expect_delivered(FRAMES, FRAMES)
    expect_in_bucket(rig, bucket, FRAMES)


def test_a_full_disk_costs_what_waits_for_the_bucket_and_none_of_the_stream(
    tmp_path: Path, faulty_server: FaultyServer, bucket: BucketPath, gate: Gate
) -> None:
    # Where there is no shared memory the ring lies on it, too.
    with small_disk(tmp_path / "disk", "6m" if sys.platform == "linux" else "35m") as disk:
        rig = begin(Rig(tmp_path / "rig", "full disk", faulty_server, spool=disk / "spool"), bucket, gate)
        gate.shut()
        # What the archive leaves free is the stream's for seconds, in which a busy computer uploads nothing.
        limits = ("--ring-chunks", "40", "--spool-keep-free", "0.002")
        ended = rig.run("--faulty.speed", "4", *limits, "--frames", "2400")
        report = ended.report
        assert ended.code == FRAMES_LOST, ended.err
        assert (
            {"archive-waits", "not-archived"}
            <= codes(report)
            <= {"archive-waits", "not-archived", "archive-open"}
        )
        assert 0 < report["frames_archived"] < 2400
        assert (report["frames_pushed"], report["frames_overrun"]) == (2400, 0)
        expect_books_to_add_up(report)
        rig.expect_delivered(2400, 2400)
        gate.open()
        recovered = rig.recover()
        assert recovered.code == DELIVERED, recovered.out + recovered.err
        numbers = archived_numbers(BucketPath(report["archive"]))
        assert len(numbers) == len(set(numbers)) == report["frames_archived"]
        assert left_on_disk(rig) == []


def test_a_store_that_refuses_is_one_sentence_before_anything_is_begun(rig: Rig, bucket: BucketPath) -> None:
    begin(rig, bucket).variables["AWS_SECRET_ACCESS_KEY"] = "wrong-and-not-to-be-shown"
    ended = rig.run("--frames", "5")
    assert ended.code == WRONG_SETTING, ended.err
    said = ended.report["error"]
    assert said.startswith("--archive s3://")
    assert "\n" not in said
    assert "wrong-and-not-to-be-shown" not in ended.out + ended.err
    assert not rig.runs.exists() or list(rig.stored()) == []
    assert left_on_disk(rig) == []
