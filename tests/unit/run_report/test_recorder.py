"""What the recorder makes of a run's chunks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.run_report.conftest import START_MS, run_report

from rheed_acquire.frames.ring import NO_TIMESTAMP, Chunk, Gap
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.run.report import Stretch
from rheed_acquire.run_report import recorder as recorder_module
from rheed_acquire.run_report.recorder import RunRecorder
from rheed_acquire.settings.sources import load_settings

PERIOD_NS = 10_000_000


def make_recorder(tmp_path: Path, *flags: str, **environ: str) -> RunRecorder:
    host = PluginHost(sources=[])
    settings = load_settings([f"--output={tmp_path / 'runs'}", *flags], host, environ, tmp_path)
    return RunRecorder(host, settings, settings.run)


def chunk(index: int, ids: list[int], **more: Any) -> Chunk:
    stamps = np.array(ids, np.int64) * PERIOD_NS
    frames = np.full((len(ids), 24, 32), index, np.uint8)
    start = START_MS + ids[0] * PERIOD_NS / 1e6
    return Chunk(
        index,
        frames,
        np.array(ids, np.int64),
        stamps,
        stamps + 5,
        capture_start_ms_utc=start,
        since_ns=stamps - stamps[0],
        **more,
    )


def read_report(tmp_path: Path) -> dict[str, Any]:
    (file,) = tmp_path.glob("runs/*/report.json")
    report: dict[str, Any] = json.loads(file.read_bytes())
    return report


def test_the_report_says_what_the_chunks_stamps_say(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, "--stream-name=Growth 42")
    report = run_report(frames_received=550, frames_pushed=550)
    recorder.notify("rheed_run_started", run=report.info)
    recorder.notify(
        "rheed_chunk_completed",
        run=report.info,
        chunk=chunk(0, [*range(100), *range(110, 310)], gaps=(Gap(100, 100, 10),)),
    )
    recorder.notify(
        "rheed_chunk_completed", run=report.info, chunk=chunk(1, [*range(310, 560)], after_overrun=True)
    )
    outcome = recorder.finish(report, 0)
    known = read_report(tmp_path)
    assert known["run"] == outcome.figures
    assert known["made_from"] == "run"
    assert outcome.report is not None
    assert outcome.report.name == "report.html"
    assert known["frames"] == 550
    assert (known["first_utc_ms"], known["last_utc_ms"]) == (START_MS, START_MS + 5590)
    assert known["losses"] == [
        {"utc_ms": START_MS + 1100, "kind": "gap", "missing": 10, "seconds": None},
        {"utc_ms": START_MS + 3100, "kind": "overrun", "missing": None, "seconds": None},
    ]
    rate = known["rate"]
    assert sum(rate["frames"]) == 550 - 2, "the steps within the chunks"
    assert sum(rate["seconds"]) == pytest.approx(3.09 + 2.49)
    assert [picture["frame"] for picture in known["thumbnails"]] == [0, 300]
    assert "growth-42" in outcome.report.parent.name


def test_a_camera_without_a_clock_is_measured_by_arrivals(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    report = run_report()
    plain = chunk(0, list(range(200)))
    plain.timestamps_ns[:] = NO_TIMESTAMP
    recorder.notify("rheed_chunk_completed", run=report.info, chunk=plain)
    recorder.finish(report, 0)
    rate = read_report(tmp_path)["rate"]
    assert sum(rate["frames"]) / sum(rate["seconds"]) == pytest.approx(100.0)


def test_what_was_set_is_in_the_report_from_the_beginning_and_secrets_never(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, "--fps=30", AS_API_KEY="s3cr3t-W0rd")
    recorder.notify("rheed_run_started", run=run_report().info)
    known = read_report(tmp_path)
    assert (known["made_from"], known["run"]) == ("beginning", None)
    assert {"key": "fps", "value": "30", "source": "--fps"} in known["settings"]
    assert known["versions"]["Python"]
    assert known["camera"]["firmware"] == "1.2.3"
    recorder.finish(run_report(), 0)
    for file in tmp_path.glob("runs/*/*"):
        assert b"s3cr3t-W0rd" not in file.read_bytes()


def test_settings_that_a_start_changed_name_who_started_as_their_source(tmp_path: Path) -> None:
    host = PluginHost(sources=[])
    settings = load_settings([f"--output={tmp_path / 'runs'}", "--stream-name=first"], host, {}, tmp_path)
    chosen = settings.run.model_copy(update={"stream_name": "second"})
    RunRecorder(host, settings, chosen, changed_by="interface").finish(run_report(), 0)
    known = read_report(tmp_path)
    assert known["name"] == "second"
    assert {"key": "stream_name", "value": "second", "source": "interface"} in known["settings"]


def test_a_report_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    recorder = make_recorder(tmp_path)
    report = run_report(frames_received=1, frames_pushed=1)
    recorder.notify("rheed_run_started", run=report.info)
    outcome = recorder.finish(report, 0)
    assert outcome.report is None
    assert outcome.figures["report"] is None
    (warning,) = outcome.figures["warnings"]
    assert warning["text"].startswith(f"no report was written in {tmp_path / 'runs'}")
    assert outcome.figures["exit_code"] == 0


def test_an_archive_that_takes_no_report_costs_the_recording_none(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    report = run_report()
    report.info = replace(
        report.info, output=tmp_path / "runs" / "growth", archive=tmp_path / "away" / "growth"
    )
    outcome = recorder.finish(report, 0)
    (warning,) = outcome.figures["warnings"]
    assert warning["text"].startswith(f"no report was written in {tmp_path / 'away'}")
    assert outcome.report == tmp_path / "runs" / "growth" / "report.html"
    assert outcome.report.is_file()
    assert read_report(tmp_path)["run"] == outcome.figures
    assert not (tmp_path / "away").exists()


def test_stretches_beyond_those_that_are_listed_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "LISTED_LOSSES", 2)
    recorder = make_recorder(tmp_path)
    report = run_report()
    report.stretches = tuple(Stretch(report.ended_utc, 1.0, number, "silent") for number in range(5))
    recorder.finish(report, 0)
    made = read_report(tmp_path)
    assert [loss["missing"] for loss in made["losses"]] == [0, 1]
    assert made["losses_left_out"] == 3


def test_a_recorder_that_fails_costs_the_run_nothing_but_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(frame: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(recorder_module, "shrunk", fail)
    recorder = make_recorder(tmp_path)
    report = run_report()
    for index in range(3):
        recorder.notify("rheed_chunk_completed", run=report.info, chunk=chunk(index, list(range(10))))
    assert "MemoryError: no room" in recorder.finish(report, 0).figures["warnings"][0]["text"]


def test_a_data_id_with_a_path_in_it_stays_below_the_output(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    report = run_report()
    object.__setattr__(report.info, "data_id", "../../../etc/x")
    outcome = recorder.finish(report, 0)
    assert outcome.report is not None
    assert outcome.report.resolve().parent.parent == (tmp_path / "runs").resolve()
