"""Chunks that a streamer took and gave up: however it says so, they are a loss, and counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.run.hostile_plugins import STREAMER, assert_delivered, assert_told

from rheed_acquire.findings import FindingCode
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST
from rheed_acquire.streaming.streamer import DeliveryStatus

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage

SIZES = (8, 8, 4)
"""Frames in each chunk of a run of 20 frames."""
FIELDS = ("closed", "chunks_uploaded", "chunks_failed", "chunks_not_uploaded", "bytes_uploaded", "lost")


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    lost=st.sets(st.sampled_from(range(len(SIZES)))),
    reported=st.sets(st.sampled_from(FIELDS)),
    told=st.sampled_from(("nothing", "how many", "which")),
)
def test_a_chunk_that_was_given_up_is_told_whatever_the_last_report_leaves_out(
    stage: Stage, lost: set[int], reported: set[str], told: str
) -> None:
    reasons = [(index, "the store refused it") for index in sorted(lost)]
    uploaded = len(SIZES) - len(lost)
    whole = (True, uploaded, len(lost), len(lost), 1000 * uploaded, reasons)
    report_of = {name: value for name, value in zip(FIELDS, whole, strict=True) if name in reported}
    status = DeliveryStatus(
        chunks_pushed=len(SIZES),
        chunks_uploaded=uploaded,
        chunks_failed=0 if told == "nothing" else len(lost),
        lost=tuple(reasons) if told == "which" else (),
    )
    streamer = stage.streamer(status=lambda: status, finalize=lambda: report_of or {"name": "npy"})
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    assert_delivered(report, streamer, 20)
    assert (report.chunks_uploaded, report.chunks_not_uploaded) == (uploaded, len(lost))
    assert report.exit_code == (FRAMES_LOST if lost else DELIVERED)
    assert [problem.code for problem in report.problems] == [FindingCode.CHUNKS_NOT_UPLOADED] * bool(lost)
    is_named = "lost" in reported or (told == "which")
    for problem in report.problems:
        assert ("the store refused it" in problem.text) == is_named
        frames = [SIZES[index] for index in lost] if is_named else sorted(SIZES, reverse=True)[: len(lost)]
        assert problem.frames == sum(frames)


@pytest.mark.parametrize("spool_bytes", [None, 0, 5_000])
def test_only_of_a_streamer_with_a_spool_it_is_said_that_chunks_wait_there(
    stage: Stage, spool_bytes: int | None
) -> None:
    status = DeliveryStatus(chunks_pushed=3, chunks_uploaded=2, spool_bytes=spool_bytes)
    streamer = stage.streamer(status=lambda: status, finalize=lambda: {"closed": True})
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    (problem,) = report.problems
    assert problem.code == FindingCode.CHUNKS_NOT_UPLOADED
    assert ("rheed-acquire recover" in problem.advice) == (spool_bytes is not None)


def test_what_a_report_names_as_lost_is_a_loss_though_it_counts_none(stage: Stage) -> None:
    told = {"chunks_uploaded": 3, "chunks_not_uploaded": 0, "lost": [[1, "HTTP 403"]]}
    streamer = stage.streamer(finalize=lambda: told)
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    (problem,) = report.problems
    assert problem.text == "1 chunks were not uploaded: HTTP 403"
    assert (problem.frames, report.exit_code) == (8, FRAMES_LOST)


def test_a_chunk_that_arrived_after_all_is_not_lost_by_what_was_said_before(stage: Stage) -> None:
    """`RHEEDStreamer` takes back that it gave a chunk up, where the server has it in the end."""
    status = DeliveryStatus(3, 2, 1, lost=((1, "HTTP 403"),))
    told = {"chunks_uploaded": 3, "chunks_failed": 0, "chunks_not_uploaded": 0, "lost": []}
    streamer = stage.streamer(status=lambda: status, finalize=lambda: told)
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    assert (report.problems, report.exit_code) == ([], DELIVERED)


@pytest.mark.parametrize("lost", [None, 5, (1, 2), ((1, "a", "b"),)])
def test_a_status_whose_losses_make_no_sense_is_named(stage: Stage, lost: Any) -> None:
    streamer = stage.streamer(status=lambda: DeliveryStatus(lost=lost))
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    assert_delivered(report, streamer, 20)
    assert_told(report, STREAMER, "status")


def test_losses_of_a_status_in_a_plugins_own_types_are_told(stage: Stage) -> None:
    lost: Any = [(np.int64(2), OSError("no room"))]
    streamer = stage.streamer(
        status=lambda: DeliveryStatus(3, 2, 1, lost=lost), finalize=lambda: {"chunks_uploaded": 2}
    )
    report = stage.session(stage.camera(range(20)), streamer, frames=20, ring_chunks=4).run()
    (problem,) = report.problems
    assert problem.text == "1 chunks were not uploaded: no room"
    assert problem.frames == SIZES[2]
