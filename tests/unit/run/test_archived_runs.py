"""Runs with an archive: every frame is counted in both, and neither stream nor archive needs the other."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rheed_acquire.cameras.camera import Frame
from rheed_acquire.clocks.timing import process_clock
from rheed_acquire.errors import SettingsError
from rheed_acquire.frames.chunk import Chunk
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.recording.archive import is_closed
from rheed_acquire.recording.dataset import open_run
from rheed_acquire.recording.reading import RecordedRun
from rheed_acquire.regions.frame_tap import FrameTap
from rheed_acquire.regions.regions import Region
from rheed_acquire.regions.traces import measure
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST, RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from tests.unit.run.conftest import Stage

PATIENCE_S = 30.0


def deep(numbers: Sequence[int]) -> list[Frame]:
    """Frames of 12 bits whose level is 100 times their number."""
    return [
        Frame(np.full((2, 4), 100 * number, np.uint16), number, number * 250_000_000) for number in numbers
    ]


def archived(report: RunReport) -> NDArray[Any]:
    """The level of each frame in the archive."""
    assert report.info.archive is not None
    run = RecordedRun(report.info.archive)
    return run.read(0, len(run))[:, 0, 0]


def make(stage: Stage, script: list[Any], folder: Path, streamer: Any = None, **settings: Any) -> RunReport:
    camera = stage.camera(script)
    camera._info = replace(camera.info, pixel_format="Mono12")
    return stage.session(camera, streamer or stage.streamer(), archive=folder / "archive", **settings).run()


def test_every_frame_is_in_the_stream_and_at_full_depth_in_the_archive(stage: Stage, tmp_path: Path) -> None:
    streamer = stage.streamer()
    report = make(stage, deep(range(20)), tmp_path, streamer, frames=20, ring_chunks=4)
    assert (report.exit_code, report.problems) == (DELIVERED, [])
    assert (report.frames_pushed, report.frames_archived, report.frames_not_archived) == (20, 20, 0)
    assert archived(report).tolist() == [100 * number for number in range(20)]
    assert streamer.frames == [100 * number >> 4 for number in range(20)]
    figures = report.as_json()
    assert (figures["archive"], figures["frames_archived"]) == (str(report.info.archive), 20)


def test_the_archive_says_what_the_run_was_of(stage: Stage, tmp_path: Path) -> None:
    named = {"stream_name": "Growth 42", "azimuth": "[110]", "project_id": "p-1"}
    told = {"physical_sample": "GaAs-7", "tags": ("calibration", "night")}
    report = make(stage, deep(range(8)), tmp_path, frames=8, ring_chunks=4, **named, **told)
    assert report.info.archive is not None
    known = open_run(report.info.archive).attrs
    assert (known["name"], known["azimuth_label"], known["project_id"]) == ("Growth 42", "[110]", "p-1")
    assert (known["physical_sample"], known["tags"]) == ("GaAs-7", ["calibration", "night"])
    assert (known["pixel_format"], known["bit_depth"]) == ("Mono12", 12)


@pytest.mark.parametrize("reduction", [{"stream_every": 4}, {"stream_average": 4}])
def test_the_archive_has_every_frame_of_a_reduced_stream(
    stage: Stage, tmp_path: Path, reduction: dict[str, int]
) -> None:
    report = make(stage, deep(range(32)), tmp_path, frames=32, chunk_size=2, ring_chunks=6, **reduction)
    assert (report.frames_pushed, report.frames_reduced, report.frames_archived) == (8, 24, 32)
    assert archived(report).tolist() == [100 * number for number in range(32)]
    assert report.exit_code == DELIVERED


@pytest.mark.parametrize("pixel_format", ["Mono12", "RGB8"])
def test_the_archive_has_what_regions_of_interest_were_in_every_frame(
    stage: Stage, tmp_path: Path, pixel_format: str
) -> None:
    shape, dtype = ((2, 4, 3), np.uint8) if pixel_format == "RGB8" else ((2, 4), np.uint16)
    pixels: NDArray[Any] = np.random.default_rng(0).integers(0, 255, (30, *shape)).astype(dtype)
    camera = stage.camera([Frame(one, number, number * 250_000_000) for number, one in enumerate(pixels)])
    camera._info = replace(camera.info, pixel_format=pixel_format)
    regions = [
        Region(name="specular", x=0, y=0, width=2, height=2),
        Region(name="all", x=0, y=0, width=4, height=2),
    ]
    session = stage.session(
        camera, stage.streamer(), archive=tmp_path, tap=FrameTap(regions), frames=30, ring_chunks=8
    )
    report = session.run()
    assert report.info.archive is not None
    run = open_run(report.info.archive)
    expected = measure(RecordedRun(report.info.archive).form.levels_of()(pixels), np.zeros(30), regions)
    np.testing.assert_array_equal(run["region_mean"].values, expected.mean.T)
    np.testing.assert_array_equal(run["region_maximum"].values, expected.maximum.T)
    assert run["region"].values.tolist() == ["specular", "all"]
    np.testing.assert_array_equal(
        run["region_mean"].set_index(region="region").sel(region="all").values, expected.mean[1]
    )


def test_losses_of_the_camera_are_gaps_of_the_archive_too(stage: Stage, tmp_path: Path) -> None:
    numbers = [number for number in range(30) if not 9 <= number < 12]
    report = make(stage, deep(numbers), tmp_path, frames=27, ring_chunks=10)
    assert archived(report).tolist() == [100 * number for number in numbers]
    assert report.info.archive is not None
    ids = RecordedRun(report.info.archive).frame_ids()
    assert ids is not None
    assert ids.tolist() == numbers
    assert report.adds_up


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 2_000_000), st.booleans()), min_size=1, max_size=40
    ),
    origin_ns=st.integers(0, 2**62),
)
def test_what_is_known_of_each_frame_is_in_the_archive_to_the_nanosecond(
    stage: Stage,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, int, bool]],
    origin_ns: int,
) -> None:
    # Ids with gaps, stamps with jitter, and frames that the camera has no stamp of.
    numbers = list(accumulate((step for step, _, _ in steps), initial=0))[:-1]
    stamps = [
        origin_ns + number * 250_000_000 + jitter if is_stamped else None
        for number, (_, jitter, is_stamped) in zip(numbers, steps, strict=True)
    ]
    script = [
        Frame(np.full((2, 4), number % 4096, np.uint16), number, stamp)
        for number, stamp in zip(numbers, stamps, strict=True)
    ]
    seen: list[tuple[float, NDArray[np.int64], NDArray[np.int64]]] = []

    def notify(hook: str, **arguments: Any) -> None:
        if hook == "rheed_chunk_completed":
            chunk = arguments["chunk"]
            seen.append((chunk.capture_start_ms_utc, chunk.since_ns.copy(), chunk.host_ns.copy()))

    folder = tmp_path_factory.mktemp("run")
    report = make(stage, script, folder, frames=len(script), ring_chunks=50, notify=notify)
    assert report.info.archive is not None
    group: Any = zarr.open_group(report.info.archive / "frames.zarr", mode="r")
    assert group["frames"][:, 0, 0].tolist() == [number % 4096 for number in numbers]
    assert group["frame_id"][:].tolist() == numbers
    assert group["camera_timestamp_ns"][:].tolist() == [-1 if stamp is None else stamp for stamp in stamps]
    captured = np.concatenate([start_ms + since_ns / 1e6 for start_ms, since_ns, _ in seen])
    assert group["time_unix_ms"][:].tolist() == captured.tolist()
    arrived = np.concatenate([host_ns for _, _, host_ns in seen])
    arrival_ms = np.array([process_clock().utc_ns(at) / 1e6 for at in arrived.tolist()])
    # Of this computer's clock, which may have been corrected by a little meanwhile.
    np.testing.assert_allclose(group["arrival_unix_ms"][:], arrival_ms, atol=5.0, rtol=0)
    between = np.diff(group["arrival_unix_ms"][:])
    np.testing.assert_allclose(between, np.diff(arrived) / 1e6, atol=1.0, rtol=0)


def lose_the_archive(folder: Path) -> None:
    """Do as a disk that is unmounted does, whose place takes no file."""
    archive = folder / "archive"
    archive.rename(folder / "elsewhere")
    archive.write_text("")


def test_an_archive_that_is_lost_costs_the_stream_nothing(stage: Stage, tmp_path: Path) -> None:
    streamer = stage.streamer()
    script = [*deep(range(16)), lambda: lose_the_archive(tmp_path), *deep(range(16, 40))]
    report = make(stage, script, tmp_path, streamer, frames=40, ring_chunks=10)
    assert streamer.frames == [100 * number >> 4 & 255 for number in range(40)]
    assert report.frames_pushed == 40
    assert report.frames_archived + report.frames_not_archived == 40
    assert report.frames_not_archived >= 24
    assert report.adds_up
    codes = {problem.code for problem in report.problems}
    assert "not-archived" in codes
    assert codes <= {"not-archived", "archive-open"}
    assert report.exit_code == FRAMES_LOST


def test_who_wants_every_original_has_the_run_end_with_the_archive(stage: Stage, tmp_path: Path) -> None:
    over = threading.Event()

    def notify(hook: str, **arguments: Any) -> None:
        if hook == "rheed_run_finished":
            over.set()

    lost = deep(range(8, 24))
    script = [*deep(range(8)), lambda: lose_the_archive(tmp_path), *lost, lambda: over.wait(0.5)]
    report = make(
        stage, script, tmp_path, notify=notify, archive_full="stop", duration=PATIENCE_S, ring_chunks=10
    )
    assert {"ended-early", "not-archived"} <= {problem.code for problem in report.problems}
    assert report.frames_pushed == 24
    assert report.adds_up


def wait_for_one(directory: Path) -> list[Path]:
    """What lies in a directory, once something does that is no attempt to write there."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := [one for one in directory.glob("*") if not one.name.startswith(".")]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def wait_for_end(folder: Path) -> None:
    """Let the archive come to its end."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_closed(folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_chunks(folder: Path, count: int) -> None:
    """Let the archive keep up with the camera."""
    deadline = time.monotonic() + PATIENCE_S
    listed = next((folder / "archive").iterdir()) / "chunks.jsonl"
    while not listed.exists() or len(listed.read_bytes().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_streamer_that_lets_go_of_nothing_costs_the_archive_nothing(stage: Stage, tmp_path: Path) -> None:
    held: list[Chunk] = []

    def push(chunk: Chunk) -> None:
        held.append(chunk.hand_over())

    script = one_by_one(tmp_path, 5)
    report = make(stage, script, tmp_path, stage.streamer(push=push), frames=40, ring_chunks=2)
    assert archived(report).tolist() == [100 * number for number in range(40)]
    assert (report.frames_archived, report.frames_overrun) == (40, 0)
    assert (report.frames_pushed, report.frames_not_taken, len(held)) == (8, 32, 1)
    assert report.adds_up
    assert "chunk-not-taken" in {problem.code for problem in report.problems}


def blocks_in_its_first_push(until: threading.Event) -> Callable[[Chunk], None]:
    """A streamer's push that does not return before it may."""
    return lambda chunk: None if until.wait(PATIENCE_S) else pytest.fail("nobody let it go on")


def one_by_one(folder: Path, chunks: int) -> list[Any]:
    """Frames of so many chunks, each of which is in the archive before the next one comes."""
    script: list[Any] = []
    for chunk in range(chunks):
        script += [*deep(range(8 * chunk, 8 * chunk + 8)), partial(wait_for_chunks, folder, chunk + 1)]
    return script


def test_a_push_that_never_returns_costs_the_archive_nothing(stage: Stage, tmp_path: Path) -> None:
    let_go = threading.Event()
    camera = stage.camera(one_by_one(tmp_path, 6))
    camera._info = replace(camera.info, pixel_format="Mono12")
    streamer = stage.streamer(push=blocks_in_its_first_push(let_go))
    patience = Patience(grace_s=0.5)
    session = stage.session(
        camera, streamer, archive=tmp_path / "archive", frames=48, ring_chunks=2, patience=patience
    ).start()
    try:
        (folder,) = wait_for_one(tmp_path / "archive")
        wait_for_end(folder)  # of the archive, while the push still hangs
        session.acquisition.abandon()
        report = session.result()
    finally:
        let_go.set()
    assert archived(report).tolist() == [100 * number for number in range(48)]
    assert (report.frames_archived, report.frames_overrun) == (48, 0)
    assert (report.frames_pushed, report.frames_not_taken) == (0, 48)
    assert report.adds_up
    (problem,) = report.problems
    assert problem.code == "chunk-not-taken"
    assert "the push of chunk 0 had not returned" in problem.text


def test_a_push_that_takes_long_costs_the_stream_what_had_no_room_and_the_archive_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    let_go = threading.Event()
    camera = stage.camera(one_by_one(tmp_path, 6))
    camera._info = replace(camera.info, pixel_format="Mono12")
    streamer = stage.streamer(push=blocks_in_its_first_push(let_go))
    session = stage.session(camera, streamer, archive=tmp_path / "archive", frames=48, ring_chunks=4).start()
    try:
        (folder,) = wait_for_one(tmp_path / "archive")
        wait_for_end(folder)
    finally:
        let_go.set()
    report = session.result()
    assert archived(report).tolist() == [100 * number for number in range(48)]
    assert (report.frames_archived, report.frames_overrun) == (48, 0)
    assert (report.frames_pushed, report.frames_not_taken) == (24, 24)
    assert [index for index, _, _ in streamer.pushed] == [0, 1, 2]
    assert report.adds_up


def test_what_had_no_room_behind_a_push_is_no_pause_of_a_camera_without_ids(
    stage: Stage, tmp_path: Path
) -> None:
    let_go, caught_up = threading.Event(), threading.Event()
    script = [*one_by_one(tmp_path, 5), let_go.set, lambda: stage.wait_for(caught_up), *deep(range(40, 56))]
    for entry in script:
        if isinstance(entry, Frame):
            entry.id = None

    def note(chunk: Chunk) -> None:
        if chunk.index == 2:
            caught_up.set()

    streamer = stage.streamer(push=blocks_in_its_first_push(let_go), pushed=note)
    report = make(stage, script, tmp_path, streamer, frames=56, ring_chunks=4)
    assert [index for index, _, _ in streamer.pushed] == [0, 1, 2, 5, 6]
    assert [problem.code for problem in report.problems] == ["chunk-not-taken"]
    assert (report.frames_not_taken, report.frames_absent, report.pauses) == (16, 0, ())


def test_a_recording_waits_for_a_push_and_the_archive_has_what_came_when_the_user_waits_no_longer(
    stage: Stage, tmp_path: Path
) -> None:
    let_go, pushing = threading.Event(), threading.Event()

    def push(chunk: Chunk) -> None:
        pushing.set()
        let_go.wait(PATIENCE_S)

    camera = stage.camera(deep(range(80)))
    camera._info = replace(camera.info, pixel_format="Mono12", recorded=True)
    session = stage.session(
        camera,
        stage.streamer(push=push),
        archive=tmp_path / "archive",
        ring_chunks=2,
        patience=Patience(grace_s=0.5),
    ).start()
    try:
        stage.wait_for(pushing)
        session.acquisition.abandon()
        report = session.result()
    finally:
        let_go.set()
    assert report.adds_up
    assert report.frames_pushed == 0
    assert report.info.archive is not None
    wait_for_end(report.info.archive)  # for which the user, on a busy computer, has not waited
    kept = archived(report).tolist()
    assert len(kept) >= max(8, report.frames_archived)
    assert kept == [100 * number for number in range(len(kept))]


@pytest.mark.parametrize(
    ("pixel_format", "shape", "dtype"),
    [("BGR8", (2, 4, 3), np.uint8), ("RGB12", (2, 4, 3), np.uint16), ("BayerRG12", (2, 4), np.uint16)],
)
def test_colour_and_mosaics_are_archived_as_they_come_beside_a_gray_stream(
    stage: Stage, tmp_path: Path, pixel_format: str, shape: tuple[int, ...], dtype: type
) -> None:
    random = np.random.default_rng(0)
    pixels: NDArray[Any] = random.integers(0, 256, (16, *shape)).astype(dtype)
    camera = stage.camera([Frame(one, number, number * 250_000_000) for number, one in enumerate(pixels)])
    camera._info = replace(camera.info, pixel_format=pixel_format)
    streamer = stage.streamer()
    session = stage.session(camera, streamer, archive=tmp_path / "archive", frames=16, ring_chunks=4)
    report = session.run()
    assert (report.exit_code, report.problems) == (DELIVERED, [])
    assert report.info.archive is not None
    run = RecordedRun(report.info.archive)
    np.testing.assert_array_equal(run.read(0, 16), pixels)
    assert streamer.frames == run.gray(pixels)[:, 0, 0].tolist()


def test_a_directory_that_takes_no_file_is_refused_before_the_camera_is_opened(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    session = stage.session(stage.camera([]), stage.streamer(), archive=tmp_path / "file")
    with pytest.raises(SettingsError, match="--archive"):
        session.run()
    assert session.requests == []
