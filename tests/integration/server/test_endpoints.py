"""Every endpoint of the local server, by real HTTP requests."""

from __future__ import annotations

import hashlib
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
import zarr

from rheed_acquire.server.process import LocalServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.server.conftest import Client

    Connect = Callable[[LocalServer], AbstractContextManager[Client]]


GUARDED = [
    ("GET", "/physical_samples/"),
    ("POST", "/physical_samples/"),
    ("GET", "/tags/"),
    ("POST", "/tags/"),
    ("POST", "/rheed/stream/"),
    ("POST", "/rheed/stream/x/end"),
    ("POST", "/data_entries/physical_sample"),
    ("POST", "/tags/data-items/"),
    ("POST", "/projects/x/configuration/tracking_samples"),
    ("POST", "/data_entries/raw_data/staged/upload_urls/"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_call_without_the_key_is_401_and_with_a_wrong_one_403(
    server: LocalServer, method: str, path: str
) -> None:
    without = requests.request(method, server.endpoint + path, timeout=20)
    wrong = requests.request(method, server.endpoint + path, headers={"X-API-KEY": "é"}, timeout=20)
    assert (without.status_code, wrong.status_code) == (401, 403)
    assert isinstance(without.json()["detail"], str)


def test_the_time_needs_no_key_and_is_the_time(server: LocalServer) -> None:
    before = time.time() * 1000
    answer = requests.get(server.endpoint + "/gateway/time", timeout=20).json()
    after = time.time() * 1000
    assert before - 1 <= answer["receivedAtUnixMs"] <= answer["transmittedAtUnixMs"] <= after + 1


def test_a_stream_goes_up_and_reads_back(server: LocalServer, client: Client) -> None:
    data_id = client.create(stream_name="ignored", rotations_per_min=15.0, rotational_period=8.0)
    chunks = {
        2: client.make_frames(4, 2),
        0: client.make_frames(4),
        1: client.make_frames(1, 1),
        3: client.make_frames(2, 3),
    }
    for index, frames in chunks.items():
        client.upload(data_id, index, frames)
    for _ in range(2):
        assert client.end(data_id).status_code == 200
    expected = np.concatenate([chunks[index] for index in sorted(chunks)])
    np.testing.assert_array_equal(client.read_frames(server, data_id), expected)
    assert server.run_directory(data_id).name.endswith(f"-growth-run-42-{data_id[:8]}")


def test_an_open_stream_can_be_read_at_any_time(server: LocalServer, client: Client) -> None:
    data_id = client.create()
    for index in range(3):
        client.upload(data_id, index, client.make_frames(4, index))
        expected = np.concatenate([client.make_frames(4, i) for i in range(index + 1)])
        np.testing.assert_array_equal(client.read_frames(server, data_id), expected)


def test_the_etag_is_the_md5_of_the_body_in_quotes(client: Client) -> None:
    frames = client.make_frames(4)
    answer = client.put(client.url(client.create(), 0, frames), client.shard(frames))
    expected = hashlib.md5(client.shard(frames), usedforsecurity=False).hexdigest()
    assert answer.headers["ETag"] == f'"{expected}"'


def test_an_upload_may_bring_its_checksum_and_is_told_it(server: LocalServer, client: Client) -> None:
    data_id, frames = client.create(), client.make_frames(4)
    (part,) = client.presign(data_id, 0, "4,3,5").json()
    assert (part["checksum"], part["keeps"]) == ("crc32c", "shards")
    shard = client.shard(frames)
    answer = client.put_with_checksum(client.url(data_id, 0, frames), shard, shard)
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    client.end(data_id)
    np.testing.assert_array_equal(client.read_frames(server, data_id), frames)


@pytest.mark.parametrize("place", [0, -1])
def test_a_body_that_is_not_what_its_checksum_says_is_refused_and_may_be_sent_again(
    server: LocalServer, client: Client, place: int
) -> None:
    data_id, frames = client.create(), client.make_frames(4)
    shard = client.shard(frames)
    damaged = bytearray(shard)
    damaged[place] ^= 1
    url = client.url(data_id, 0, frames)
    refused = client.put_with_checksum(url, bytes(damaged), shard)
    assert refused.status_code == 400
    assert "changed on the way" in refused.json()["detail"]
    assert client.put_with_checksum(url, shard, shard).status_code == 200


def test_a_checksum_does_not_make_a_shard_of_what_is_none(client: Client) -> None:
    data_id, frames = client.create(), client.make_frames(4)
    for nonsense in (b"", b"x" * 200, client.shard(client.make_frames(3)), client.shard(frames[:, :2])):
        answer = client.put_with_checksum(client.url(data_id, 0, frames), nonsense, nonsense)
        assert answer.status_code == 422, nonsense[:20]


def test_an_upload_url_works_once_and_fails_for_nobody_knows_it(server: LocalServer, client: Client) -> None:
    url = client.url(client.create(), 0, client.make_frames(4))
    assert client.put(url, client.shard(client.make_frames(4))).status_code == 200
    assert client.put(url, client.shard(client.make_frames(4))).status_code == 403
    assert client.put(f"{server.endpoint}/uploads/guess", b"x").status_code == 403


def test_an_upload_that_failed_may_be_tried_again_on_its_url(server: LocalServer, client: Client) -> None:
    data_id = client.create()
    url = client.url(data_id, 0, client.make_frames(4))
    refused = client.put(url, b"x" * 200)
    assert refused.status_code == 422
    assert "crc32c" in refused.json()["detail"]
    assert client.put(url, client.shard(client.make_frames(4))).status_code == 200


def test_a_body_longer_than_any_shard_of_its_dims_is_413(client: Client) -> None:
    url = client.url(client.create(), 0, client.make_frames(4))
    assert client.put(url, iter([b"x" * 60_000] * 4)).status_code == 413
    assert client.put(url, b"x" * 100_000).status_code == 413


def test_a_connection_lost_within_a_body_leaves_nothing_behind(server: LocalServer, client: Client) -> None:
    data_id = client.create()
    frames = client.make_frames(4)
    url = client.url(data_id, 0, frames)
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    with socket.create_connection((name, int(port))) as connection:
        head = f"PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(client.shard(frames))}\r\n\r\n"
        connection.sendall(head.encode() + client.shard(frames)[:50])
    folder = server.run_directory(data_id)
    deadline = time.monotonic() + 20
    while (client.put(url, client.shard(frames))).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert list((folder / "incoming").iterdir()) == []


def test_a_body_is_not_taken_for_a_request_where_it_was_not_read(client: Client) -> None:
    url = client.url(client.create(), 0, client.make_frames(4))
    body = b"PUT /uploads/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * 20_000
    with requests.Session() as session:
        assert session.put(url + "x", data=body, timeout=20).status_code == 403
        assert session.put(url + "x", data=iter([body] * 2), timeout=20).status_code == 403
        assert session.get(client.endpoint + "/gateway/time", timeout=20).status_code == 200
        assert session.put(url, data=client.shard(client.make_frames(4)), timeout=20).status_code == 200


def test_the_time_is_told_while_many_uploads_hang(client: Client) -> None:
    frames = client.make_frames(4)
    data_id = client.create()
    hanging = []
    try:
        for index in range(32):
            host, _, path = client.url(data_id, index, frames).removeprefix("http://").partition("/")
            name, port = host.split(":")
            connection = socket.create_connection((name, int(port)))
            hanging.append(connection)
            connection.sendall(f"PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nx".encode())
        assert requests.get(client.endpoint + "/gateway/time", timeout=20).status_code == 200
        client.upload(data_id, 40, frames)
    finally:
        for connection in hanging:
            connection.close()


def test_uploads_of_several_streams_at_once_all_arrive(
    server: LocalServer, client: Client, connect: Connect
) -> None:
    streams = [client.create() for _ in range(3)]

    def send(job: tuple[str, int]) -> None:
        data_id, index = job
        with connect(server) as own:
            own.upload(data_id, index, client.make_frames(4, index))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, [(data_id, index) for index in range(8) for data_id in streams]))
    expected = np.concatenate([client.make_frames(4, index) for index in range(8)])
    for data_id in streams:
        assert client.end(data_id).status_code == 200
        np.testing.assert_array_equal(client.read_frames(server, data_id), expected)


def test_a_closed_stream_takes_no_more_chunks(client: Client) -> None:
    data_id = client.create()
    url = client.url(data_id, 0, client.make_frames(4))
    assert client.end(data_id).status_code == 200
    for answer in (client.presign(data_id, 0, "4,6,8"), client.put(url, client.shard(client.make_frames(4)))):
        assert answer.status_code == 409
        assert "closed" in answer.json()["detail"]


def test_an_unknown_stream_is_404(client: Client) -> None:
    unknown = str(uuid.uuid4())
    assert client.end(unknown).status_code == 404
    assert client.presign(unknown, 0, "4,6,8").status_code == 404
    assert client.end("..%2F..").status_code == 404


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"original_filename": "frames.zarr/frames/c/-1/0/0"}, {}),
        ({"original_filename": "../x"}, {}),
        ({"num_parts": "2"}, {}),
        ({"staging_type": "file"}, {}),
        ({}, {"chunk_size": 4}),
        ({}, {"chunk_size": "0"}),
        ({}, {"dims": "4,6"}),
        ({}, {"dims": "0,6,8"}),
        ({}, {"dims": "5,6,8"}),
        ({}, {"dims": "4,0,8"}),
        ({}, {"dims": "4,99999,8"}),
        ({}, {"data_stream": "xps"}),
        ({}, {"is_rotating": "yes"}),
        ({}, {"raw_frame_rate": "nan"}),
        ({}, {"start_unix_ms_utc": "1.5"}),
        ({}, {"end_unix_ms_utc": "0"}),
        ({}, {"clock_offset_ms": "fast"}),
        ({}, {"data_id": ""}),
    ],
)
def test_a_presign_request_that_makes_no_sense_is_422_and_says_what(
    client: Client, query: dict[str, str], body: dict[str, Any]
) -> None:
    answer = client.presign(client.create(), 0, "4,6,8", query, body)
    assert answer.status_code == 422
    (named,) = {**query, **body}
    assert f"'{named}'" in answer.json()["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"data_item_name": " "},
        {"fps_capture_rate": 0},
        {"fps_capture_rate": "2"},
        {"rotations_per_min": -1},
        {"rotational_period": True},
        {"project_id": 7},
    ],
)
def test_a_stream_that_makes_no_sense_is_422_and_says_what(client: Client, change: dict[str, Any]) -> None:
    body = {"data_item_name": "x", "rotational_period": None, "rotations_per_min": 0, "fps_capture_rate": 2}
    answer = client.post("/rheed/stream/", body | change)
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"fps_capture_rate": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_422(client: Client, body: bytes) -> None:
    answer = client.session.post(client.endpoint + "/rheed/stream/", data=body, timeout=20)
    assert answer.status_code == 422


def test_samples_tags_and_projects_are_linked(server: LocalServer, client: Client) -> None:
    name = f"GaN {uuid.uuid4()}"
    made = client.post("/physical_samples/", {"name": name})
    sample_id = made.json()["physical_sample_id"]
    assert {"id": sample_id, "name": name} in client.get("/physical_samples/").json()
    again = client.post("/physical_samples/", {"name": f" {name.upper()} "})
    assert again.status_code == 409
    assert again.json()["detail"]["physical_sample_id"] == sample_id
    tag_id = client.post("/tags/", {"name": name}).json()["id"]
    assert client.post("/tags/", {"name": name}).status_code == 400
    assert {"id": tag_id, "name": name} in client.get("/tags/").json()

    data_id = client.create(project_id="p", azimuth_label="[110]")
    link = {"data_ids": [data_id], "physical_sample_id": sample_id}
    assert client.post("/data_entries/physical_sample", link).status_code == 200
    assert client.post("/tags/data-items/", {"data_ids": [data_id], "tag_ids": [tag_id]}).status_code == 200
    track = {"physical_sample_id": sample_id, "set_active": True}
    assert client.post("/projects/p/configuration/tracking_samples", track).status_code == 200
    attributes = zarr.open_group(server.run_directory(data_id) / "frames.zarr", mode="r").attrs
    assert attributes["physical_sample"] == {"id": sample_id, "name": name}
    assert attributes["tags"] == [{"id": tag_id, "name": name}]
    assert (attributes["project_id"], attributes["azimuth_label"]) == ("p", "[110]")

    for path, body in [
        ("/data_entries/physical_sample", {**link, "physical_sample_id": "?"}),
        ("/data_entries/physical_sample", {**link, "data_ids": ["?"]}),
        ("/tags/data-items/", {"data_ids": [data_id], "tag_ids": ["?"]}),
        ("/projects/p/configuration/tracking_samples", {"physical_sample_id": "?"}),
    ]:
        assert client.post(path, body).status_code == 404
    assert client.post("/tags/data-items/", {"data_ids": data_id, "tag_ids": []}).status_code == 422


def test_the_process_of_a_server_that_is_stopped_ends_by_itself(
    tmp_path: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalServer(tmp_path) as server, connect(server) as client:
        assert client.get("/gateway/time").status_code == 200
    assert not caplog.records


def test_what_is_not_there_answers_in_json(client: Client) -> None:
    assert client.get("/nothing").json() == {"detail": "Not Found"}
    assert client.get("/rheed/stream/").status_code == 405
