"""Whatever a client sends: a 4xx with a sentence, never a 5xx, and nothing left of what was refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.server.hostile_client import (
    CHUNK,
    QUERY,
    Sender,
    assert_refused_well,
    assert_taken_or_refused_well,
    fuzzed,
)

from rheed_acquire.server.wire import LARGEST_CHUNK

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


@pytest.mark.parametrize("target", ["/physical_samples/", "/tags/"])
@pytest.mark.parametrize("name", ["9" * 500, "a growth\u2028and\u202eanother"])
def test_a_name_that_is_there_already_is_told_short_and_printable(
    sender: Sender, target: str, name: str
) -> None:
    body = json.dumps({"name": f"{name} {target}"}).encode()
    assert sender.send("POST", target, body)[0] == 200
    assert_refused_well(*sender.send("POST", target, body))


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
