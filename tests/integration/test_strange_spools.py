"""One thing in the spool that makes no sense keeps no stream from its recovery, and nobody from a run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.commands.recover import main as recover
from rheed_acquire.commands.spool import main as show_spool
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.spool_entries import look_through
from rheed_acquire.streaming.stream_record import VERSION

if TYPE_CHECKING:
    from tests.integration.conftest import Connect, MakeFrames
    from tests.integration.fault_server import FaultServer

SIZE = 20


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def a_file(stream: Path) -> None:
    (stream.parent / "desktop.ini").write_text("[.ShellClassInfo]")


def an_empty_folder(stream: Path) -> None:
    (stream.parent / "New Folder").mkdir()


def a_copied_shard(stream: Path) -> None:
    shards = stream / "shards"
    for kind in ("shard", "json"):
        shutil.copy(shards / f"0.{kind}", shards / f"0 - Copy.{kind}")
    (shards / "Thumbs.db").write_bytes(b"\0")
    (shards / "x.done").write_bytes(b"")


def folders_called_as_shards(stream: Path) -> None:
    for name in ("7.shard", "8.json", "9.done"):
        (stream / "shards" / name).mkdir()


def a_link_called_as_a_shard(stream: Path) -> None:
    (stream / "shards" / "7.shard").symlink_to(stream / "stream.json")


KEPT_IN_ITS_FOLDER = [
    a_file,
    an_empty_folder,
    a_copied_shard,
    folders_called_as_shards,
    a_link_called_as_a_shard,
]


def a_truncated_record(stream: Path) -> None:
    record = stream / "stream.json"
    record.write_bytes(record.read_bytes()[:-20])


def a_record_of_nonsense(stream: Path) -> None:
    rewrite(stream / "stream.json", fps="fast", created_unix_s=None)


def a_record_that_is_no_record(stream: Path) -> None:
    (stream / "stream.json").write_text("[" * 100_000)


def a_record_of_a_newer_version(stream: Path) -> None:
    rewrite(stream / "stream.json", version=VERSION + 1)


def a_renamed_folder(stream: Path) -> None:
    stream.rename(stream.with_name("Growth of Monday"))


def no_record(stream: Path) -> None:
    (stream / "stream.json").unlink()


def a_folder_in_place_of_the_record(stream: Path) -> None:
    (stream / "stream.json").unlink()
    (stream / "stream.json").mkdir()


def a_file_in_place_of_the_shards(stream: Path) -> None:
    shutil.move(stream / "shards", stream / "quarantine")
    (stream / "shards").write_text("")


SPOILT = [
    a_truncated_record,
    a_record_of_nonsense,
    a_record_that_is_no_record,
    a_record_of_a_newer_version,
    a_renamed_folder,
    no_record,
    a_folder_in_place_of_the_record,
    a_file_in_place_of_the_shards,
]


@pytest.fixture
def leave(connect: Connect, service: FaultServer, make_frames: MakeFrames) -> Callable[[int], str]:
    """Leave a stream with so many chunks in the spool."""

    def leave(chunks: int) -> str:
        service.fail("presign", 503, times=100_000)
        streamer = connect(service)
        data_id = streamer.initialize(10.0, 0.0, SIZE)
        for number in range(chunks):
            streamer.push(data_id, number, make_frames(SIZE, seed=number))
        while streamer.spool_status(data_id)["encoding"]:
            pass
        streamer.finalize(data_id, drain_timeout_s=0.0)
        service.recover()
        return data_id

    return leave


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"
    }


@pytest.mark.parametrize("spoil", KEPT_IN_ITS_FOLDER + SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_strange_is_named_and_left_and_all_streams_that_make_sense_are_recovered(
    connect: Connect,
    service: FaultServer,
    leave: Callable[[int], str],
    make_frames: MakeFrames,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
) -> None:
    strange, good = leave(2), leave(1)
    root = tmp_path / "spool"
    stream = root / strange
    shards = {f"{number}.shard": (stream / "shards" / f"{number}.shard").read_bytes() for number in range(2)}
    spoil(stream)
    assert show_spool([]) == 0
    assert good in capsys.readouterr().out
    # A run can begin, delivers, and does not mind.
    with RHEEDStreamer("key-of-the-test", service.endpoint, server="has nothing waiting") as streamer:
        data_id = streamer.initialize(10.0, 0.0, SIZE)
        streamer.push(data_id, 0, make_frames(SIZE))
        assert streamer.finalize(data_id, drain_timeout_s=30)["chunks_uploaded"] == 1
    monkeypatch.setenv("AS_API_KEY", "key-5ecret-of-the-test")
    monkeypatch.setenv("AS_API_ENDPOINT", service.endpoint)
    code = recover(["--json"])
    said = capsys.readouterr()
    report = json.loads(said.out)
    delivered = {owner for owner, _ in service.shards}
    assert good in delivered
    assert "Traceback" not in said.err
    if spoil in SPOILT:
        assert strange not in delivered
        assert code == 3
        kept = contents(root)
        assert sorted(shards.values()) == sorted(b for p, b in kept.items() if p.endswith(".shard"))
        assert report["strange"] or any(entry.get("trouble") for entry in report["streams"])
    else:
        assert {(strange, 0), (strange, 1)} <= set(service.shards)
        assert report["strange"] or any(entry["strange"] for entry in report["streams"])
        assert code == 0


def test_a_sidecar_that_cannot_be_read_at_present_keeps_its_stream_in_the_spool(
    connect: Connect, service: FaultServer, leave: Callable[[int], str], tmp_path: Path
) -> None:
    data_id = leave(2)
    sidecar = tmp_path / "spool" / data_id / "shards" / "1.json"
    sidecar.chmod(0)
    if os.access(sidecar, os.R_OK):
        pytest.skip("needs a file that is not readable")
    (report,) = connect(service).recover()
    assert report["chunks_uploaded"] == 1
    assert [index for index, _ in report["lost"]] == [1]
    (shard,) = (tmp_path / "spool" / data_id / "shards").glob("*.shard")
    assert shard.name == "1.shard"


def test_an_empty_spool_has_nothing_strange(tmp_path: Path) -> None:
    assert look_through(tmp_path) == ([], [])
