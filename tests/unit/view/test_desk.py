"""Which requests for runs are granted, whatever is asked, how often, and whenever runs begin and end."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rheed_acquire import CameraInfo, DeviceInfo
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.recording.marks import read_marks
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.run.marks import RunMarks
from rheed_acquire.run.progress import Progress
from rheed_acquire.run.report import Journal, RunInfo, RunReport
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.asked_runs import AskedRun
from rheed_acquire.view.conditions import Watch
from rheed_acquire.view.desk import Desk
from rheed_acquire.view.refusal import RefusedRequestError

ORIGIN = "through the interface, from 127.0.0.1:1"
CAMERA = CameraInfo(DeviceInfo(backend="simulated", serial="1", model="one"), 32, 24, "Mono8", 50.0)
SPOT = Region(name="spot", x=0, y=0, width=2, height=2)
KEYS = st.none() | st.sampled_from(["a", "b", "c"])


def run_info(number: int) -> RunInfo:
    return RunInfo(f"id-{number}", CAMERA, 50.0, 0.0, 100, datetime.now(UTC))


class Going:
    """What the desk sees of an acquisition."""

    def __init__(self) -> None:
        self.journal, self.marks, self.stopped = Journal(), RunMarks(), False
        self.source, self.tap = CAMERA, FrameTap([SPOT])

    def stop(self) -> None:
        self.stopped = True


class DeskMachine(RuleBasedStateMachine):
    """A desk, and a thread that attends runs as the command's does."""

    def __init__(self) -> None:
        super().__init__()
        self.place = TemporaryDirectory()
        self.desk = Desk(RunSettings(camera="simulated", stream_name="own"))
        self.begun: list[AskedRun] = []
        self.created: set[str] = set()
        self.of_key: dict[str, tuple[str, str]] = {}
        self.kept: dict[str, list[str]] = {}
        self.follow(None)

    def teardown(self) -> None:
        self.place.cleanup()

    def follow(self, run: AskedRun | None) -> None:
        self.going = Going()
        if run is None:
            self.preview = self.going
        self.desk.follow(self.going, run)  # type: ignore[arg-type]
        if run is not None:
            assert run not in self.begun, "a run began twice"
            self.begun.append(run)

    @property
    def goes_on(self) -> bool:
        return self.desk.going is not None and not self.desk.going.is_over

    def folder(self, name: str) -> Path:
        folder = Path(self.place.name, name)
        folder.mkdir(exist_ok=True)
        return folder

    def standing(self) -> tuple[AskedRun | None, AskedRun | None, bool, int]:
        """What a request may change."""
        return self.desk.going, self.desk.next_run, self.going.stopped, len(self.going.marks)

    def ask(self, key: str | None, **question: Any) -> tuple[int, dict[str, Any]] | None:
        """Ask; None where it was refused. One key is one thing, done once."""
        before = self.standing()
        refused: RefusedRequestError | None = None
        what = repr(sorted(question.items()))
        try:
            status, body, replayed = self.desk.answer({**question, "key": key, "at_ns": 0}, ORIGIN)
        except RefusedRequestError as error:
            refused = error
        if refused is not None:
            assert refused.status in (404, 409, 422, 507)
            assert refused.body["error"]
            assert self.standing() == before
            if key in self.of_key and self.of_key[key][0] != what:
                assert refused.code == "key-reused"
            return None
        assert replayed == (key in self.of_key)
        if replayed:
            assert key is not None
            assert self.of_key[key] == (what, body["run"])
            assert self.standing() == before
            return None
        if key is not None:
            self.of_key[key] = (what, body["run"])
        return status, body

    @rule(key=KEYS, name=st.none() | st.sampled_from(["x", "y"]))
    def start(self, key: str | None, name: str | None) -> None:
        going, waiting = self.desk.going, self.desk.next_run
        free = waiting is None and (
            going is None or going.is_over or going.is_stopped or going.phase == "ending"
        )
        granted = self.ask(key, do="start", settings={} if name is None else {"stream_name": name})
        if granted is None:
            return
        assert free
        _, body = granted
        assert body["phase"] == "waiting"
        assert body["stream_name"] == (name or "own")
        assert body["run"] not in self.created
        self.created.add(body["run"])

    @rule(key=KEYS)
    def stop(self, key: str | None) -> None:
        granted = self.ask(key, do="stop")
        if granted is not None:
            assert granted[1]["phase"] in ("failed", "starting", "recording", "ending")
            assert granted[1]["phase"] == "failed" or (self.desk.has_stopped and self.going.stopped)

    @rule(data=st.data())
    def stop_by_name(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.created)) if self.created else st.just("of-yesterday"))
        over = {run.name: run.view() for run in self.begun if run.is_over}
        ends = {run.name for run in (self.desk.going, self.desk.next_run) if run is not None} | set(over)
        granted = self.ask(None, do="stop", run=name)
        if name in ends:
            assert granted is not None
            assert granted[1]["run"] == name
        if name in over:
            assert granted is not None
            assert granted[1] == over[name].model_dump(mode="json")

    @rule(key=KEYS, text=st.sampled_from(["open", "shut"]), named=st.booleans())
    def mark(self, key: str | None, text: str, named: bool) -> None:
        going = self.desk.going
        name = {"run": going.name} if named and going is not None else {}
        granted = self.ask(key, do="mark", text=text, **name)
        if granted is not None:
            assert going is not None
            assert self.going.marks.is_open
            self.kept.setdefault(going.name, []).append(text)

    @precondition(lambda self: self.goes_on and not self.going.marks.folders)
    @rule()
    def record(self) -> None:
        assert self.desk.going is not None
        self.going.marks.begin([self.folder(self.desk.going.name)])
        self.desk.update(Progress("capturing", run_info(len(self.begun))))
        assert self.desk.going.view().phase == "recording"

    @precondition(lambda self: self.desk.going is not None and self.going.marks.is_open)
    @rule()
    def deliver(self) -> None:
        assert self.desk.going is not None
        self.going.marks.close()
        self.desk.update(Progress("uploading", run_info(len(self.begun))))
        assert self.desk.going.view().phase == "ending"

    @precondition(lambda self: self.goes_on and self.going.marks.is_closed)
    @rule()
    def end(self) -> None:
        run = self.desk.going
        assert run is not None
        report = RunReport(run_info(len(self.begun)), datetime.now(UTC), marks=self.going.marks.items)
        self.desk.end(report, 0, None)
        assert (run.view().phase, run.view().exit_code) == ("ended", 0)
        assert run.view().marks == len(self.kept.get(run.name, []))

    @precondition(lambda self: self.goes_on and not self.going.marks.folders)
    @rule()
    def fail(self) -> None:
        run = self.desk.going
        assert run is not None
        self.desk.fail("the camera is not there")
        assert run.view().phase == "failed"

    @precondition(lambda self: self.desk.going is not None and self.desk.going.is_over)
    @rule()
    def go_on(self) -> None:
        self.follow(self.desk.due_run)

    @precondition(lambda self: self.desk.is_called)
    @rule()
    def preview_makes_way(self) -> None:
        self.follow(self.desk.due_run)

    @invariant()
    def what_was_answered_is_on_disk(self) -> None:
        for name, texts in self.kept.items():
            assert sorted(mark.text for mark in read_marks(self.folder(name))) == sorted(texts)

    @invariant()
    def the_camera_is_with_the_preview_but_while_a_run_captures(self) -> None:
        going = self.desk.going
        captures = going is not None and going.view().phase in ("starting", "recording")
        with_camera: Any = self.desk.with_camera
        assert with_camera is (self.going if captures else self.preview)

    @invariant()
    def every_run_can_be_asked_for_and_only_what_was_granted_began(self) -> None:
        for name in self.created:
            _, body, _ = self.desk.answer({"do": "run", "run": name}, ORIGIN)
            assert body["run"] == name
        assert {run.name for run in self.begun} <= self.created


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(max_examples=30, stateful_step_count=25)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(RunSettings(camera="simulated", stream_name="own", azimuth="[110]", duration=5.0))


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"rotations_per_min": 5.0}, "invalid", "azimuth"),
        ({"archive": True}, "no-archive", "--archive DIR"),
    ],
)
def test_settings_that_no_run_can_have_are_refused_with_the_field(
    desk: Desk, changes: dict[str, Any], code: str, said: str
) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    with pytest.raises(RefusedRequestError, match=said) as refused:
        desk.start(changes, ORIGIN, 0)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert desk.next_run is None


def test_a_run_has_what_it_is_told_and_else_what_the_station_was_told(desk: Desk, tmp_path: Path) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    run = desk.start({"physical_sample": "S1", "tags": ["a", "b"], "notes": "first\nlayer"}, ORIGIN, 0)
    told = run.settings
    assert (told.physical_sample, told.tags, told.notes) == ("S1", ("a", "b"), "first layer")
    assert (told.stream_name, told.azimuth, told.duration) == ("own", "[110]", 5.0)


def see(watch: Watch | None, level: float, at_ns: int) -> None:
    assert watch is not None
    watch.see(np.array([at_ns]), np.full((1, 1), level, np.float32), (SPOT,))


def test_a_run_that_waits_for_a_level_begins_with_the_frame_that_reaches_it_and_can_be_asked_again(
    desk: Desk,
) -> None:
    preview = Going()
    desk.follow(preview, None)  # type: ignore[arg-type]
    question = {"do": "start", "key": "k", "settings": {"when": "spot > 100"}, "at_ns": 1_000}
    assert desk.answer(question, ORIGIN)[1]["when"] == "spot > 100"
    run = desk.next_run
    assert run is not None
    see(run.when, 200.0, 999)  # it arrived before it was asked for
    see(run.when, 50.0, 2_000)
    desk.heed((SPOT,))
    assert (desk.due_run, desk.is_called, run.view().phase) == (None, False, "waiting")
    with pytest.raises(RefusedRequestError, match="waits already for spot > 100") as refused:
        desk.start({}, ORIGIN, 2_500)
    assert (refused.value.status, refused.value.code) == (409, "run-waiting")
    see(run.when, 101.0, 3_000)
    see(run.when, 102.0, 4_000)
    desk.heed((SPOT,))
    assert desk.is_called
    assert desk.due_run is run
    assert run.begin_ns == 3_000
    status, body, replayed = desk.answer({**question, "at_ns": 9_000}, ORIGIN)
    assert (status, body["run"], replayed) == (202, run.name, True)


def test_a_run_that_waits_is_ended_by_a_stop_and_by_the_loss_of_its_region(desk: Desk) -> None:
    preview = Going()
    desk.follow(preview, None)  # type: ignore[arg-type]
    stopped = desk.start({"when": "spot > 100"}, ORIGIN, 0)
    assert desk.stop(ORIGIN) is stopped
    assert (desk.next_run, stopped.view().phase) == (None, "failed")
    orphan = desk.start({"when": "spot > 100"}, ORIGIN, 0)
    desk.heed(())
    assert desk.next_run is None
    assert "no such region" in (orphan.view().error or "")
    assert desk.start({}, ORIGIN, 0).is_due


def test_a_run_ends_by_its_condition_and_by_nothing_that_it_reached_back_to(desk: Desk) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    run = desk.start({"until": "spot < 10", "pre_roll_s": 5.0}, ORIGIN, 1_000)
    assert run.is_due
    going = Going()
    desk.follow(going, run)  # type: ignore[arg-type]
    see(run.until, 5.0, 999)
    desk.heed((SPOT,))
    assert not going.stopped
    see(run.until, 5.0, 1_000)
    desk.heed((SPOT,))
    assert going.stopped
    assert [event.text for event in going.journal.events] == ["stopped by its condition, spot < 10"]


def test_a_run_whose_end_can_not_come_any_more_goes_on_and_says_so(desk: Desk) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    run = desk.start({"until": "spot < 10"}, ORIGIN, 1_000)
    going = Going()
    desk.follow(going, run)  # type: ignore[arg-type]
    for _ in range(3):
        desk.heed(())
    assert not going.stopped
    assert [event.level for event in going.journal.events] == ["warning"]


def test_a_time_begins_a_run_and_ends_it(desk: Desk) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    asked_ns = time.perf_counter_ns()
    run = desk.start({"when": "in 0.001 s", "until": "in 0.002 s"}, ORIGIN, asked_ns)
    deadline = time.monotonic() + 30
    while not desk.is_called:
        assert time.monotonic() < deadline
        desk.heed(())
    assert run.begin_ns == pytest.approx(asked_ns + 1_000_000, abs=100_000)
    going = Going()
    desk.follow(going, run)  # type: ignore[arg-type]
    while not going.stopped:
        assert time.monotonic() < deadline
        desk.heed(())


@pytest.mark.parametrize("name", ["when", "until"])
@pytest.mark.parametrize(
    ("condition", "said"),
    [("beam > 1", "no region 'beam' of spot"), ("sometime", "must be a level"), ("at 26:00", "no time")],
)
def test_a_condition_that_cannot_come_true_is_refused_at_once(
    desk: Desk, name: str, condition: str, said: str
) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    with pytest.raises(RefusedRequestError, match=f"^{name}: .*{said}") as refused:
        desk.start({name: condition}, ORIGIN, 0)
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    assert desk.next_run is None


def test_a_recording_has_no_frame_to_wait_for(desk: Desk) -> None:
    preview = Going()
    preview.source = replace(CAMERA, recorded=True)
    desk.follow(preview, None)  # type: ignore[arg-type]
    with pytest.raises(RefusedRequestError, match="begins anew"):
        desk.start({"when": "spot > 1"}, ORIGIN, 0)
    assert desk.start({"when": "in 60 s", "until": "spot > 1"}, ORIGIN, time.perf_counter_ns()).until


def test_readings_of_another_day_are_refused_and_none_of_them_is_taken(desk: Desk) -> None:
    desk.follow(Going(), None)  # type: ignore[arg-type]
    now_ms = process_clock().now_ns() / 1e6
    good = {"channel": "T", "value": 1.0}
    for wrong_ms in (now_ms - 86_400_000, now_ms / 1e3, now_ms + 60_000):
        question = {"readings": [good, {**good, "time_unix_ms": wrong_ms}], "at_ns": time.perf_counter_ns()}
        with pytest.raises(RefusedRequestError, match=r"readings\.1\.time_unix_ms") as refused:
            desk.take_readings(question)
        assert refused.value.status == 422
    with pytest.raises(RefusedRequestError, match="does not record") as refused:
        desk.take_readings({"readings": [good], "at_ns": time.perf_counter_ns(), "run": "another"})
    assert refused.value.code == "another-run"
    assert desk.answer({"do": "channels", "since": 0}, ORIGIN)[1] == {"channels": []}


def test_a_mark_of_another_time_than_the_runs_is_refused(desk: Desk, tmp_path: Path) -> None:
    going = Going()
    going.marks.begin([tmp_path])
    desk.follow(going, desk.first_run())  # type: ignore[arg-type]
    desk.update(Progress("capturing", run_info(1)))
    now_ms = process_clock().now_ns() / 1e6
    question = {"text": "open", "at_ns": time.perf_counter_ns()}
    for wrong_ms in (now_ms - 3.6e6, now_ms / 1e3):  # an hour ago; seconds in the place of milliseconds
        with pytest.raises(RefusedRequestError, match="outside run"):
            desk.mark({**question, "time_unix_ms": wrong_ms})
    assert desk.mark({**question, "time_unix_ms": now_ms})["time_unix_ms"] == pytest.approx(now_ms)
    assert [mark.time_unix_ms for mark in read_marks(tmp_path)] == [pytest.approx(now_ms)]


def test_a_mark_that_no_disk_takes_is_not_answered_as_kept(desk: Desk, tmp_path: Path) -> None:
    going = Going()
    going.marks.begin([tmp_path / "gone"])
    desk.follow(going, desk.first_run())  # type: ignore[arg-type]
    with pytest.raises(RefusedRequestError, match="not kept") as refused:
        desk.mark({"text": "open", "at_ns": time.perf_counter_ns()})
    assert refused.value.status == 507
    assert desk.marks(None)["marks"] == []
