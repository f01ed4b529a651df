"""A held camera that is lost: it is opened again for its preview and its run, and a run waits for it."""

from __future__ import annotations

from tests.unit.run.held_camera_bench import LIMIT_S, Bench, KeepingStreamer, assert_unbroken, wait_until

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.findings import FindingCode


def test_a_camera_lost_in_a_run_is_opened_again_for_it_and_for_the_preview(bench: Bench) -> None:
    under, kept, _ = bench.run()
    under.until("capturing")
    before = bench.previewed()
    bench.beam.refusals.append(CameraError("not yet"))
    bench.beam.opened[0].lose()
    wait_until(lambda: len(bench.beam.opened) == 2 and under.acquisition.progress().absence is None)
    report = under.end()
    assert [problem.code for problem in report.problems] == [FindingCode.CAMERA_AWAY]
    assert sorted(set(kept.numbers)) == kept.numbers
    wait_until(lambda: bench.previewed() > before)
    under, kept, _ = bench.run()
    under.until_frames()
    assert under.end().problems == []
    assert bench.beam.opened[1].starts == 1


def test_a_camera_lost_in_the_preview_is_opened_again_until_it_is_there(bench: Bench) -> None:
    bench.beam.refusals = [CameraError("not yet"), CameraError("not yet either")]
    bench.beam.opened[0].lose()
    wait_until(lambda: bench.preview.acquisition.progress().absence is not None)
    wait_until(lambda: bench.preview.acquisition.progress().absence is None)
    under, kept, _ = bench.run()
    under.until_frames()
    assert under.end().problems == []
    assert_unbroken(kept.numbers)


def test_a_camera_lost_while_a_run_is_prepared_is_there_for_it_again(bench: Bench) -> None:
    def lose() -> None:
        bench.beam.opened[0].lose()
        wait_until(lambda: bench.preview.acquisition.progress().absence is not None)

    under, kept, _ = bench.run(pre_roll_s=10.0, streamer=KeepingStreamer(lose))
    under.until("capturing")
    wait_until(lambda: under.acquisition.progress().frames_received > 10)
    under.end()
    assert_unbroken(kept.numbers)
    assert len(bench.beam.opened) == 2
    wait_until(lambda: bench.preview.acquisition.progress().absence is None)


def lose(bench: Bench, *refusals: Exception) -> None:
    """Have the camera go, and be away for as many tries to open it."""
    bench.beam.refusals = list(refusals)
    bench.beam.opened[-1].lose()
    wait_until(lambda: bench.preview.acquisition.progress().absence is not None)


def test_a_run_that_is_asked_for_while_its_camera_is_away_waits_for_it(bench: Bench) -> None:
    lose(bench, *(CameraError(f"not yet {number}") for number in range(4)))
    under, kept, start = bench.run(pre_roll_s=1.0, duration=0.5)
    wait_until(lambda: "not yet" in (under.acquisition.progress().camera_trouble or ""))
    under._thread.join(LIMIT_S)
    report = under.report
    assert report is not None
    assert [problem.code for problem in report.problems] == [FindingCode.LATE_START]
    assert "not yet" in str(report.problems[0])
    assert report.warnings == []
    assert_unbroken(kept.numbers)
    # It has the whole of its duration from its first frame on, whoever has opened the camera.
    given_ns = [bench.beam.seen[number] for number in (kept.numbers[0], kept.numbers[-1])]
    assert given_ns[0] > start.asked_ns
    assert given_ns[1] - given_ns[0] > 0.3e9


def test_a_run_waits_for_a_camera_that_goes_while_its_stream_is_opened(bench: Bench) -> None:
    refusals = [CameraError(f"not yet {number}") for number in range(3)]
    streamer = KeepingStreamer(lambda: lose(bench, *refusals))
    under, kept, _ = bench.run(streamer=streamer)
    under.until("capturing")
    wait_until(lambda: under.acquisition.progress().frames_received > 10)
    report = under.end()
    assert FindingCode.CAMERA_REFUSED not in [problem.code for problem in report.problems]
    assert_unbroken(kept.numbers)


def test_a_run_does_not_wait_for_ever_and_not_for_what_no_waiting_mends(bench: Bench) -> None:
    lose(bench, *(CameraError("it is unplugged") for _ in range(100)))
    under, _, _ = bench.run(waits_s=0.2)
    under._thread.join(LIMIT_S)
    assert "it is unplugged (it was waited for" in str(under.error)
    bench.beam.refusals = [CameraSettingError("no such exposure") for _ in range(100)]
    under, _, _ = bench.run()
    under._thread.join(LIMIT_S)
    assert str(under.error) == "no such exposure"
    bench.beam.refusals = []


def test_a_run_that_waits_for_its_camera_is_stopped_at_once(bench: Bench) -> None:
    lose(bench, *(CameraError("it is unplugged") for _ in range(100)))
    under, _, _ = bench.run()
    wait_until(lambda: under.acquisition.progress().state == "camera lost")
    under.acquisition.stop()
    under._thread.join(LIMIT_S)
    assert "it is unplugged" in str(under.error)
    bench.beam.refusals = []
