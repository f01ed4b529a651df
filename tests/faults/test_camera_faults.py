"""What becomes of a run, and what its report says, when the camera fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.faults.rig import Rig

FAST = ("--faulty.speed", "8", "--ring-chunks", "40", "--spool-keep-free", "0")
DELIVERED, FRAMES_LOST = 0, 3


def report_of(rig: Rig, *arguments: str, code: int) -> dict[str, Any]:
    """Make a fast run that ends with an exit code, and see that all it pushed is in the store."""
    ended = rig.run(*FAST, *arguments)
    assert ended.code == code, ended.err + ended.out
    report = ended.report
    received = report["frames_pushed"] + report["frames_overrun"] + report["frames_rejected"]
    assert report["frames_received"] == received
    rig.expect_delivered(report["frames_pushed"], report["frames_pushed"])
    assert not rig.waiting()
    return report


def test_a_gap_in_the_ids_is_counted_and_nothing_is_invented(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig, "--frames", "300", "--faulty.gap-every", "60", "--faulty.gap-length", "3", code=3
    )
    assert report["frames_pushed"] == 300
    assert report["gap_count"] == 4
    assert report["frames_dropped_by_camera"] == 12


@pytest.mark.parametrize(
    "fault",
    [
        ("--faulty.duplicate-every", "40"),
        ("--faulty.backward-every", "70", "--faulty.backward-by", "3"),
        ("--faulty.jitter-ms", "20"),
        ("--faulty.burst", "25"),
        ("--faulty.id-cycle", "100"),
    ],
    ids=["duplicate ids", "ids going back", "late frames", "bursts", "ids that wrap"],
)
def test_every_frame_is_delivered_however_the_camera_numbers_and_times_it(
    lone_rig: Rig, fault: tuple[str, ...]
) -> None:
    ended = lone_rig.run(*FAST, "--frames", "300", *fault)
    assert ended.code in (DELIVERED, FRAMES_LOST), ended.err
    assert ended.report["frames_pushed"] == 300
    assert ended.report["frames_dropped_by_camera"] == ended.report["frames_overrun"] == 0
    lone_rig.expect_delivered(300, 300)


def test_a_clock_that_wraps_costs_no_frame(lone_rig: Rig) -> None:
    # 2**31 ns: the clock begins anew every 2.1 s, three times in the run.
    ended = lone_rig.run(*FAST, "--frames", "400", "--faulty.timestamp-wrap-bits", "31")
    assert ended.code in (DELIVERED, FRAMES_LOST), ended.err
    assert ended.report["frames_pushed"] == 400
    lone_rig.expect_delivered(400, 400)


def test_a_change_of_shape_ends_the_run_and_keeps_what_came_before(lone_rig: Rig) -> None:
    report = report_of(lone_rig, "--frames", "600", "--faulty.shape-change-at", "250", code=FRAMES_LOST)
    assert report["frames_pushed"] == 250
    assert report["frames_rejected"] == 1
    assert any("shape" in problem["text"] for problem in report["problems"])


@pytest.mark.parametrize("fault", ["raise", "die", "stall", "vanish", "silent vanish"])
def test_a_camera_that_fails_once_is_opened_again_and_the_stream_goes_on(lone_rig: Rig, fault: str) -> None:
    faults = {
        "raise": ("--faulty.raise-at", "200"),
        "die": ("--faulty.die-at", "200", "--stall-timeout", "1"),
        "stall": ("--faulty.stall-at", "200", "--stall-timeout", "1"),
        "vanish": ("--faulty.vanish-at", "200", "--faulty.vanish-s", "1"),
        "silent vanish": (
            *("--faulty.vanish-at", "200", "--faulty.vanish-s", "1"),
            *("--faulty.silent", "--stall-timeout", "1"),
        ),
    }
    report = report_of(lone_rig, "--frames", "500", *faults[fault], code=FRAMES_LOST)
    assert report["frames_pushed"] == 500
    assert any("away" in problem["text"] for problem in report["problems"])


def test_a_stall_shorter_than_the_time_out_is_only_a_pause(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig,
        *("--frames", "300", "--faulty.stall-at", "150", "--faulty.stall-s", "0.7", "--stall-timeout", "20"),
        code=DELIVERED,
    )
    assert report["frames_pushed"] == 300


def test_a_camera_that_never_comes_back_ends_the_run_with_all_it_gave(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig, "--frames", "500", "--faulty.vanish-at", "200", "--reconnect-timeout", "2", code=FRAMES_LOST
    )
    assert report["frames_pushed"] == 200
    assert any("did not come back" in problem["text"] for problem in report["problems"])


def test_a_camera_that_vanishes_again_and_again_loses_no_frame_it_gave(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig,
        *("--frames", "700", "--faulty.vanish-at", "150", "--faulty.vanish-every", "200"),
        *("--faulty.vanish-s", "0.3"),
        code=FRAMES_LOST,
    )
    assert report["frames_pushed"] == 700
    assert sum("away" in problem["text"] for problem in report["problems"]) == 3


def test_a_camera_that_fails_as_soon_as_it_is_opened_has_not_come_back(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig,
        *("--frames", "500", "--faulty.raise-at", "200", "--faulty.raise-again"),
        *("--reconnect-timeout", "2", "--duration", "20"),
        code=FRAMES_LOST,
    )
    assert report["frames_pushed"] == 200
    assert any("made to fail" in problem["text"] for problem in report["problems"])
    assert any("did not come back" in problem["text"] for problem in report["problems"])
    assert len(report["events"]) < 50


def test_a_camera_that_hangs_when_it_is_stopped_does_not_hold_the_run_up(lone_rig: Rig) -> None:
    report = report_of(
        lone_rig,
        *("--frames", "400", "--faulty.vanish-at", "200", "--faulty.vanish-s", "0.5"),
        *("--faulty.hang-s", "3600"),
        code=FRAMES_LOST,
    )
    assert report["frames_pushed"] == 400
    assert any("left behind" in event["text"] for event in report["events"])


@pytest.mark.parametrize(
    ("fault", "code", "frames"),
    [
        (("--faulty.raise-at", "100", "--faulty.raise-again"), "camera-not-back", 100),
        (("--faulty.stall-at", "100"), "silent-end", 100),
        (("--faulty.die-at", "100"), "silent-end", 100),
        (("--faulty.raise-at", "1", "--faulty.raise-again"), "camera-not-back", 1),
    ],
    ids=["fails again and again", "falls silent", "its thread dies", "fails after one frame"],
)
def test_a_camera_that_is_not_there_when_the_duration_is_over_is_told_of(
    lone_rig: Rig, fault: tuple[str, ...], code: str, frames: int
) -> None:
    ended = lone_rig.run("--spool-keep-free", "0", "--fps", "100", "--duration", "4", *fault)
    assert ended.code == FRAMES_LOST, ended.err
    (problem,) = ended.report["problems"]
    assert (problem["code"], ended.report["frames_pushed"]) == (code, frames)
    (stretch,) = ended.report["stretches"]
    assert problem["frames"] == stretch["frames"] > 0
    assert ended.report["frames_absent"] == stretch["frames"]


def test_frames_that_come_ever_later_than_the_rate_promises_are_told_of(lone_rig: Rig) -> None:
    # Numbered without a gap, and by the camera's clock as fast as declared.
    slow = ("--faulty.speed", "0.25", "--spool-keep-free", "0")
    ended = lone_rig.run(*slow, "--fps", "100", "--duration", "6")
    assert ended.code == FRAMES_LOST, ended.err
    (problem,) = ended.report["problems"]
    assert problem["code"] == "late-frames"
    came = ended.report["frames_received"]
    assert problem["frames"] == ended.report["frames_absent"] == pytest.approx(600 - came, abs=100)
    lone_rig.expect_delivered(came, came)


def test_frames_that_come_ever_later_are_no_loss_where_all_that_were_asked_for_have_come(
    lone_rig: Rig,
) -> None:
    slow = ("--faulty.speed", "0.25", "--spool-keep-free", "0")
    ended = lone_rig.run(*slow, "--fps", "100", "--frames", "120")
    assert ended.code == DELIVERED, ended.err
    assert [warning["code"] for warning in ended.report["warnings"]] == ["slower-than-declared"]
    lone_rig.expect_delivered(120, 120)


def test_frames_that_come_sooner_than_any_queue_explains_are_of_a_faster_camera_whatever_its_clock_says(
    lone_rig: Rig,
) -> None:
    fast = ("--faulty.speed", "1.5", "--spool-keep-free", "0")
    ended = lone_rig.run(*fast, "--fps", "100", "--duration", "8")
    assert ended.code == DELIVERED, ended.err
    told = {warning["code"]: warning["text"] for warning in ended.report["warnings"]}
    assert told.keys() == {"camera-clock", "faster-than-declared"}
    # By arrivals, of which the first may have waited on a busy computer.
    (pace,) = re.findall(r"it counts (\S+) s in a second", told["camera-clock"])
    assert float(pace) == pytest.approx(1.5, rel=0.1)
    assert ended.report["fps_measured"] == pytest.approx(150, rel=0.1)
    assert "more than the 100 that the run declares" in ended.err  # while it goes on
