"""One folder in which `rheed-acquire` meets the faulty camera, is killed, and recovers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hardware_mocks.faulty_camera.rheed_acquire_faulty.camera import read_witness
from hardware_mocks.faulty_camera.rheed_acquire_faulty.pattern import deepen, expected_frame, lay_out
from tests.child_processes import children_of
from tests.ctrl_c import OWN_CONSOLE

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
CAMERA = ROOT / "hardware_mocks" / "faulty_camera"
LIMIT_S = 300.0
"""After which a process that should have ended is a failure."""
FPS = 60.0
_AT_ONCE = 1000
FROM_OUTSIDE = ("RHEED_", "AS_API_", "ATOMSCALE_", "PYLON_")


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream as the server keeps it.

    Attributes
    ----------
    frames
        Zarr array of (N, H, W) uint8, in the server's order; None where it holds none, or is not closed yet.
    """

    data_id: str
    state: str
    frames: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        report: dict[str, Any] = json.loads(self.out)
        return report


class Rig:
    """Runs the command with a spool, a witness and a stream's name of its own.

    Parameters
    ----------
    folder
        Made where it is not there; everything of this rig lies in it.
    name
        Of its streams, by which they are found in the store.
    server
        Through which the command reaches the store; None for the command's own local server.
    spool
        By default in ``folder``.
    """

    def __init__(
        self, folder: Path, name: str, server: FaultyServer | None = None, spool: Path | None = None
    ) -> None:
        self.folder, self.name, self.server = folder, name, server
        folder.mkdir(parents=True, exist_ok=True)
        self.spool = spool or folder / "spool"
        self.witness = folder / "witness"
        self.runs = server.upstream.directory if server is not None else folder / "runs"
        self.height, self.width = 32, 48
        self.pixel_format = "Mono8"
        self.archive: Path | None = None
        self.endpoint = None if server is None else server.endpoint
        self.proxy: str | None = None
        self.variables: dict[str, str] = {}
        self._site = folder / "site"
        self._install()
        self._processes: list[subprocess.Popen[bytes]] = []

    def _install(self) -> None:
        """Write what pip would: so the camera is found as any installed plugin is."""
        info = self._site / "rheed_acquire_faulty-0.1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rheed-acquire-faulty\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text("[rheed_acquire]\nfaulty = rheed_acquire_faulty\n")

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FROM_OUTSIDE)}
        kept |= {"PYTHONPATH": os.pathsep.join((str(self._site), str(CAMERA))), "PYTHONUTF8": "1"}
        if "RHEED_SHARED_MEMORY" in os.environ:
            kept["RHEED_SHARED_MEMORY"] = os.environ["RHEED_SHARED_MEMORY"]
        if self.server is not None:
            kept["AS_API_KEY"] = self.server.api_key
        if self.endpoint is not None:
            kept["AS_API_ENDPOINT"] = self.endpoint
        if self.proxy is not None:
            kept |= {"http_proxy": self.proxy, "no_proxy": ""}
        return kept | self.variables

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a run with the faulty camera."""
        size = ("--faulty.width", str(self.width), "--faulty.height", str(self.height))
        depth = ("--faulty.pixel-format", self.pixel_format)
        archive = () if self.archive is None else ("--archive", str(self.archive))
        named = ("--stream-name", self.name, "--output", str(self.runs))
        kept = ("--spool-dir", str(self.spool), "--faulty.witness", str(self.witness))
        rate = () if "--fps" in arguments else ("--fps", str(FPS))
        return self._spawn(["--camera", "faulty", *size, *depth, *archive, *rate, *named, *kept, *arguments])

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a subcommand on this rig's spool."""
        return self._spawn([*arguments, "--spool-dir", str(self.spool)])

    def run(self, *arguments: str) -> Ended:
        """Make a run with ``--json`` and wait for its end."""
        return self.finish(self.start(*arguments, "--json"))

    def recover(self, *arguments: str) -> Ended:
        """Run ``rheed-acquire recover``."""
        return self.finish(self.command("recover", *arguments, "--json"))

    def _spawn(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        number = len(self._processes)
        # Files, not pipes: nobody reads while the process runs.
        with (
            (self.folder / f"{number}.out").open("wb") as out,
            (self.folder / f"{number}.err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "rheed_acquire", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env=self.environment(),
                creationflags=OWN_CONSOLE,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def children(process: subprocess.Popen[bytes], module: str) -> list[int]:
        """Processes that one has started as ``python -m module``; none where the system does not tell."""
        return [child.pid for child in children_of(process.pid) if module in child.words]

    def finish(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for a process to end by itself, and read what it said."""
        code = process.wait(LIMIT_S)
        number = self._processes.index(process)
        out, err = ((self.folder / f"{number}.{kind}").read_text("utf-8") for kind in ("out", "err"))
        return Ended(code, out, err)

    def end(self) -> None:
        """End what is still running."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def frames_taken(self) -> int:
        """Callbacks of the camera that have returned."""
        return read_witness(self.witness)

    def wait_until(
        self, what: Callable[[], Any], process: subprocess.Popen[bytes], limit_s: float = LIMIT_S
    ) -> bool:
        """Wait until something holds; False where the process has ended first, or time is up."""
        deadline = time.monotonic() + limit_s
        while not what():
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.0005)
        return True

    def spooled(self, pattern: str) -> list[Path]:
        """Files in the spool, as ``shards/*.shard`` of any stream."""
        return list(self.spool.glob(f"*/{pattern}"))

    def archiving(self, pattern: str) -> list[Path]:
        """Files in archives, as ``incoming/*`` of any; none where none is kept."""
        return [] if self.archive is None else list(self.archive.glob(f"*/{pattern}"))

    def waiting(self) -> list[Path]:
        """Streams that the spool still knows."""
        return self.spooled("stream.json")

    def stored(self) -> Iterator[StoredStream]:
        """The rig's streams in the server's store."""
        import zarr

        for path in sorted(self.runs.glob("*/stream.json")):
            record = json.loads(path.read_bytes())
            if record["name"] != self.name:
                continue
            frames = None
            recording = path.parent / "frames.zarr"
            if record["state"] == "closed" and (recording / "frames").exists():
                group: Any = zarr.open_group(recording, mode="r")
                frames = group["frames"]
            yield StoredStream(record["data_id"], record["state"], frames)

    def expect_delivered(self, at_least: int, at_most: int | None = None) -> int:
        """Check that one stream holds frames 0, 1, 2, ... bit by bit, and that every stream is closed.

        Parameters
        ----------
        at_least, at_most
            How many frames there must be, and may be; by default at most one more: the one that the camera
            was just handing over.

        Returns
        -------
        int
            Frames found.
        """
        at_most = at_least + 1 if at_most is None else at_most
        streams = list(self.stored())
        # One that the server made and whose answer never reached a living process holds no frame.
        full = [stream for stream in streams if stream.frames is not None]
        is_open = [s.data_id for s in streams if s.state != "closed" and self._has_chunks(s.data_id)]
        assert not is_open, f"not finalized: {is_open}"
        if not full:
            assert at_least == 0, f"{at_least} frames were taken, and none is in the store"
            return 0
        assert len(full) == 1, f"{len(full)} streams hold frames"
        frames = full[0].frames
        count = int(frames.shape[0])
        for first in range(0, count, _AT_ONCE):  # of a long run all do not fit into memory
            expect_frames(frames[first : first + _AT_ONCE], self.height, self.width, first)
        assert at_least <= count <= at_most, f"{count} frames, not {at_least} to {at_most}"
        return count

    def archived(self) -> Any:
        """The frames of the one archive, which is closed."""
        return self.archived_group()["frames"]

    def archived_group(self) -> Any:
        """The one archive, which is closed."""
        import zarr

        assert self.archive is not None
        (path,) = self.archive.glob("*/frames.zarr")
        group: Any = zarr.open_group(path, mode="r")
        assert group.attrs["state"] == "closed", f"the archive is {group.attrs['state']}"
        return group

    def expect_archived(self, count: int) -> None:
        """Check that the archive holds as many frames as the stream, numbers 0, 1, 2, ..., as they came."""
        assert self.archive is not None
        archives = list(self.archive.glob("*/frames.zarr"))
        if not count and not any((path / "frames").exists() for path in archives):
            return
        assert len(archives) == 1, f"{len(archives)} archives, with {count} frames in the stream"
        numbers = self.expect_originals()
        assert len(numbers) == count, f"{len(numbers)} frames in the archive, {count} in the stream"
        assert np.array_equal(numbers, np.arange(count)), "the archive's frames are not numbered one by one"

    def expect_originals(self) -> NDArray[np.int64]:
        """Check that each frame in the archive is as the camera gave it, with its stamp; their numbers.

        The camera's stamps are its frames' numbers times their period, after a time that is not known here.
        """
        frames, group = self.archived(), self.archived_group()
        numbers: NDArray[np.int64] = group["frame_id"][:]
        if "region_mean" in group:
            self._expect_traces(group)
        assert (np.diff(numbers) > 0).all(), "a frame is there twice, or in another order"
        begun = group["camera_timestamp_ns"][:] - [round(number * (1e9 / FPS)) for number in numbers.tolist()]
        assert (begun == begun[0]).all(), "camera stamps are not those of the camera"
        captured, arrived = group["time_unix_ms"][:], group["arrival_unix_ms"][:]
        assert frames.shape[0] == len(numbers) == len(captured) == len(arrived)
        assert np.isfinite(captured).all()
        assert (np.diff(arrived) >= 0).all()
        for number, frame in zip(numbers.tolist(), frames[:], strict=True):
            gray = expected_frame(number, self.height, self.width)
            deep = self.pixel_format in ("Mono12", "Mono12p")
            good = deepen(gray, number) if deep else lay_out(gray, number, self.pixel_format)
            assert np.array_equal(frame, good), f"frame {number} was changed on its way into the archive"
        return numbers

    def _expect_traces(self, group: Any) -> None:
        """Check what the archive says of the run's region, in every frame of which it says something."""
        from rheed_acquire.recording.reading import RecordedRun
        from rheed_acquire.regions.traces import measure

        assert self.archive is not None
        (path,) = self.archive.glob("*/frames.zarr")
        run = RecordedRun(path)
        true = measure(run.levels(run.read(0, len(run))), np.zeros(len(run)), run.regions())
        for name, expected in (("region_mean", true.mean.T), ("region_maximum", true.maximum.T)):
            told = group[name][:]
            known = np.isfinite(told)
            assert np.array_equal(told[known], expected[known]), f"{name} is not of these frames"

    def _has_chunks(self, data_id: str) -> bool:
        return any((folder / "chunks.jsonl").exists() for folder in self.runs.glob(f"*-{data_id[:8]}"))


def stamps_of(frames: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The number that each of (N, H, W) frames bears in its first 8 pixels, (N,)."""
    stamps: NDArray[np.uint64] = np.ascontiguousarray(frames.reshape(len(frames), -1)[:, :8]).view("<u8")
    return stamps[:, 0]


def expect_frames(frames: NDArray[np.uint8], height: int, width: int, first: int = 0) -> None:
    """Check that frames are numbers ``first``, ``first + 1``, ... as the camera made them, bit by bit."""
    numbers = stamps_of(frames)
    expected = np.arange(first, first + len(frames), dtype=np.uint64)
    wrong = np.flatnonzero(numbers != expected)
    assert not len(wrong), f"frame {wrong[0]} of the store is number {numbers[wrong[0]]}"
    for place, frame in enumerate(frames):
        good = expected_frame(first + place, height, width)
        assert np.array_equal(frame, good), f"frame {first + place} was changed on its way"
