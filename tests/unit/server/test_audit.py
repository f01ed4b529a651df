"""The line of each stream that has ended, and what is left of it in a bucket."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from tests.unit.server.conftest import START, encode_shard, make_frames

from rheed_acquire import BucketPath
from rheed_acquire.recording.declarations import ChunkDeclaration, StreamDeclaration
from rheed_acquire.server.audit import Audit
from rheed_acquire.server.documents import BucketDocuments, Documents, FolderDocuments
from rheed_acquire.server.keys import Key, Right
from rheed_acquire.server.site import SiteStreams
from rheed_acquire.server.store import StreamStore

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_run import BucketRun
    from rheed_acquire.recording.run_writer import RunWriter

KEY = Key("chamber-3", frozenset({Right.STREAM}), "")
DECLARED = StreamDeclaration("Growth\n7 <b>", 30.0, 0.0, None, None, "[110]")
NOW = timedelta()


def chunk(index: int) -> ChunkDeclaration:
    return ChunkDeclaration(index, 4, 5, 7, 4, START + index * 1000)


class Place:
    """A folder or a bucket with its streams."""

    def __init__(self, streams: StreamStore | SiteStreams, documents: Documents) -> None:
        self.streams, self.documents = streams, documents
        self.audit = Audit(documents)

    def stream(self, *indices: int) -> RunWriter | BucketRun:
        run = self.streams.create(DECLARED, KEY)
        for index in indices:
            shard = encode_shard(make_frames(4, index))
            if isinstance(self.streams, SiteStreams):
                put(self.streams.get(run.data_id).announce(chunk(index)).url, shard)
            else:
                stream = self.streams.get(run.data_id)
                received = stream.incoming_path()
                received.write_bytes(shard)
                stream.commit(received, chunk(index))
        return run


def put(url: str, body: bytes) -> None:
    assert requests.put(url, data=body, headers={"Content-Type": ""}, timeout=60).status_code == 200


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(StreamStore(tmp_path), FolderDocuments(tmp_path))
    bucket: BucketPath = request.getfixturevalue("bucket")
    return Place(SiteStreams(bucket), BucketDocuments(bucket))


def test_a_stream_that_has_ended_has_one_line_that_says_who_what_and_how_much(place: Place) -> None:
    run = place.stream(0, 1, 3)
    assert place.audit.lines() == []
    assert [one.data_id for one in place.streams.open_streams()] == [run.data_id]
    for _ in range(2):
        place.streams.close(run.data_id, "test")
    assert list(place.streams.open_streams()) == []
    (line,) = place.audit.lines()
    shard = sum(len(encode_shard(make_frames(4, index))) for index in (0, 1, 3))
    assert line["bytes"] >= shard
    expected = {
        "data_id": run.data_id, "name": "Growth\n7 <b>", "folder": run.folder.name,
        "streamed_by": "chamber-3", "end_reason": "test", "frames": 12, "chunks": 3, "chunks_missing": 1,
        "azimuth_label": "[110]", "fps": 30.0, "sample": None, "tags": [],
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert line["created_utc"] <= line["ended_utc"]


def test_a_sample_that_is_linked_later_is_in_the_line_and_lines_of_others_stay(place: Place) -> None:
    runs = [place.stream(0) for _ in range(2)]
    for run in runs:
        place.streams.close(run.data_id, "test")
    first = place.streams.get(runs[0].data_id)
    first.link(physical_sample={"id": "1", "name": "wafer"}, tags=[{"id": "2", "name": "night"}])
    place.audit.note(first.folder)
    found = {line["data_id"]: (line["sample"], line["tags"]) for line in place.audit.lines()}
    assert found == {runs[0].data_id: ("wafer", ["night"]), runs[1].data_id: (None, [])}


def test_a_damaged_line_costs_no_other(place: Place) -> None:
    run = place.stream()
    place.streams.close(run.data_id, "test")
    (name,) = place.documents.below("audit")
    place.documents.change(name, lambda before: b"{half\n[]\n" + (before or b"") + b"\xff\n")
    assert [line["data_id"] for line in place.audit.lines()] == [run.data_id]


def test_what_is_uploaded_after_a_streams_end_is_removed(bucket: BucketPath) -> None:
    streams = SiteStreams(bucket)
    run = streams.create(DECLARED)
    late = run.announce(chunk(0)).url
    streams.close(run.data_id, "test")
    put(late, b"late")
    uploads = run.folder / "uploads"
    streams.sweep()
    assert len(list(uploads.below())) == 1, "the URL is good for some minutes yet"
    streams.sweep(NOW)
    assert list(uploads.below()) == []
    assert (run.folder / "stream.json").is_file()
    assert list((bucket / ".server/ended").below()) == []
