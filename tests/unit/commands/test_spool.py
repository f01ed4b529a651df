"""The table of what waits, in a spool where other processes are at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheed_acquire.commands.spool import clear, main, waiting_streams
from rheed_acquire.frames.ring_files import SUFFIX
from rheed_acquire.streaming.stream_folder import StreamFolder
from rheed_acquire.streaming.stream_record import RECORD, StreamRecord


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """The folder of a stream that no process is at work on."""
    record = StreamRecord(
        data_id="00000000-0000-4000-8000-000000000001",
        created_unix_s=time.time(),
        server="http://127.0.0.1:9",
        name="Growth",
        fps=10.0,
        rotations_per_min=0.0,
        chunk_size=20,
    )
    root = tmp_path / "spool"
    root.mkdir(mode=0o700)
    folder = StreamFolder.create(root, record)
    folder.close(delete=False)
    return folder.path


@pytest.mark.parametrize("moment", ["before its files are listed", "before they are looked at"])
def test_a_ring_that_its_run_deletes_meanwhile_is_passed_over(
    stream: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    of_pathlib = Path.glob

    def deleted_meanwhile(folder: Path, pattern: str) -> Iterator[Path]:
        if pattern != f"*{SUFFIX}":
            yield from of_pathlib(folder, pattern)
        elif moment == "before its files are listed":
            raise FileNotFoundError(folder)
        else:
            yield folder / f"0{SUFFIX}"

    monkeypatch.setattr(Path, "glob", deleted_meanwhile)
    assert clear(stream.parent, delete_frames=False) == ["no ring holds memory that is not needed"]
    ((waiting,), strange) = waiting_streams(stream.parent)
    assert (waiting.ring_bytes, strange) == (0, [])


def test_what_is_left_as_it_is_stands_on_lines_of_its_own(
    stream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stream.parent.parent)
    (stream / RECORD).write_text("damaged")
    (stream / "shards" / "0.shard").write_bytes(b"frames")
    assert main(["--spool-dir", str(stream.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index(str(stream)) + 1].startswith("  left as it is: ")
