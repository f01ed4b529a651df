"""Observers that do their worst at every hook: no frame goes with them, and the report says who it was."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.run.conftest import PATIENCE_S
from tests.unit.run.hostile_plugins import (
    FRAMES,
    RAISED,
    Deed,
    assert_delivered,
    assert_told,
    each_raised,
)

from rheed_acquire.findings import FindingCode
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.observed_chunk import ObservedChunk
from rheed_acquire.host.guard.observers import Hook, Observer, ObserverLimits, Observers
from rheed_acquire.run.report import DELIVERED, RunReport

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage

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


def run_of_six_chunks(stage: Stage, watcher: Observers, let_go: threading.Event) -> RunReport:
    """Run with chunks that come once the one before was pushed, and see that all of them are delivered."""
    pushed = threading.Semaphore(0)
    script: list[Any] = []
    for first in range(0, 48, 8):
        script += [*range(first, first + 8), lambda: pushed.acquire(timeout=PATIENCE_S)]
    camera = stage.camera([*script, let_go.set])
    streamer = stage.streamer(pushed=lambda chunk: pushed.release())
    report = stage.session(camera, streamer, observers=watcher, frames=48, ring_chunks=2).run()
    assert_delivered(report, streamer, 48)
    return report


def test_a_slow_observer_misses_chunks_and_is_named_where_frames_are_lost(stage: Stage) -> None:
    let_go, shown = threading.Event(), []

    def look(run: Any, chunk: ObservedChunk) -> None:
        shown.append(chunk.index)
        stage.wait_for(let_go)

    report = run_of_six_chunks(stage, observers(rheed_chunk_completed=look), let_go)
    assert shown == [0, 1]
    (warning,) = report.warnings
    assert warning.code is FindingCode.OBSERVER_SLOW
    assert "plugin acme:watcher took up to" in warning.text
    assert "missed 4 of 6 chunks" in warning.text


def test_an_observer_that_misses_chunks_since_it_is_slow_to_begin_is_told_of_that_hook(stage: Stage) -> None:
    let_go, shown = threading.Event(), []

    def look(run: Any, chunk: ObservedChunk) -> None:
        shown.append(chunk.index)

    watcher = observers(rheed_run_started=lambda run: stage.wait_for(let_go), rheed_chunk_completed=look)
    report = run_of_six_chunks(stage, watcher, let_go)
    assert shown == [0, 1]
    (warning,) = report.warnings
    assert warning.code is FindingCode.OBSERVER_SLOW
    assert "s in rheed_run_started and missed 4 of 6 chunks" in warning.text
    assert "for a chunk" not in warning.text


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
        script += [lambda: one_by_one.acquire(timeout=PATIENCE_S), *range(first, first + 8)]

    def look_and_go_on(run: Any, chunk: ObservedChunk) -> None:
        try:
            look(run, chunk)
        finally:
            one_by_one.release()

    camera, streamer = stage.camera(script), stage.streamer()
    watcher = observers(rheed_chunk_completed=look_and_go_on)
    # The observer sets the pace, not the push, which a busy computer may let wait for all of them.
    report = stage.session(camera, streamer, observers=watcher, frames=80, ring_chunks=12).run()
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
