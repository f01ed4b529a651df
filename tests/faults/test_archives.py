"""Archives on disks that fail beside streams that go on, and streams that fail beside archives that do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.faults.disks import enlarge, slow_disk, small_disk
from tests.faults.rig import Rig

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer

FAST = ("--faulty.speed", "8", "--ring-chunks", "40", "--spool-keep-free", "0")
CHUNK = 120
DELIVERED, FRAMES_LOST = 0, 3


def codes(report: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in report["problems"]}


def expect_books_to_add_up(report: dict[str, Any]) -> None:
    lost = report["frames_overrun"] + report["frames_rejected"]
    in_archive = report["frames_archived"] + report["frames_not_archived"]
    assert report["frames_received"] == in_archive + lost
    assert report["frames_received"] == report["frames_pushed"] + report["frames_not_taken"] + lost


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12", "Mono12p", "RGB8"])
def test_every_frame_is_in_the_stream_and_in_the_archive_bit_by_bit(rig: Rig, pixel_format: str) -> None:
    rig.pixel_format, rig.archive = pixel_format, rig.folder / "archive"
    ended = rig.run(*FAST, "--frames", "700")
    assert ended.code == DELIVERED, ended.err + ended.out
    rig.expect_delivered(700, 700)
    rig.expect_archived(700)
    expect_books_to_add_up(ended.report)


def test_a_full_archive_disk_costs_the_stream_no_frame(tmp_path: Path, faulty_server: FaultyServer) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        rig = Rig(tmp_path / "rig", "full archive", faulty_server)
        rig.pixel_format, rig.archive = "Mono12", disk / "archive"
        ended = rig.run(*FAST, "--frames", "2400")
        assert ended.code == FRAMES_LOST, ended.err
        report = ended.report
        assert codes(report) <= {"not-archived", "archive-open", "no-report"}
        assert "not-archived" in codes(report)
        assert 0 < report["frames_archived"] < 2400
        assert (report["frames_pushed"], report["frames_overrun"]) == (2400, 0)
        expect_books_to_add_up(report)
        rig.expect_delivered(2400, 2400)
        enlarge(disk, "30m")
        recovered = rig.recover()
        assert recovered.code == DELIVERED, recovered.out + recovered.err
        assert rig.archived().shape[0] == report["frames_archived"]
        assert rig.waiting() == []


def test_a_full_archive_disk_ends_the_run_where_that_is_wanted(
    tmp_path: Path, faulty_server: FaultyServer
) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        rig = Rig(tmp_path / "rig", "full archive", faulty_server)
        rig.pixel_format, rig.archive = "Mono12", disk / "archive"
        ended = rig.run(*FAST, "--archive-full", "stop", "--duration", "120")
        assert ended.code == FRAMES_LOST, ended.err
        assert {"ended-early", "not-archived"} <= codes(ended.report)
        expect_books_to_add_up(ended.report)
        rig.expect_delivered(ended.report["frames_pushed"], ended.report["frames_pushed"])


def test_a_slow_archive_disk_costs_the_stream_no_frame_and_says_what_it_missed(rig: Rig) -> None:
    rig.pixel_format, rig.archive = "Mono12", rig.folder / "archive"
    rig.variables = slow_disk(rig.folder, rig.archive, wait_ms=100)
    speed = ("--faulty.speed", "4", "--ring-chunks", "8", "--spool-keep-free", "0")
    ended = rig.run(*speed, "--drain-timeout", "250", "--frames", "2400")
    report = ended.report
    rig.expect_delivered(2400, 2400)
    assert (report["frames_pushed"], report["frames_overrun"]) == (2400, 0)
    expect_books_to_add_up(report)
    missed = report["frames_not_archived"]
    assert ended.code == (FRAMES_LOST if missed else DELIVERED), ended.err
    assert codes(report) == ({"not-archived"} if missed else set())
    why = "its disk is slower than the camera: compressing takes"
    assert all(why in problem["text"] for problem in report["problems"])
    numbers = rig.expect_originals()
    assert len(numbers) == report["frames_archived"] >= 8 * CHUNK
    whole_chunks = numbers.reshape(-1, CHUNK)
    assert (whole_chunks == whole_chunks[:, :1] + range(CHUNK)).all()


def test_an_archive_disk_that_goes_away_and_comes_back_misses_what_came_meanwhile(rig: Rig) -> None:
    rig.pixel_format, rig.archive = "Mono12", rig.folder / "archive"
    elsewhere = rig.folder / "elsewhere"
    process = rig.start(*FAST, "--frames", "3600", "--json")
    assert rig.wait_until(lambda: rig.frames_taken > 3 * CHUNK, process)
    rig.archive.rename(elsewhere)
    rig.archive.write_text("a file where the disk was")
    gone_at = rig.frames_taken
    assert rig.wait_until(lambda: rig.frames_taken > gone_at + 6 * CHUNK, process)
    rig.archive.unlink()
    elsewhere.rename(rig.archive)
    ended = rig.finish(process)
    report = ended.report
    assert ended.code == FRAMES_LOST, ended.err
    assert codes(report) == {"not-archived"}
    assert 0 < report["frames_not_archived"] < 3600
    assert report["frames_archived"] > 0
    expect_books_to_add_up(report)
    rig.expect_delivered(3600, 3600)


def test_an_archive_whose_disk_is_unmounted_is_completed_once_it_is_mounted_again(rig: Rig) -> None:
    rig.pixel_format, rig.archive = "Mono12p", rig.folder / "archive"
    elsewhere = rig.folder / "elsewhere"
    process = rig.start("--faulty.speed", "2", *FAST[2:], "--frames", "1800", "--json")
    archive = rig.archive
    assert rig.wait_until(lambda: list(archive.glob("*/frames.zarr/frames/zarr.json")), process)
    rig.archive.rename(elsewhere)
    rig.archive.mkdir()  # where it was mounted
    ended = rig.finish(process)
    report = ended.report
    assert ended.code == FRAMES_LOST, ended.err
    assert codes(report) == {"not-archived", "archive-open"}
    assert any("not there at present" in warning["text"] for warning in report["warnings"])
    expect_books_to_add_up(report)
    rig.expect_delivered(1800, 1800)
    assert list(rig.archive.iterdir()) == []
    away = rig.recover()
    assert away.code == FRAMES_LOST, away.out
    assert list(rig.archive.iterdir()) == []
    rig.archive.rmdir()
    elsewhere.rename(rig.archive)
    back = rig.recover()
    assert back.code == DELIVERED, back.out + back.err
    # The chunk at the moment when the disk goes may be on it, and not be counted: nobody could see any more.
    assert 0 <= len(rig.expect_originals()) - report["frames_archived"] <= CHUNK
    assert rig.waiting() == []


def test_a_spool_and_a_server_that_take_nothing_cost_the_archive_no_frame(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("upload", Kind.STATUS, 503))
    rig.pixel_format, rig.archive = "Mono12", rig.folder / "archive"
    limits = ("--spool-limit", "0.0005", "--spool-full", "drop", "--ring-chunks", "8")
    ended = rig.run("--faulty.speed", "1", *limits, "--drain-timeout", "2", "--frames", "1800")
    report = ended.report
    assert ended.code == FRAMES_LOST, ended.err
    assert report["frames_not_taken"] > 0
    assert (report["frames_archived"], report["frames_overrun"]) == (1800, 0)
    expect_books_to_add_up(report)
    rig.expect_archived(1800)


def test_what_a_killed_run_had_not_archived_is_archived_once_the_disk_is_there_again(
    rig: Rig, faulty_server: FaultyServer
) -> None:
    from hardware_mocks.faulty_server import Kind, Rule

    faulty_server.add(Rule("upload", Kind.STATUS, 503))
    rig.pixel_format, rig.archive = "Mono12p", rig.folder / "archive"
    process = rig.start(*FAST, "--region", "spot=9x5+3+2")
    assert rig.wait_until(lambda: rig.frames_taken > 5 * CHUNK and rig.archiving("chunks.jsonl"), process)
    process.kill()
    process.wait()
    faulty_server.heal()
    taken, elsewhere = rig.frames_taken, rig.folder / "elsewhere"
    rig.archive.rename(elsewhere)
    first = rig.recover()
    assert first.code == FRAMES_LOST, first.out
    assert "is not there" in first.report["streams"][0]["archive_trouble"]
    count = rig.expect_delivered(taken)
    elsewhere.rename(rig.archive)
    again = rig.recover()
    assert again.code == DELIVERED, again.out + again.err
    rig.expect_delivered(count, count)
    rig.expect_archived(count)
    assert np.isfinite(rig.archived_group()["region_mean"][:]).all()
    assert rig.waiting() == []
