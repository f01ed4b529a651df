"""Plugins that do their worst at every call: no frame goes with them, and the report says who it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rheed_acquire.cameras.camera import CameraError, Frame
from rheed_acquire.errors import RheedAcquireError, StreamerError
from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import CameraLimits
from rheed_acquire.host.guard.observed_chunk import ObservedChunk
from rheed_acquire.host.guard.observers import Hook, Observer, ObserverLimits, Observers
from rheed_acquire.run.report import DELIVERED, FAILED, FRAMES_LOST, RunReport

if TYPE_CHECKING:
    from tests.unit.run.conftest import Session, Stage

FRAMES = 11
LIMITS = CameraLimits(1.0, 1.0, 1.0, 1.0, 0.3, 1.0)


class OwnError(BaseException):
    """What a careless plugin makes its errors of."""


class Mute(Exception):  # noqa: N818 - as a plugin may call it
    """An exception that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise OwnError


Deed = Callable[..., Any]


def raising(error: BaseException) -> Deed:
    def deed(*_: object, **__: object) -> Any:
        raise error

    return deed


def returning(value: object) -> Deed:
    def deed(*_: object, **__: object) -> Any:
        return value

    return deed


RAISED = {
    "OSError": raising(OSError(19, "No such device")),
    "KeyError": raising(KeyError("serial")),
    "SystemExit": raising(SystemExit("bye")),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "OwnError": raising(OwnError("two\nlines")),
    "Mute": raising(Mute()),
}
RETURNED = {"None": returning(None), "text": returning("nonsense"), "number": returning(7.5)}
each_raised = pytest.mark.parametrize("raised", RAISED)


@pytest.fixture
def hang() -> Iterator[Deed]:
    """Never returns, until the test is over."""
    over = threading.Event()

    def deed(*_: object, **__: object) -> None:
        over.wait(120)

    yield deed
    over.set()


def do(thing: object, method: str, deed: Deed) -> None:
    setattr(thing, method, deed)


def assert_told(report: RunReport, who: str, method: str) -> None:
    """One line of the report names the plugin and the method, and it is one line."""
    lines = [str(one) for one in (*report.problems, *report.warnings)]
    naming = [line for line in lines if who in line and method in line]
    assert len(naming) == 1, lines
    assert all("\n" not in line for line in lines)


def assert_delivered(report: RunReport, streamer: Any, frames: int = FRAMES) -> None:
    assert streamer.frames == list(range(frames))
    assert (report.frames_received, report.frames_pushed, report.adds_up) == (frames, frames, True)


CAMERA, STREAMER = "camera scripted (a test 1.0)", "streamer scripted (a test 1.0)"


# A camera


UNUSABLE: list[tuple[Any, Any, str]] = [
    ("5", 0, "Frame.id is '5', a str, and must be an int or None"),
    (5.5, 0, "Frame.id is 5.5, a float, and must be"),
    (Fraction(11, 2), 0, "Frame.id is Fraction(11, 2), a fractions.Fraction, and must be"),
    (True, 0, "Frame.id is True, a bool, and must be"),
    (5, 1.25e9, "Frame.timestamp_ns is 1250000000.0, a float, and must be"),
    (5, "now", "Frame.timestamp_ns is 'now', a str, and must be"),
]


@pytest.mark.parametrize(("number", "stamp", "said"), UNUSABLE)
def test_an_id_or_a_stamp_that_is_none_names_plugin_field_and_type(
    stage: Stage, number: Any, stamp: Any, said: str
) -> None:
    pixels = stage.frame_of(5).pixels
    camera, streamer = stage.camera([*range(5), Frame(pixels, number, stamp)]), stage.streamer()
    report = stage.session(camera, streamer).run()
    (problem,) = [one for one in report.problems if one.code is FindingCode.FRAME_UNUSABLE]
    assert problem.text.startswith(f"{CAMERA} gave frame 5 of the run, which cannot be taken: {said}")
    assert streamer.frames == list(range(5))
    assert (report.frames_rejected, report.adds_up, report.exit_code) == (1, True, FRAMES_LOST)


@pytest.mark.parametrize(("number", "stamp", "said"), UNUSABLE)
def test_such_a_frame_is_told_in_the_same_way_while_the_rate_is_measured(
    stage: Stage, number: Any, stamp: Any, said: str
) -> None:
    pixels = stage.frame_of(5).pixels
    info = replace(stage.camera([]).info, fps=None)
    camera = stage.camera([*range(5), Frame(pixels, number, stamp)], info)
    with pytest.raises(CameraError) as raised:
        stage.session(camera, stage.streamer()).run()
    assert str(raised.value).startswith(f"{CAMERA} gave frame 5, which cannot be taken: {said}")
    assert camera.closed == 1


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(None, 5, 0), "changed its frames from shape (2, 4) to NoneType without a shape at frame 5"),  # type: ignore[arg-type]
        (Frame(np.zeros((2, 4), np.float64), 5, 0), "gave frame 5 of the run, whose pixels cannot be read"),  # type: ignore[arg-type]
        (object(), "gave frame 5 of the run, which cannot be taken: AttributeError"),
        (Mute, "gave frame 5 of the run, which cannot be taken: Mute: no reason given"),
    ],
    ids=["no pixels", "float pixels", "no frame", "raises"],
)
def test_a_frame_that_is_none_names_the_plugin(stage: Stage, frame: Any, said: str) -> None:
    class Odd:
        @property
        def id(self) -> int:
            raise Mute

    given: Any = Odd() if frame is Mute else frame
    camera, streamer = stage.camera(list(range(5))), stage.streamer()

    def start(on_frame: Any, on_fault: Any) -> None:
        for number in range(5):
            on_frame(stage.frame_of(number))
        on_frame(given)

    do(camera, "start", start)
    report = stage.session(camera, streamer).run()
    (problem,) = [one for one in report.problems if one.code is FindingCode.FRAME_UNUSABLE]
    assert problem.text.startswith(f"{CAMERA} {said}")
    assert streamer.frames == list(range(5))


@each_raised
@pytest.mark.parametrize("method", ["stop", "close", "statistics"])
def test_a_camera_that_raises_at_its_end_costs_no_frame(stage: Stage, method: str, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, method, RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, method)
    assert raised in str(report.problems)
    assert [problem.code for problem in report.problems] == [FindingCode.CAMERA_CALL]
    assert report.exit_code == FRAMES_LOST


@pytest.mark.parametrize("method", ["stop", "close", "statistics"])
def test_a_camera_that_hangs_at_its_end_costs_no_frame(stage: Stage, method: str, hang: Deed) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, method, hang)
    report = stage.session(camera, streamer, limits=LIMITS, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, f"did not return from {method} within 1 s")


@pytest.mark.parametrize("value", [None, "3", 5, {"frames_lost": "3"}, {"frames_lost": None}, [("a", 1)]])
def test_statistics_that_are_none_are_named(stage: Stage, value: object) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "statistics", returning(value))
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, "statistics")


def test_statistics_in_the_integers_of_numpy_are_counts(stage: Stage) -> None:
    frames = [stage.frame_of(number) for number in range(FRAMES)]
    for frame in frames:
        frame.id = None
    camera = stage.camera(frames)
    do(camera, "statistics", returning({"frames_lost": np.uint64(3)}))
    report = stage.session(camera, stage.streamer(), frames=FRAMES).run()
    assert report.camera_statistics == {"frames_lost": 3}
    assert type(report.camera_statistics["frames_lost"]) is int
    assert report.frames_dropped_by_camera == 3


@each_raised
def test_a_camera_that_raises_when_started_fails_the_run_with_a_report(stage: Stage, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "start", RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_told(report, CAMERA, "start")
    assert (report.exit_code, report.adds_up) == (FAILED, True)
    stage.assert_ended_once(streamer, camera)


def test_a_camera_that_hangs_when_started_fails_the_run_with_a_report(stage: Stage, hang: Deed) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(camera, "start", hang)
    report = stage.session(camera, streamer, limits=LIMITS, frames=FRAMES).run()
    assert_told(report, CAMERA, "start")
    assert report.exit_code == FAILED
    stage.assert_ended_once(streamer, camera)


@each_raised
def test_a_camera_that_raises_when_it_is_opened_is_named(stage: Stage, raised: str) -> None:
    session = stage.session(stage.camera([]), stage.streamer())
    do(session, "_open_camera", RAISED[raised])
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in open: "):
        session.run()


@pytest.mark.parametrize("value", [None, "a camera", object()])
def test_what_is_opened_and_is_no_camera_is_named(stage: Stage, value: object) -> None:
    session = stage.session(stage.camera([]), stage.streamer())
    do(session, "_open_camera", returning(value))
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in open: it returned"):
        session.run()


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize("asked", [0, 1])
def test_a_camera_that_cannot_say_what_it_is_fails_the_run_and_is_closed(
    stage: Stage, deed: str, asked: int
) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    good, answers = camera.info, [0]

    class Sphinx(type(camera)):  # type: ignore[misc]
        @property
        def info(self) -> Any:
            answers[0] += 1
            return good if answers[0] <= asked else (RAISED | RETURNED)[deed]()

    camera.__class__ = Sphinx
    with pytest.raises(CameraError, match=r"camera scripted \(a test 1.0\) failed in info: "):
        stage.session(camera, streamer, frames=FRAMES).run()
    assert camera.closed == 1
    assert [call for call in streamer.calls if call != "close"] in ([], ["initialize", "finalize"])


@pytest.mark.parametrize("deed", [*RAISED, "text"])
def test_a_temperature_that_cannot_be_told_is_a_warning_once(stage: Stage, deed: str) -> None:
    camera, streamer = stage.camera([*range(FRAMES)]), stage.streamer()
    do(camera, "temperature_c", (RAISED | RETURNED)[deed])
    session = stage.session(camera, streamer).start()
    stage.wait_for(camera.played)
    assert [session.acquisition.temperature_c() for _ in range(3)] == [None] * 3
    session.acquisition.stop()
    report = session.result()
    assert_delivered(report, streamer)
    assert_told(report, CAMERA, "temperature_c")
    assert FindingCode.CAMERA_SILENT in [warning.code for warning in report.warnings]


@pytest.mark.parametrize("fault", [OSError("unplugged"), "unplugged", None])
def test_a_fault_that_is_no_camera_error_is_a_fault_all_the_same(stage: Stage, fault: Any) -> None:
    camera = stage.camera([*range(FRAMES), lambda: camera.fault(fault)])
    streamer = stage.streamer()
    report = stage.session(camera, streamer, reconnect_timeout=0).run()
    assert_delivered(report, streamer)
    assert f"{CAMERA} reports as its fault" in report.problems[0].text


# A streamer


def report_of(session: Session) -> RunReport | RheedAcquireError:
    """What becomes of a run: its report, or the error that kept it from beginning."""
    try:
        return session.result()
    except RheedAcquireError as error:
        return error


@each_raised
def test_a_push_that_raises_once_costs_its_chunk_and_no_other(stage: Stage, raised: str) -> None:
    def refuse_second(chunk: Any) -> None:
        if chunk.index == 1:
            RAISED[raised]()

    camera, streamer = stage.camera(range(24)), stage.streamer(push=refuse_second)
    session = stage.session(camera, streamer, frames=24, ring_chunks=4)
    report = session.run()
    assert session.acquisition.progress().frames_not_taken == 8
    assert streamer.frames == [*range(8), *range(16, 24)]
    assert (report.frames_not_taken, report.frames_pushed, report.adds_up) == (8, 16, True)
    assert_told(report, STREAMER, "push_chunk")
    assert report.exit_code == FRAMES_LOST


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize("method", ["initialize", "open_ring"])
def test_a_streamer_that_cannot_begin_is_named_and_the_camera_given_back(
    stage: Stage, method: str, deed: str
) -> None:
    if (method, deed) in (("open_ring", "None"), ("initialize", "text")):
        pytest.skip("that is what it may return")
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, (RAISED | RETURNED)[deed])
    with pytest.raises(StreamerError, match=rf"streamer scripted \(a test 1.0\) failed in {method}: "):
        stage.session(camera, streamer, frames=FRAMES).run()
    assert (camera.closed, streamer.calls[-1]) == (1, "close")


def test_a_ring_of_another_size_is_refused(stage: Stage) -> None:
    from rheed_acquire.frames.ring import ChunkRing

    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, "open_ring", returning(ChunkRing(2, 99, 2, 4)))
    with pytest.raises(StreamerError, match="its ring is for chunks of 99 x 2 x 4 in place of 8 x 2 x 4"):
        stage.session(camera, streamer, frames=FRAMES).run()
    stage.assert_ended_once(streamer, camera)


@pytest.mark.parametrize("deed", [*RAISED, *RETURNED])
@pytest.mark.parametrize(
    ("method", "code", "exit_code"),
    [
        ("status", FindingCode.STREAMER_SILENT, DELIVERED),
        ("finalize", FindingCode.NOT_FINALIZED, FRAMES_LOST),
    ],
)
def test_a_streamer_that_cannot_tell_is_named_and_has_all_frames(
    stage: Stage, method: str, code: FindingCode, exit_code: int, deed: str
) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, (RAISED | RETURNED)[deed])
    session = stage.session(camera, streamer, frames=FRAMES)
    report = session.run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, method)
    assert code in [one.code for one in (*report.problems, *report.warnings)]
    assert report.exit_code == exit_code


@pytest.mark.parametrize(
    "answer",
    [
        {"chunks_uploaded": "two"},
        {"chunks_not_uploaded": None},
        {"lost": 5},
        {"lost": [1, 2]},
        {"chunks_uploaded": 2.5},
    ],
)
def test_a_last_word_that_makes_no_sense_is_named(stage: Stage, answer: dict[str, Any]) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer(finalize=lambda: answer)
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "finalize")


def test_a_last_word_in_a_plugins_own_types_can_be_written_as_json(stage: Stage) -> None:
    answer = {"chunks_uploaded": np.int64(2), "where": {1, 2}, "lost": [(np.int32(1), OSError("gone"))]}
    streamer = stage.streamer(finalize=lambda: answer)
    report = stage.session(stage.camera(range(FRAMES)), streamer, frames=FRAMES).run()
    assert (report.chunks_uploaded, report.delivery["where"]) == (2, "{1, 2}")
    assert report.delivery["lost"] == [[1, "gone"]]


@each_raised
def test_a_streamer_that_raises_when_closed_is_a_warning(stage: Stage, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, "close", RAISED[raised])
    report = stage.session(camera, streamer, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "close")
    assert report.exit_code == DELIVERED


def test_a_streamer_whose_status_hangs_is_asked_no_more(stage: Stage, hang: Deed) -> None:
    asked: list[int] = []
    told, go_on = threading.Event(), threading.Event()

    def deed(*_: object) -> None:
        asked.append(1)
        told.set()
        hang()

    camera = stage.camera([*range(FRAMES - 1), lambda: stage.wait_for(go_on), FRAMES - 1])
    streamer = stage.streamer()
    do(streamer, "status", deed)
    session = stage.session(camera, streamer, frames=FRAMES).start()
    stage.wait_for(told)
    for _ in range(5):
        session.acquisition.progress()
    go_on.set()
    report = session.result()
    assert len(asked) == 1
    assert_delivered(report, streamer)
    assert_told(report, STREAMER, "did not return from status within 1 s")
    assert FindingCode.STREAMER_SILENT in [warning.code for warning in report.warnings]


@pytest.mark.parametrize("method", ["initialize", "open_ring", "push_chunk", "finalize", "close"])
def test_a_streamer_that_hangs_ends_with_the_users_patience(stage: Stage, method: str, hang: Deed) -> None:
    hanging = threading.Event()

    def deed(*_: object, **__: object) -> None:
        hanging.set()
        hang()

    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    do(streamer, method, deed)
    session = stage.session(camera, streamer, patience=Patience(grace_s=1.0), frames=FRAMES).start()
    stage.wait_for(hanging)
    session.acquisition.stop()
    session.acquisition.abandon()
    outcome = report_of(session)
    assert camera.closed == 1
    if isinstance(outcome, RunReport):
        assert outcome.adds_up
        assert_told(outcome, STREAMER if method != "push_chunk" else "push", method.partition("_")[0])
        assert outcome.frames_pushed == (0 if method == "push_chunk" else FRAMES)
    else:
        assert method in ("initialize", "open_ring")
        assert f"{STREAMER} did not return from {method}" in str(outcome)


# An observer

HOOKS = ("rheed_run_started", "rheed_chunk_completed", "rheed_run_finished")
ARGUMENTS = {HOOKS[0]: ("run",), HOOKS[1]: ("run", "chunk"), HOOKS[2]: ("run", "report")}


def observers(**hooks: Deed) -> Observers:
    observer = Observer("acme:watcher", {name: Hook(deed, ARGUMENTS[name]) for name, deed in hooks.items()})
    return Observers([observer], limits=ObserverLimits(start_s=1.0, hook_s=1.0, last_s=0.2))


@each_raised
@pytest.mark.parametrize("hook", HOOKS)
def test_an_observer_that_raises_costs_nothing_and_is_named(stage: Stage, hook: str, raised: str) -> None:
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    watcher = observers(**{hook: RAISED[raised]})
    report = stage.session(camera, streamer, observers=watcher, frames=FRAMES, ring_chunks=4).run()
    assert_delivered(report, streamer)
    assert_told(report, "acme:watcher", hook)
    assert [warning.code for warning in report.warnings] == [FindingCode.OBSERVER_FAILED]
    assert report.exit_code == DELIVERED


@pytest.mark.parametrize("hook", HOOKS)
def test_an_observer_that_hangs_is_left_behind_and_named(stage: Stage, hook: str, hang: Deed) -> None:
    camera, streamer = stage.camera(range(40)), stage.streamer()
    report = stage.session(
        camera, streamer, observers=observers(**{hook: hang}), frames=40, ring_chunks=6
    ).run()
    assert_delivered(report, streamer, 40)
    assert (report.frames_overrun, report.exit_code) == (0, DELIVERED)
    hung = [one for one in report.warnings if one.code is FindingCode.OBSERVER_HANGS]
    assert len(hung) == 1
    assert f"plugin acme:watcher did not return from {hook} within" in hung[0].text


def test_an_observer_that_hangs_does_not_outlast_the_users_patience(stage: Stage, hang: Deed) -> None:
    patience = Patience(grace_s=0.5)
    watcher = Observers([Observer("acme:watcher", {HOOKS[2]: Hook(hang, ("run", "report"))})], patience)
    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    session = stage.session(camera, streamer, observers=watcher, patience=patience, frames=FRAMES).start()
    stage.wait_for(camera.played)
    session.acquisition.abandon()
    assert_told(session.result(), "acme:watcher", HOOKS[2])


def test_an_observer_that_still_hangs_is_left_out_of_the_next_run(stage: Stage, hang: Deed) -> None:
    watcher = observers(rheed_run_finished=hang)
    for is_first in (True, False):
        camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
        report = stage.session(camera, streamer, observers=watcher, frames=FRAMES).run()
        assert_delivered(report, streamer)
        (warning,) = report.warnings
        assert ("earlier run" in warning.text) is not is_first


def test_a_slow_observer_misses_chunks_and_is_named_where_frames_are_lost(stage: Stage) -> None:
    let_go, shown = threading.Event(), []

    def look(run: Any, chunk: ObservedChunk) -> None:
        shown.append(chunk.index)
        stage.wait_for(let_go)

    pushed = threading.Semaphore(0)
    script: list[Any] = []
    for first in range(0, 48, 8):
        script += [*range(first, first + 8), lambda: pushed.acquire(timeout=30)]
    camera = stage.camera([*script, let_go.set])
    streamer = stage.streamer(pushed=lambda chunk: pushed.release())
    watcher = observers(rheed_chunk_completed=look)
    report = stage.session(camera, streamer, observers=watcher, frames=48, ring_chunks=2).run()
    assert_delivered(report, streamer, 48)
    assert shown == [0, 1]
    (warning,) = report.warnings
    assert warning.code is FindingCode.OBSERVER_SLOW
    assert "plugin acme:watcher took up to" in warning.text
    assert "missed 4 of 6 chunks" in warning.text


def test_what_an_observer_is_shown_cannot_be_written_to_and_stays_as_it_was(stage: Stage) -> None:
    kept: list[ObservedChunk] = []

    def look(run: Any, chunk: ObservedChunk) -> None:
        kept.append(chunk)
        assert not hasattr(chunk, "release")
        assert not hasattr(chunk, "date")
        assert chunk.since_ns is not None
        for array in (chunk.frames, chunk.frame_ids, chunk.timestamps_ns, chunk.host_ns, chunk.since_ns):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True
            base: Any = array.base
            while isinstance(base, np.ndarray):
                with pytest.raises(ValueError, match="WRITEABLE"):
                    base.flags.writeable = True
                base = base.base
            assert base.readonly
        with pytest.raises(AttributeError):
            chunk.capture_start_ms_utc = 0.0  # type: ignore[misc]

    one_by_one = threading.Semaphore(1)
    script: list[Any] = []
    for first in range(0, 80, 8):
        script += [lambda: one_by_one.acquire(timeout=30), *range(first, first + 8)]

    def look_and_go_on(run: Any, chunk: ObservedChunk) -> None:
        try:
            look(run, chunk)
        finally:
            one_by_one.release()

    camera, streamer = stage.camera(script), stage.streamer()
    watcher = observers(rheed_chunk_completed=look_and_go_on)
    report = stage.session(camera, streamer, observers=watcher, frames=80, ring_chunks=4).run()
    assert_delivered(report, streamer, 80)
    assert report.warnings == []
    assert [len(chunk) for chunk in kept] == [8] * 10
    assert [frame for chunk in kept for frame in chunk.frames[:, 0, 0].tolist()] == list(range(80))


def test_an_observer_may_do_with_the_report_as_it_likes(stage: Stage) -> None:
    def forge(run: Any, report: RunReport) -> None:
        report.frames_pushed = 0
        report.problems.append(report.problems)  # type: ignore[arg-type]
        report.delivery.clear()

    camera, streamer = stage.camera(range(FRAMES)), stage.streamer()
    watcher = observers(rheed_run_finished=forge)
    report = stage.session(camera, streamer, observers=watcher, frames=FRAMES).run()
    assert_delivered(report, streamer)
    assert (report.exit_code, report.delivery["closed"]) == (DELIVERED, True)
