"""Streams as no camera sends them: names, chunks and shards are refused, or cost no more than others do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.server.hostile_client import EXAMPLES, STREAM, Sender, assert_refused_well, fuzzed

from rheed_acquire.recording.shards import ABSENT, encode_index, index_bytes
from rheed_acquire.server.process import LocalServer
from rheed_acquire.server.wire import LARGEST_CHUNK

if TYPE_CHECKING:
    from tests.integration.server.conftest import Client


@pytest.mark.parametrize(
    "name",
    ["caf\\udce9", "a\\u0000b", "\\ud83d", "line\\nline", "x" * 1001],
    ids=["byte", "NUL", "half", "line", "long"],
)
def test_a_name_that_cannot_be_one_leaves_no_folder(sender: Sender, name: str) -> None:
    before = sender.folders()
    body = json.dumps(STREAM).encode().replace(b'"x"', f'"{name}"'.encode())
    status, answered = sender.send("POST", "/rheed/stream/", body)
    assert_refused_well(status, answered)
    assert b"data_item_name" in answered or b"surrogate" in answered
    assert sender.folders() == before


@pytest.mark.parametrize("name", ["CON", "nul.txt", "..", "../../x", "a/b\\c", "é", "成長", "😀", ". "])
def test_a_name_that_a_disk_would_not_take_is_only_a_name(
    server: LocalServer, client: Client, name: str
) -> None:
    folder = server.run_directory(client.create(data_item_name=name))
    assert folder.parent == server.directory
    assert folder.name.isascii()
    assert json.loads((folder / "stream.json").read_bytes())["name"] == name.strip()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dims": "1,65536,65536", "chunk_size": "1"}, "dims"),
        ({"dims": "1,8193,8192", "chunk_size": "1"}, "dims"),
        ({"chunk_size": str(LARGEST_CHUNK + 1)}, "chunk_size"),
        ({"dims": "1,8192,8192", "chunk_size": "65"}, "chunk_size"),
        ({"start_unix_ms_utc": "9" * 18, "end_unix_ms_utc": "9" * 18}, "start_unix_ms_utc"),
    ],
)
def test_a_chunk_that_would_take_more_than_any_camera_is_refused(
    client: Client, change: dict[str, str], named: str
) -> None:
    answer = client.presign(client.create(), 0, "4,6,8", body=change)
    assert answer.status_code == 422
    assert f"'{named}'" in answer.json()["detail"]


@pytest.mark.timeout(600)  # each example is a run, on disk
@settings(fuzzed, max_examples=max(1, EXAMPLES // 10))
@given(data=st.data())
def test_shards(sender: Sender, client: Client, data: st.DataObject) -> None:
    """Whatever a shard's index says, the run that was made of it holds no more bytes than were sent."""
    frame = zstandard.compress(random.Random(1).randbytes(40 * 50))
    size = len(frame)
    body = frame * data.draw(st.integers(1, 3)) + data.draw(st.binary(max_size=3))
    extent = st.one_of(
        st.sampled_from([(0, size), (0, size), (size, size), (2 * size, size), ABSENT]),
        st.tuples(*[st.one_of(st.integers(0, len(body) + 2), st.integers(0, 2**64 - 1))] * 2),
    )
    shard = body + encode_index(data.draw(st.lists(extent, min_size=4, max_size=4)))
    data_id = client.create()
    # A short chunk before it, so that its frames have to be moved when the stream ends.
    short = client.presign(data_id, 0, "1,40,50").json()[0]["url"]
    assert client.put(short, frame + encode_index([(0, len(frame))])).status_code == 200
    answer = client.put(client.presign(data_id, 1, "4,40,50").json()[0]["url"], shard)
    client.put(
        client.presign(data_id, 2, "1,40,50").json()[0]["url"], frame + encode_index([(0, len(frame))])
    )
    assert client.end(data_id).status_code == 200
    (run,) = sender.directory.glob(f"*-{data_id[:8]}")
    kept = sum(file.stat().st_size for file in (run / "frames.zarr/frames/c").rglob("*") if file.is_file())
    assert kept <= len(shard) + 2 * len(frame) + 3 * index_bytes(4)
    if answer.status_code != 200:
        assert_refused_well(answer.status_code, answer.content)


def test_streams_that_nobody_ends_are_refused_at_some_number(tmp_path: Path) -> None:
    from tests.integration.server.conftest import Client

    with LocalServer(tmp_path) as server, Client.of(server) as client:
        made = []
        while (answer := client.post("/rheed/stream/", STREAM)).status_code == 200:
            made.append(answer.json())
        assert answer.status_code == 429
        assert answer.headers["Retry-After"]
        assert "end some of them first" in answer.json()["detail"]
        assert len(list(tmp_path.glob("*-x-*"))) == len(made)
        assert client.end(made[0]).status_code == 200
        assert client.post("/rheed/stream/", STREAM).status_code == 200
