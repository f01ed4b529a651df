"""What the report draws and says where no frames came."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.run_report.conftest import START_MS, record, run_report

from rheed_acquire.findings import ABSENCES, Finding, FindingCode
from rheed_acquire.run_report.facts import facts
from rheed_acquire.run_report.plots import Plot, happenings, plots, region_strips
from rheed_acquire.run_report.record import LossRecord, RateRecord, RegionRecord, RunRecord, TraceRecord


def with_trace(utc_ms: list[float], **more: object) -> RunRecord:
    count = len(utc_ms)
    level = [100.0] * count
    trace = TraceRecord(utc_ms=utc_ms, low=level, mean=level, high=level, maximum=[200] * count)
    region = {"name": "spot", "x": 0, "y": 0, "width": 2, "height": 2, "frames": count, "trace": trace}
    known = {"first_utc_ms": utc_ms[0], "last_utc_ms": utc_ms[-1], "frames": count}
    return record(**{**known, "regions": [RegionRecord.model_validate(region)], **more})


def lines_over(plot: Plot, since_s: float, until_s: float) -> int:
    """How many of a plot's curves lead a line over a time, from a value before it to one after it."""
    return sum(
        before <= since_s and after >= until_s and None not in values
        for curve in plot.curves
        for (before, after), values in zip(pairwise(curve.seconds), pairwise(curve.values), strict=True)
    )


@given(
    fps=st.floats(1, 1000),
    before=st.integers(3, 50),
    after=st.integers(1, 50),
    gap_s=st.floats(1, 3600),
)
def test_no_line_leads_over_a_time_without_frames(fps: float, before: int, after: int, gap_s: float) -> None:
    gap_s = max(gap_s, 6 / fps)
    last_s = (before - 1) / fps
    stamps = [number / fps for number in range(before)]
    stamps += [last_s + gap_s + number / fps for number in range(after)]
    made = with_trace(
        [START_MS + 1e3 * at for at in stamps],
        rate=RateRecord(
            utc_ms=[START_MS, START_MS + 1e3 * (last_s + gap_s)],
            frames=[before, after],
            seconds=[last_s, (after - 1) / fps],
        ),
    )
    drawn = [*(plot for _, plot in region_strips(made)), *plots(made)]
    assert {plot.key for plot in drawn} >= {"region-0", "maximum"}
    for plot in drawn:
        assert lines_over(plot, last_s + 0.01, last_s + gap_s - 0.01) == 0
        for color, path in plot.polylines:
            assert color
            assert path.count("M") == 2 or plot.key == "rate"
    # And it is seen as such, from the last frame before to the first after.
    (gap,) = drawn[0].gaps
    assert gap == pytest.approx((last_s, last_s + gap_s), abs=2e-4)


@given(st.integers(2, 300), st.floats(0.5, 1000), st.floats(0, 0.9))
def test_an_even_trace_is_one_line_however_uneven_its_arrivals(
    count: int, fps: float, unevenness: float
) -> None:
    stamps = [START_MS + 1e3 * (number + unevenness * (number % 2)) / fps for number in range(count)]
    ((_, plot),) = region_strips(with_trace(stamps))
    assert None not in plot.curves[0].values
    assert plot.gaps == []


def away(seconds: float, missing: int) -> LossRecord:
    return LossRecord(utc_ms=START_MS + 1000, kind="away", missing=missing, seconds=seconds)


def test_a_time_without_frames_at_the_end_belongs_to_the_axis_and_to_the_time_line() -> None:
    made = with_trace([START_MS, START_MS + 500, START_MS + 1000], losses=[away(9.0, 450)])
    ((_, plot),) = region_strips(made)
    assert plot.last_s == pytest.approx(10.0)
    assert plot.gaps == [(1.0, 10.0)]
    (mark,) = happenings(made, [])
    assert mark.x == pytest.approx(100)
    assert mark.width == pytest.approx(900)
    assert mark.text == "no frame for 9 s, about 450 by the declared rate"


def test_the_headline_tells_how_many_frames_the_rate_would_have_given() -> None:
    problem = Finding(FindingCode.CAMERA_AWAY, "the camera was away for 8.0 s", 400)
    lost = dict(facts(record(run=run_report(problems=[problem]).as_json())))["frames lost"]
    assert "about 400 while the camera was away, silent or late" in lost
    assert "about" not in dict(facts(record(run=run_report().as_json())))["frames lost"]


@pytest.mark.parametrize("code", FindingCode)
def test_only_what_nobody_has_counted_is_an_estimate(code: FindingCode) -> None:
    report = run_report(problems=[Finding(code, "", 7)])
    assert report.frames_absent == (7 if code in ABSENCES else 0)
    assert report.ended_utc <= datetime.now(UTC)
