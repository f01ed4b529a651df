"""``--streamer atomscale``: the public client delivers a run, whatever the server does meanwhile.

Runs where the client is installed beside this project: ``pip install "rheed-acquire[atomscale]"``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from pydantic import SecretStr
from tests.ctrl_c import OWN_CONSOLE, press_ctrl_c

from rheed_acquire import ChunkRing, StreamerError, StreamerRequest
from rheed_acquire.frames.ring import Chunk, TimeBase, chunk_of
from rheed_acquire.host.plugins import PluginHost, missing_requirement
from rheed_acquire.recording.layout import find_run_folder
from rheed_acquire.streaming.limits import SpoolLimits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.conftest import Distributions
    from tests.integration.conftest import MakeFrames

    from rheed_acquire import Streamer
    from rheed_acquire.server.process import LocalServer

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0
KEY = "s3cret-key-of-the-test"
HAS_CLIENT = importlib.util.find_spec("atomscale") is not None
needs_client = pytest.mark.skipif(
    not HAS_CLIENT, reason='the public client is not installed here: pip install "rheed-acquire[atomscale]"'
)

WITNESS = """
from pathlib import Path
import numpy as np
from rheed_acquire import hookimpl

@hookimpl
def rheed_chunk_completed(run, chunk):
    np.save(f"{chunk.index:03}.part.npy", chunk.frames)
    Path(f"{chunk.index:03}.part.npy").rename(f"{chunk.index:03}.npy")
"""
CAMERA = ("--camera", "simulated", "--fps", "50", "--simulated.width", "64", "--simulated.height", "48")


class Runs:
    """Makes runs in a folder, in which a witness beside the streamer keeps what was captured."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self._site = folder, site
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RHEED_", "AS_API_", "ATOMSCALE_"))
        }
        kept |= {"PYTHONPATH": str(self._site), "PYTHONUTF8": "1"}
        kept |= {"RHEED_SPOOL_DIR": str(self.folder / "spool")}
        kept |= {"RHEED_SHARED_MEMORY": os.environ["RHEED_SHARED_MEMORY"]}
        process = subprocess.Popen(
            [sys.executable, "-m", "rheed_acquire", *CAMERA, "--streamer", "atomscale", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=kept | variables,
            creationflags=OWN_CONSOLE,
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], code: int = 0) -> tuple[dict[str, Any], str]:
        """Wait for a run with ``--json``; its report and its stderr."""
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code, out + err
        assert "Traceback" not in err
        return json.loads(out), err

    def wait_for_chunk(self, index: int) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not (self.folder / f"{index:03}.npy").exists():
            assert time.monotonic() < deadline, f"chunk {index} was never captured"
            time.sleep(0.02)

    def captured(self) -> NDArray[np.uint8]:
        return np.concatenate([np.load(path) for path in sorted(self.folder.glob("*.npy"))])

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def runs(tmp_path: Path, distributions_on_disk: Distributions) -> Iterator[Runs]:
    distributions_on_disk.add("witness", WITNESS)
    folder = tmp_path / "work"
    folder.mkdir()
    runs = Runs(folder, distributions_on_disk.folder)
    yield runs
    runs.end()


def interrupt(process: subprocess.Popen[str]) -> None:
    press_ctrl_c(process)


def stored(run_directory: Path | str) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    group: Any = zarr.open_group(Path(run_directory) / "frames.zarr", mode="r")
    return group["frames"][:], dict(group.attrs)


@needs_client
def test_a_run_on_the_local_server_arrives_bit_by_bit(runs: Runs) -> None:
    report, err = runs.finish(runs.start("--frames", "130", "--json", "--physical-sample", "GaN-7"))
    frames, attributes = stored(report["output"])
    np.testing.assert_array_equal(frames, runs.captured())
    assert len(frames) == report["frames_received"] == report["frames_pushed"] == 130
    assert (report["chunks_pushed"], report["chunks_uploaded"], report["chunks_not_uploaded"]) == (2, 2, 0)
    assert report["problems"] == []
    assert (attributes["state"], attributes["physical_sample"]["name"]) == ("closed", "GaN-7")
    assert "rheed_stream" not in err, "the client's own log"
    assert not (runs.folder / "spool").exists(), "the other streamer's spool is left alone"


@needs_client
def test_ctrl_c_delivers_the_chunk_begun_and_ends_the_stream(runs: Runs) -> None:
    process = runs.start("--json")
    runs.wait_for_chunk(0)
    time.sleep(0.5)  # into the chunk after it
    interrupt(process)
    report, _ = runs.finish(process)
    frames, attributes = stored(report["output"])
    np.testing.assert_array_equal(frames, runs.captured())
    assert report["frames_received"] == report["frames_pushed"] == len(frames) > 100
    assert attributes["state"] == "closed"


@pytest.fixture
def mocks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT)
    from hardware_mocks import faulty_server

    return faulty_server


@needs_client
def test_a_server_that_fails_some_uploads_gets_every_chunk_in_the_end(
    runs: Runs, mocks: Any, tmp_path: Path
) -> None:
    with mocks.FaultyServer(tmp_path / "store", seed=3) as server:
        for endpoint in ("presign", "upload"):
            server.add(mocks.Rule(endpoint, mocks.Kind.STATUS, 503.0, times=2))
        arguments = ("--endpoint", server.endpoint, "--frames", "130", "--json")
        report, _ = runs.finish(runs.start(*arguments, AS_API_KEY=server.api_key))
        frames, _ = stored(server.upstream.run_directory(report["data_id"]))
    assert len(server.plan.faults) == 4
    np.testing.assert_array_equal(frames, runs.captured())
    assert (report["chunks_uploaded"], report["problems"]) == (2, [])


@needs_client
def test_what_a_server_that_died_did_not_get_is_kept_and_goes_with_the_next_run(
    runs: Runs, mocks: Any, tmp_path: Path
) -> None:
    with mocks.FaultyServer(tmp_path / "store", seed=3) as server:
        arguments = ("--endpoint", server.endpoint, "--json")
        process = runs.start(*arguments, "--drain-timeout", "1", AS_API_KEY=server.api_key)
        runs.wait_for_chunk(0)
        server.go_down()
        runs.wait_for_chunk(1)
        interrupt(process)
        report, _ = runs.finish(process, code=3)
        captured = runs.captured()
        assert report["frames_received"] == report["frames_pushed"] == len(captured)
        (problem,) = [problem["text"] for problem in report["problems"] if problem["code"] == "not-finalized"]
        assert f"kept in {runs.folder / 'spool-atomscale-client'}" in problem
        server.come_back()
        after, _ = runs.finish(runs.start(*arguments, "--frames", "10", AS_API_KEY=server.api_key))
        assert after["problems"] == []
        run = server.upstream.run_directory(report["data_id"])
        deadline = time.monotonic() + LIMIT_S
        while (run / "chunks.jsonl").read_text(encoding="utf-8").count("\n") < report["chunks_pushed"]:
            assert time.monotonic() < deadline, "chunks of the first run never came"
            time.sleep(0.05)
        frames, _ = stored(run)
    np.testing.assert_array_equal(frames, captured)


@needs_client
def test_two_interrupts_wait_for_the_server_no_longer(runs: Runs, mocks: Any, tmp_path: Path) -> None:
    with mocks.FaultyServer(tmp_path / "store", seed=3) as server:
        server.add(mocks.Rule("end", mocks.Kind.STATUS, 503.0))
        process = runs.start("--endpoint", server.endpoint, "--json", AS_API_KEY=server.api_key)
        runs.wait_for_chunk(0)
        interrupt(process)
        assert process.stderr is not None
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        deadline = time.monotonic() + LIMIT_S
        while not any("/end" in request for request, _ in list(server.plan.faults)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        interrupt(process)
        report, _ = runs.finish(process, code=130)
    assert any("has not confirmed the end of the stream" in problem["text"] for problem in report["problems"])


@needs_client
def test_a_key_that_the_server_refuses_is_one_clear_line_without_the_key(
    runs: Runs, local_server: LocalServer
) -> None:
    process = runs.start("--endpoint", local_server.endpoint, "--frames", "10", AS_API_KEY=KEY)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "the Atomscale client could not open a stream on " + local_server.endpoint in line
    assert line.endswith("check the key in AS_API_KEY")
    assert KEY not in err
    assert "Traceback" not in err


OpenClient = Callable[..., "Streamer"]


@pytest.fixture
def open_client(local_server: LocalServer, tmp_path: Path) -> Iterator[OpenClient]:
    opened: list[Streamer] = []

    def open_client(
        endpoint: str = local_server.endpoint, key: SecretStr = local_server.api_key, **request: Any
    ) -> Streamer:
        backend = PluginHost().streamers["atomscale"]
        streamer = backend.open(
            backend.settings(),
            StreamerRequest(key, endpoint, spool_folder=tmp_path / "spool", **request),
        )
        opened.append(streamer)
        return streamer

    yield open_client
    for streamer in opened:
        streamer.close()


def make_chunk(ring: ChunkRing, index: int, frames: NDArray[np.uint8], start_ms: float = 1.7e12) -> Chunk:
    buffer = ring.acquire()
    assert buffer is not None, "an earlier chunk was not released"
    buffer.begin(index)
    buffer.append(frames)
    chunk = chunk_of(buffer, ring)
    chunk.date(start_ms + index * 2000)
    return chunk


@needs_client
def test_a_chunk_is_released_with_its_push_and_its_memory_may_be_used_again(
    open_client: OpenClient, local_server: LocalServer, make_frames: MakeFrames
) -> None:
    streamer = open_client()
    data_id = streamer.initialize(10.0, 15.0, 20, stream_name="reused")
    ring = ChunkRing(2, 20, 48, 64)
    pushed = [make_frames(20, 48, 64, seed) for seed in range(6)]
    for index, frames in enumerate(pushed):
        chunk = make_chunk(ring, index, frames)
        streamer.push_chunk(data_id, chunk)
        chunk.frames[:] = 0xEE
    assert streamer.status(data_id).chunks_pushed == 6
    report = streamer.finalize(data_id, 30)
    assert (report["chunks_uploaded"], report["chunks_not_uploaded"], report["closed"]) == (6, 0, True)
    assert streamer.status(data_id).chunks_uploaded == 6, "also after the end"
    frames, attributes = stored(local_server.run_directory(data_id))
    np.testing.assert_array_equal(frames, np.concatenate(pushed))
    assert attributes["rotations_per_min"] == 15.0


@pytest.fixture
def server_ahead(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server whose clock is 5 s ahead, by what its clients need to know of it.

    In a process of its own: the client holds the GIL while it waits for the answers to `initialize`.
    """
    variables = tmp_path / "server.env"
    arguments = ("--directory", str(tmp_path / "store"), "--env-file", str(variables))
    with subprocess.Popen(
        [sys.executable, "-m", "faulty_server", *arguments, "--rule", "time:skew:5"],
        cwd=ROOT / "hardware_mocks",
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving")
        yield dict(line.split("=", 1) for line in variables.read_text(encoding="utf-8").splitlines())
        process.terminate()


@needs_client
def test_stamps_of_a_reference_clock_are_not_corrected_a_second_time(
    open_client: OpenClient, server_ahead: dict[str, str], make_frames: MakeFrames, tmp_path: Path
) -> None:
    streamer = open_client(server_ahead["AS_API_ENDPOINT"], SecretStr(server_ahead["AS_API_KEY"]))
    data_id = streamer.initialize(10.0, 0.0, 20)
    ring = ChunkRing(2, 20, 4, 4)
    bases: tuple[TimeBase, ...] = ("host", "reference")
    for index, base in enumerate(bases):
        chunk = make_chunk(ring, index, make_frames(20, 4, 4))
        chunk.time_base = base
        streamer.push_chunk(data_id, chunk)
    streamer.finalize(data_id, 30)
    run = find_run_folder(tmp_path / "store", data_id)
    assert run is not None
    group: Any = zarr.open_group(run / "frames.zarr", mode="r")
    starts = [1.7e12 + 5000, 1.7e12 + 2000]
    np.testing.assert_allclose(group["chunk_start_unix_ms"][:], starts, atol=500, rtol=0)


@needs_client
def test_a_black_chunk_which_the_client_refuses_is_counted_as_failed_and_no_other(
    open_client: OpenClient, make_frames: MakeFrames
) -> None:
    streamer = open_client()
    data_id = streamer.initialize(10.0, 0.0, 20)
    ring = ChunkRing(2, 20, 4, 4)
    for index in range(3):
        frames = make_frames(20, 4, 4) * np.uint8(index != 1)
        streamer.push_chunk(data_id, make_chunk(ring, index, frames))
    status = streamer.status(data_id)
    assert (status.chunks_pushed, status.chunks_failed) == (3, 1)
    report = streamer.finalize(data_id, 30)
    assert (report["chunks_uploaded"], report["chunks_failed"], report["chunks_not_uploaded"]) == (2, 1, 1)
    ((index, reason),) = report["lost"]
    assert index == 1
    assert "refused a chunk with every pixel 0" in reason


@needs_client
def test_a_full_spool_ends_the_run_and_what_was_dropped_is_in_the_report(
    open_client: OpenClient, make_frames: MakeFrames
) -> None:
    streamer = open_client(spool_limits=SpoolLimits(max_bytes=1000, keep_free_bytes=0))
    data_id = streamer.initialize(10.0, 0.0, 20)
    streamer.push_chunk(data_id, make_chunk(ChunkRing(2, 20, 48, 64), 0, make_frames(20, 48, 64)))
    status = streamer.status(data_id)
    assert (status.chunks_pushed, status.chunks_failed, status.chunks_queued) == (1, 1, 0)
    assert status.stop_reason is not None
    assert "spool is full" in status.stop_reason
    report = streamer.finalize(data_id, 30)  # with warnings as errors: the client's own is kept back
    assert (report["chunks_dropped"], report["chunks_not_uploaded"]) == (1, 1)


@needs_client
def test_errors_and_representations_name_the_server_and_never_the_key(open_client: OpenClient) -> None:
    streamer = open_client("http://127.0.0.1:9", SecretStr(KEY))
    with pytest.raises(StreamerError, match=r"could not open a stream on http://127\.0\.0\.1:9: ") as caught:
        streamer.initialize(10.0, 0.0, 20)
    assert KEY not in str(caught.value) + repr(streamer) + repr(vars(streamer))
    with pytest.raises(StreamerError, match="is not open"):
        streamer.push_chunk("nothing", make_chunk(ChunkRing(2, 1, 4, 4), 0, np.ones((1, 4, 4), np.uint8)))


@pytest.mark.skipif(HAS_CLIENT, reason="the public client is installed here")
def test_without_the_client_the_streamer_is_listed_with_what_to_install() -> None:
    backend = PluginHost().streamers["atomscale"]
    assert (
        missing_requirement(backend) == 'atomscale is not installed: pip install "rheed-acquire[atomscale]"'
    )
