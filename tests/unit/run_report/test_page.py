"""``report.html``: whole without a network, and whatever a run's names are, text."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.run_report.conftest import START_MS, record, run_report

from rheed_acquire.findings import Finding, FindingCode
from rheed_acquire.run_report.facts import both_times
from rheed_acquire.run_report.page import render
from rheed_acquire.run_report.plots import channel_strips
from rheed_acquire.run_report.record import (
    ChannelRecord,
    LossRecord,
    MarkRecord,
    RegionRecord,
    RunRecord,
    SettingRecord,
    ThumbnailRecord,
    TraceRecord,
)
from rheed_acquire.run_report.thumbnails import Thumbnail, contrast, stretched
from rheed_acquire.text.printable_text import printable

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "]]>",
    "\u2028\u0000\u202e&amp;",
)


class Page(HTMLParser):
    """What a browser would make of the page: its elements, in order, and all of its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.code: list[tuple[str, str]] = []
        self.policy = ""
        self.text = ""
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        values = dict(attrs)
        self.links += [str(values[name]) for name in ("src", "href", "action", "data") if name in values]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self._open = "data" if values.get("type") == "application/json" else tag
        if self._open in ("script", "style"):
            self.code.append((self._open, ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style"):
            kind, before = self.code[-1]
            self.code[-1] = (kind, before + data)
        else:
            self.text += data


def named(name: str) -> RunRecord:
    """A run in which everything that somebody else can name is named like this."""
    report = run_report(
        frames_received=40,
        frames_pushed=39,
        frames_overrun=1,
        problems=[Finding(FindingCode.CAMERA_CALL, name, None, name)],
        warnings=[Finding(FindingCode.SLOWER, name)],
        delivery={"closed": True, "lost": [(3, name)], name: name},
        camera_statistics={name: 1},
    )
    run = report.as_json()
    run["events"] = [{"time_utc": "2023-11-14T22:13:21Z", "text": name}]
    run["camera_device"]["model"] = name
    region = {"name": name, "x": 1, "y": 2, "width": 3, "height": 4, "frames": 2, "mean": 1.0, "lowest": 0.5}
    trace = TraceRecord(utc_ms=[START_MS, START_MS + 1], low=[0, 1], mean=[1, 2], high=[3, 4], maximum=[5, 6])
    return record(
        name=name,
        data_id=name,
        run=run,
        settings=[SettingRecord(key=name, value=name, source=name)],
        versions={name: name},
        losses=[LossRecord(utc_ms=START_MS, kind="gap", missing=2)],
        marks=[MarkRecord(time_unix_ms=START_MS + 1, text=name, value=1.0, unit=name)],
        regions=[RegionRecord.model_validate(region | {"highest": 2.0, "brightest": 9, "trace": trace})],
    )


PICTURE = Thumbnail(ThumbnailRecord(frame=7, utc_ms=START_MS), np.zeros((4, 6), np.uint8))


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.sampled_from(HOSTILE))
@example(HOSTILE[0])
@example(HOSTILE[1])
@example(HOSTILE[2])
@example(HOSTILE[3])
def test_a_name_is_text_and_changes_no_element_of_the_page(name: str) -> None:
    ordinary, page = Page(render(named("growth"), [PICTURE])), Page(render(named(name), [PICTURE]))
    assert page.elements == ordinary.elements
    assert page.code == ordinary.code
    assert page.policy == ordinary.policy
    if name.strip() and not set("\r\0") & set(name):  # HTML has no spelling for these two
        assert printable(name) in page.text


def test_the_page_asks_for_nothing_and_runs_only_its_own_code() -> None:
    page = Page(render(named("growth"), [PICTURE]))
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert page.policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in page.policy
    assert {kind for kind, _ in page.code} >= {"style"}
    for kind, text in page.code:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        (allowed,) = re.findall(rf"{kind}-src ([^;]*)", page.policy)
        assert f"'sha256-{digest}'" in allowed
        assert not re.search(r"@import|url\((?!data:)", text)


def test_without_a_script_there_are_still_curves_and_figures() -> None:
    page = render(named("growth"), [])
    assert re.search(r'<path d="M0\.0 [\d.]+L', page)
    assert "3 x 4 at (1, 2)" in page
    assert "none found" in page


def test_a_run_with_losses_says_so_first_and_marks_where() -> None:
    text = render(named("the ring was full"), [])
    assert '<p class="verdict bad"><strong>incomplete</strong>' in text
    assert '<line class="gap" x1="0.0"' in text
    assert "2 frames lost by the camera" in text


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "delivered"), (1, "failed"), (3, "incomplete"), (130, "interrupted"), (7, "exit code 7")],
)
def test_the_verdict_is_that_of_the_exit_code(code: int, verdict: str) -> None:
    known = record()
    assert known.run is not None
    page = Page(render(known.model_copy(update={"run": known.run | {"exit_code": code}}), []))
    assert verdict in page.text


@pytest.mark.parametrize(("made_from", "word"), [("beginning", "not ended"), ("recording", "recorded")])
def test_what_is_not_known_is_called_unknown(made_from: str, word: str) -> None:
    page = Page(render(record(run=None, made_from=made_from, first_utc_ms=None), []))
    assert word in page.text
    assert "Unknown: the run has left no report of it." in page.text
    assert "frames lostunknown" in page.text.replace("\n", "")


def test_what_other_instruments_said_is_drawn_over_the_time_of_the_frames() -> None:
    pressure = ChannelRecord(
        name="pressure",
        unit="mbar",
        readings=4,
        utc_ms=[START_MS + at for at in (-1000.0, 0.0, 1000.0, 9000.0)],
        low=[1e-9, 2e-9, 3e-9, 4e-9],
        mean=[1e-9, 2e-9, 3e-9, 4e-9],
        high=[1e-9, 2e-9, 3e-9, 4e-9],
    )
    late = ChannelRecord(name="late", utc_ms=[START_MS + 9000.0], low=[1.0], mean=[1.0], high=[1.0])
    known = record(channels=[ChannelRecord(name="silent", failed=3), pressure, late])
    ((_, plot),) = channel_strips(known)
    assert (plot.title, plot.unit) == ("pressure", "mbar")
    assert list(plot.curves[0].values) == [
        2e-9,
        3e-9,
        None,
    ]  # before the first frame and after the last is none
    assert 1e-9 < plot.low < 2e-9 < 3e-9 < plot.high < 4e-9
    text = Page(render(known, [])).text
    assert "pressure" in text
    assert "silent: nothing while frames came, 3 failed" in text


def test_times_are_those_of_the_wall_and_beside_them_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert both_times("2026-01-02T03:04:05Z", berlin) == "2026-01-02 04:04:05 (UTC+01:00), 03:04:05 UTC"
    india = timezone(timedelta(hours=5, minutes=30))
    assert both_times("2026-01-02T23:04:05Z", india) == "2026-01-03 04:34:05 (UTC+05:30), 23:04:05 UTC"
    assert both_times("2026-01-02T03:04:05Z", UTC) == "2026-01-02 03:04:05 UTC"
    assert both_times(None) == "unknown"
    assert both_times("yesterday") == "yesterday"


def test_pictures_have_one_contrast_and_the_page_says_which() -> None:
    dark = np.full((20, 20), 10, np.uint8)
    bright = np.full((20, 20), 60, np.uint8)
    pictures = [
        Thumbnail(ThumbnailRecord(frame=at, utc_ms=START_MS), one) for at, one in enumerate((dark, bright))
    ]
    assert contrast(pictures) == (10, 60)
    assert stretched(dark, 10, 60).max() == 0
    assert stretched(bright, 10, 60).min() == 255
    assert "of 255 gray levels 10 is shown black, 60 white" in Page(render(named("growth"), pictures)).text


def test_a_page_shows_a_few_pictures_of_many_the_first_and_the_last_among_them() -> None:
    pictures = [Thumbnail(ThumbnailRecord(frame=at, utc_ms=START_MS), PICTURE.pixels) for at in range(48)]
    shown = re.findall(r'alt="Frame (\d+)"', render(record(), pictures))
    assert len(shown) == 8
    assert (shown[0], shown[-1]) == ("0", "47")
    assert len(re.findall("<img", render(record(), pictures[:3]))) == 3


def test_captions_are_what_was_measured_and_no_axis() -> None:
    text = Page(render(named("growth"), [])).text
    assert "mean 1.00, from 0.50 to 2.00; brightest pixel 9" in text
    assert "gray level, 0 to" not in text
