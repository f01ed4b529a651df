"""What was confirmed and does not hold in the bucket when a server looks: it comes again, or is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.integration.command.test_site import PUBLIC_CLIENT, runs_in
from tests.integration.overview_server import Serving, serving
from tests.integration.test_interoperability import INTERPRETER
from tests.integration.waiting import wait_for

from rheed_acquire import BucketPath, RHEEDStreamer, open_run
from rheed_acquire.recording import bucket_run
from rheed_acquire.recording.bucket_run import BucketRun
from rheed_acquire.recording.bucket_uploads import put_in_place
from rheed_acquire.streaming import write_behind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.command.conftest import Command

    from rheed_acquire.recording.declarations import ChunkDeclaration

CHUNK = 20
FRAMES_LOST = 3


def flip_a_bit(shard: bytes) -> bytes:
    """Of the index."""
    return shard[:-9] + bytes([shard[-9] ^ 1]) + shard[-8:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit": flip_a_bit,
    "cut off": lambda shard: shard[: len(shard) // 2],
    "too long": lambda shard: shard + b"\0" * 7,
    "empty": lambda shard: b"",
    "larger than may be": lambda shard: shard * 100,
}


@pytest.fixture
def site(bucket: BucketPath) -> Iterator[Serving]:
    """A server over the bucket, which looks at what has come only when it is told to, or a stream ends."""
    with serving(bucket) as server:
        yield server


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Uploads of these names are damaged in the bucket, each time just before the server looks at them."""
    names: set[str] = set()

    def look(upload: BucketPath, target: BucketPath, chunk: ChunkDeclaration) -> int:
        if upload.name.partition("-")[0] in names:
            spoil(upload, flip_a_bit)
        return put_in_place(upload, target, chunk)

    monkeypatch.setattr(bucket_run, "put_in_place", look)
    return names


def spoil(upload: BucketPath, damage: Callable[[bytes], bytes]) -> None:
    shard = upload.read_bytes()
    upload.write_bytes(damage(shard))


def frames_of(chunks: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(1, 256, (chunks * CHUNK, 12, 16), np.uint8)


def begin(streamer: RHEEDStreamer) -> str:
    return streamer.initialize(fps=10.0, rotations_per_min=0.0, chunk_size=CHUNK)


def push(streamer: RHEEDStreamer, data_id: str, index: int, frames: NDArray[np.uint8]) -> None:
    """Push a chunk, and wait until the store has confirmed it."""
    before = streamer.status(data_id).chunks_uploaded
    streamer.push(data_id, index, frames[index * CHUNK : (index + 1) * CHUNK])
    wait_for(lambda: streamer.status(data_id).chunks_uploaded > before, 60)


def stored(bucket: BucketPath) -> Any:
    (run,) = runs_in(bucket)
    return open_run(run)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_chunk_that_does_not_hold_comes_again_with_the_next(
    site: Serving, bucket: BucketPath, damage: str
) -> None:
    frames = frames_of(2)
    with RHEEDStreamer(site.stream_key, site.endpoint) as streamer:
        data_id = begin(streamer)
        push(streamer, data_id, 0, frames)
        (run,) = runs_in(bucket)
        spoil(run / "uploads/0-1", DAMAGES[damage])
        BucketRun(run).settle()  # another server's, perhaps
        streamer.push(data_id, 1, frames[CHUNK:])
        wait_for(lambda: (run / "uploads/0-2").exists(), 60)
        report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (2, [], True)
    np.testing.assert_array_equal(stored(bucket).frames, frames)


@pytest.mark.parametrize(
    "how", [{}, {"compression_level": 0}, {"sync_always": True}], ids=["compressed", "stored", "on disk"]
)
def test_the_last_chunk_is_looked_at_before_the_stream_ends(
    site: Serving, bucket: BucketPath, own_spool: Path, how: dict[str, Any]
) -> None:
    frames = frames_of(3)
    with RHEEDStreamer(site.stream_key, site.endpoint, **how) as streamer:
        data_id = begin(streamer)
        for index in range(3):
            push(streamer, data_id, index, frames)
        (run,) = runs_in(bucket)
        for index in (0, 2):
            spoil(run / f"uploads/{index}-1", flip_a_bit)
        report = streamer.finalize(data_id)
    assert (report["chunks_uploaded"], report["lost"], report["closed"]) == (3, [], True)
    np.testing.assert_array_equal(stored(bucket).frames, frames)
    assert list(own_spool.iterdir()) == []


def test_what_never_holds_is_lost_and_named_and_the_rest_is_there(
    site: Serving, bucket: BucketPath, own_spool: Path, spoilt: set[str]
) -> None:
    spoilt.add("1")
    frames = frames_of(3)
    with RHEEDStreamer(site.stream_key, site.endpoint) as streamer:
        data_id = begin(streamer)
        for index in range(3):
            push(streamer, data_id, index, frames)
        report = streamer.finalize(data_id)
    ((index, reason),) = report["lost"]
    assert (index, report["chunks_uploaded"], report["chunks_failed"]) == (1, 2, 1)
    assert report["drained"]
    assert report["closed"]
    assert "the server had confirmed it" in reason
    dataset = stored(bucket)
    np.testing.assert_array_equal(dataset.frames, np.delete(frames, np.s_[CHUNK : 2 * CHUNK], axis=0))
    assert dataset.attrs["refused_chunks"] == [1]
    assert list(own_spool.iterdir()) == [], "nothing of it is left that could be delivered"


def test_a_run_of_which_a_chunk_does_not_hold_says_so(
    command: Command, site: Serving, spoilt: set[str]
) -> None:
    spoilt.add("1")
    report = command.report(
        "--camera", "simulated", "--fps", "60", "--frames", "300", "--simulated.width", "64",
        "--simulated.height", "48", code=FRAMES_LOST,
        AS_API_KEY=site.stream_key, AS_API_ENDPOINT=site.endpoint,
    )  # fmt: skip
    (problem,) = report["problems"]
    assert (problem["code"], problem["frames"]) == ("chunks-not-uploaded", 120)
    assert "the server had confirmed it" in problem["text"]
    assert (report["chunks_uploaded"], report["chunks_not_uploaded"]) == (2, 1)
    assert [index for index, _ in report["delivery"]["lost"]] == [1]


@pytest.mark.parametrize("is_on_disk", [False, True], ids=["of memory", "on disk"])
def test_a_later_process_learns_of_it_when_it_ends_the_stream_and_sends_what_is_on_disk(
    site: Serving, bucket: BucketPath, monkeypatch: pytest.MonkeyPatch, is_on_disk: bool
) -> None:
    # On a computer that is busy elsewhere a chunk may wait for its turn until it is written to disk.
    monkeypatch.setattr(write_behind, "PATIENCE_S", 600.0)
    frames = frames_of(2)
    streamer = RHEEDStreamer(site.stream_key, site.endpoint, sync_always=is_on_disk)
    data_id = begin(streamer)
    for index in range(2):
        push(streamer, data_id, index, frames)
    streamer.close()  # as it would be killed
    (run,) = runs_in(bucket)
    spoil(run / "uploads/0-1", flip_a_bit)
    with RHEEDStreamer(site.stream_key, site.endpoint) as later:
        (report,) = later.recover()
        assert later.recover() == []
    assert report["closed"]
    assert [index for index, _ in report["lost"]] == ([] if is_on_disk else [0])
    np.testing.assert_array_equal(stored(bucket).frames, frames if is_on_disk else frames[CHUNK:])


@pytest.mark.skipif(INTERPRETER is None, reason="the public client is not installed")
def test_the_public_client_is_not_disturbed(site: Serving, bucket: BucketPath, spoilt: set[str]) -> None:
    assert INTERPRETER is not None
    spoilt.add("1")
    done = subprocess.run(
        [INTERPRETER, "-c", PUBLIC_CLIENT, site.endpoint],
        input=site.stream_key + "\n", capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frames = np.random.default_rng(7).integers(1, 256, (50, 30, 50), np.uint8)
    dataset = stored(bucket)
    np.testing.assert_array_equal(dataset.frames, np.delete(frames, np.s_[20:40], axis=0))
    assert dataset.attrs["refused_chunks"] == [1]
