"""Whatever a client sends: a 4xx with a sentence, never a 5xx, and nothing left of what was refused."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rheed_acquire.recording.shards import ABSENT, encode_index, index_bytes
from rheed_acquire.server.process import LocalServer
from rheed_acquire.server.wire import LARGEST_CHUNK

if TYPE_CHECKING:
    from tests.integration.server.conftest import Client

LIMIT_S = 20.0
EXAMPLES = int(os.environ.get("RHEED_FUZZ_EXAMPLES", "150"))
"""For each test; RHEED_FUZZ_EXAMPLES=20000 looks longer."""

fuzzed = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])

STREAM = {
    "data_item_name": "x",
    "rotational_period": None,
    "rotations_per_min": 0.0,
    "fps_capture_rate": 2.0,
    "project_id": "p",
    "azimuth_label": "[110]",
}
CHUNK = {
    "data_stream": "rheed",
    "is_stream": "1",
    "is_rotating": "0",
    "raw_frame_rate": "2.0",
    "avg_frame_rate": "2.0",
    "chunk_size": "4",
    "dims": "4,6,8",
    "start_unix_ms_utc": "1700000000000",
    "end_unix_ms_utc": "1700000002000",
    "clock_offset_ms": "3",
    "clock_uncertainty_ms": "0.5",
}
QUERY = "original_filename=frames.zarr/frames/c/0/0/0&num_parts=1&staging_type=stream"

ODD_JSON = st.sampled_from(
    [
        '"caf\\udce9"',
        '"\\ud800"',
        '"a\\u0000b"',
        '"\\u001b[2J"',
        '"\\r\\n"',
        '"../../etc/passwd"',
        '"CON"',
        '"nul.txt"',
        '".."',
        '""',
        '" "',
        f'"{"x" * 5000}"',
        f'"{"é" * 1001}"',
        "9" * 400,
        "-" + "9" * 400,
        "9" * 5000,
        "1e400",
        "-1e400",
        "1e308",
        "5e-324",
        "-0.0",
        "NaN",
        "Infinity",
        "-Infinity",
        '"nan"',
        '"1e400"',
        '"1_0"',
        '"٣"',
        f'"{"9" * 18}"',
        f'"-{"9" * 18}"',
        f'"{"9" * 400}"',
        '"1,65536,65536"',
        '"131072,65536,65536"',
        '"4,6,-8"',
        f'"{LARGEST_CHUNK + 1}"',
        "null",
        "true",
        "[]",
        "{}",
        '["x"]',
        '[["x"]]',
        '{"a": {"b": {"c": {"d": {"e": 1}}}}}',
        "[" * 5000 + "]" * 5000,
        "[" + '"x",' * 5000 + '"x"]',
    ]
)
ANY_JSON = st.one_of(
    ODD_JSON,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ).map(json.dumps),
)


@st.composite
def bodies(draw: st.DrawFn, base: dict[str, Any]) -> bytes:
    """A body as it should be, with some of it changed, left out, given twice, or nothing of it left."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=60), ANY_JSON.map(str.encode)))
    members = [(json.dumps(name), json.dumps(value)) for name, value in base.items()]
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(members) - 1))
        match draw(st.sampled_from(["change", "change", "change", "drop", "twice", "add"])):
            case "change":
                members[place] = (members[place][0], draw(ANY_JSON))
            case "drop":
                members[place] = (json.dumps("unused"), "1")
            case "twice":
                members.append((members[place][0], draw(ANY_JSON)))
            case _:
                members.append((draw(ODD_JSON.filter(lambda text: text.startswith('"'))), draw(ANY_JSON)))
    return b"{" + b",".join(f"{name}:{value}".encode() for name, value in members) + b"}"


class Sender:
    """Sends requests as they are, and looks at the disk before and after."""

    def __init__(self, server: LocalServer, client: Client) -> None:
        address = urlsplit(server.endpoint)
        assert address.hostname is not None
        assert address.port is not None
        self.address = (address.hostname, address.port)
        self.key = server.api_key.get_secret_value()
        self.directory = server.directory
        self.sample = client.post("/physical_samples/", {"name": str(uuid.uuid4())}).json()["id"]
        self.tag = client.post("/tags/", {"name": str(uuid.uuid4())}).json()["id"]
        self.data_id = client.create()

    @property
    def endpoints(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Each endpoint that takes a body, with one that it would take."""
        sample, data = {"physical_sample_id": self.sample}, {"data_ids": [self.data_id]}
        return [
            ("POST", "/physical_samples/", {"name": str(uuid.uuid4())}),
            ("POST", "/tags/", {"name": str(uuid.uuid4())}),
            ("POST", "/rheed/stream/", STREAM),
            ("POST", "/data_entries/physical_sample", {**sample, **data}),
            ("POST", "/tags/data-items/", {**data, "tag_ids": [self.tag]}),
            ("POST", "/projects/p/configuration/tracking_samples", {**sample, "set_active": True}),
            (
                "POST",
                f"/data_entries/raw_data/staged/upload_urls/?{QUERY}",
                {**CHUNK, "data_id": self.data_id},
            ),
        ]

    def folders(self) -> set[Path]:
        return {path for path in self.directory.iterdir() if path.is_dir()}

    def send(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=LIMIT_S)
        try:
            connection.request(method, target, body, {"X-API-KEY": self.key, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send_raw(self, request: bytes) -> tuple[int, bytes]:
        with socket.create_connection(self.address, timeout=LIMIT_S) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            heard = b""
            while piece := connection.recv(65536):
                heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]) if head else 0, body


@pytest.fixture(scope="module")
def sender(server: LocalServer) -> Iterator[Sender]:
    from tests.integration.server.conftest import Client

    with Client.of(server) as client:
        yield Sender(server, client)


def assert_refused_well(status: int, body: bytes) -> None:
    assert 400 <= status < 500, (status, body)
    detail = json.loads(body)["detail"]
    sentence = detail["message"] if isinstance(detail, dict) else detail
    assert sentence.strip()
    assert len(sentence) < 400
    assert sentence.isprintable(), "it may be shown in a terminal"


def assert_taken_or_refused_well(sender: Sender, before: set[Path], status: int, body: bytes) -> None:
    if status == 200:
        return
    assert_refused_well(status, body)
    assert sender.folders() == before, "nothing is left of what was refused"


@fuzzed
@given(data=st.data())
def test_bodies(sender: Sender, data: st.DataObject) -> None:
    method, target, base = data.draw(st.sampled_from(sender.endpoints))
    before = sender.folders()
    status, body = sender.send(method, target, data.draw(bodies(base)))
    assert_taken_or_refused_well(sender, before, status, body)


@fuzzed
@given(
    path=st.lists(
        st.one_of(
            st.sampled_from(
                b"rheed stream end uploads projects configuration tracking_samples tags "
                b".. . %2e%2e %00 % %2f * CON caf\xe9 \xff".split()
            ),
            st.just(b""),
            st.binary(max_size=8),
        ),
        max_size=5,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"]),
    as_it_is=st.booleans(),
)
def test_targets(sender: Sender, path: list[bytes], method: str, as_it_is: bool) -> None:
    joined = b"/" + b"/".join(path)
    target = joined if as_it_is else quote_from_bytes(joined, safe="/%").encode()
    before = sender.folders()
    status, body = sender.send_raw(
        method.encode() + b" " + target + b" HTTP/1.1\r\nHost: x\r\nX-API-KEY: " + sender.key.encode()
        + b"\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    )  # fmt: skip
    if method == "HEAD" or status == 0:  # an answer without a body, or a request whose head never ends
        assert status < 500
    else:
        assert_taken_or_refused_well(sender, before, status, body)


@fuzzed
@given(data=st.data())
def test_queries(sender: Sender, data: st.DataObject) -> None:
    fields = [(name, value) for name, _, value in (part.partition("=") for part in QUERY.split("&"))]
    odd = st.sampled_from(
        [
            "",
            "..",
            "frames.zarr/frames/c/999999999/0/0",
            "frames.zarr/frames/c/01/0/0",
            "%00",
            "%ff",
            "1" * 500,
        ]
    )
    for _ in range(data.draw(st.integers(0, 3))):
        fields[data.draw(st.integers(0, 2))] = (
            data.draw(st.sampled_from(["x", "num_parts"])),
            data.draw(odd),
        )
    fields += [("more", str(number)) for number in range(data.draw(st.sampled_from([0, 9, 2000])))]
    query = "&".join(f"{name}={value}" for name, value in fields)
    body = json.dumps({**CHUNK, "data_id": sender.data_id}).encode()
    before = sender.folders()
    answer = sender.send("POST", f"/data_entries/raw_data/staged/upload_urls/?{query}", body)
    assert_taken_or_refused_well(sender, before, *answer)


HEADERS = st.sampled_from(
    [
        b"Content-Length: -1",
        b"Content-Length: +2",
        b"Content-Length: 2_0",
        b"Content-Length: 0x2",
        b"Content-Length: " + b"9" * 400,
        b"Content-Length: 99999999999999",
        b"Content-Length:",
        b"Content-Length: 2\r\nContent-Length: 3",
        b"Content-Length: 2, 2",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2",
        b"Transfer-Encoding: chunked",
        b"Content-Length : 2",
        b" Content-Length: 2",
        b"X\x00: 1",
        b"X: \x00",
        b"X: a\rb",
        b"X: a\nContent-Length: 2",
        b"no colon",
        b": no name",
        b"Host: y",
        b"Host: a/b",
        b"Host: [::1",
        b"Host: \xff",
        b"Cookie: \xff=;;;=\x80; a b=c; =; \"",
        b"Cookie: " + b"a=b; " * 4000,
        b"Expect: 100-continue",
        b"Expect: 417",
        b"X-API-KEY: again",
        b"X-Amz-Checksum-Crc32c: ====",
        b"\r\n".join(b"X-%d: y" % number for number in range(200)),
        b"X: " + b"y" * 70_000,
    ]
)  # fmt: skip


@fuzzed
@given(
    odd=st.lists(HEADERS, min_size=1, max_size=2),
    line=st.one_of(
        st.just(b"POST /tags/ HTTP/1.1"),
        st.just(b"PUT /uploads/x HTTP/1.1"),
        st.sampled_from(
            [
                b"POST /tags/ HTTP/2.0",
                b"POST /tags/ HTTP/0.9",
                b"post /tags/ HTTP/1.1",
                b"POST http://x/ HTTP/1.1",
                b"POST //[ HTTP/1.1",
                b"POST",
                b"\x00",
                b"POST /tags/",
                b"CONNECT x:1 HTTP/1.1",
                b"GET * HTTP/1.1",
                b"POST /#x HTTP/1.1",
                b"POST /tags/ HTTP/" + b"1" * 5000 + b".1",
                b"POST /" + b"x" * 70_000,
            ]
        ),
    ),
    body=st.one_of(st.just(b""), st.just(b"{}"), st.binary(max_size=40)),
)
def test_heads(sender: Sender, odd: list[bytes], line: bytes, body: bytes) -> None:
    before = sender.folders()
    status, answered = sender.send_raw(b"\r\n".join([line, b"Host: x", *odd, b"", body]))
    if status == 100:
        status, answered = int(answered.split(b" ")[1]), answered.partition(b"\r\n\r\n")[2]
    if status:
        assert_refused_well(status, answered)
    assert sender.folders() == before


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
