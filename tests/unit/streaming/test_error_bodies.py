"""Whatever a server says of an error becomes one line: short, printable, and without secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rheed_acquire.streaming.error_bodies import LONGEST, detail_of, is_json, one_line, reason_of, shown_url

FASTAPI = {
    "detail": [
        {
            "type": "less_than_equal",
            "loc": ["body", "fps_capture_rate"],
            "msg": "Input should be less than or equal to 120",
            "input": 500.0,
            "ctx": {"le": 120.0},
        }
    ]
}


def entry(**changes: object) -> dict[str, object]:
    return {"detail": [{**FASTAPI["detail"][0], **changes}]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (FASTAPI, "fps_capture_rate: at most 120, and this stream has 500"),
        (entry(input=500), "fps_capture_rate: at most 120, and this stream has 500"),
        (entry(ctx={"ge": 0.5}, input=0.25), "fps_capture_rate: at least 0.5, and this stream has 0.25"),
        (
            entry(ctx={"gt": 0, "le": 9}),
            "fps_capture_rate: at most 9 and more than 0, and this stream has 500",
        ),
        (entry(ctx={}, msg="Too fast"), "fps_capture_rate: Too fast, and this stream has 500"),
        (entry(ctx=None, msg="Too fast"), "fps_capture_rate: Too fast, and this stream has 500"),
        (
            {"detail": [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {}}]},
            "name: Field required",
        ),
        (
            entry(loc=["body", "tags", 0], ctx={"max_length": 3}, input="long"),
            "tags.0: at most 3 long, and this stream has 'long'",
        ),
        (entry(loc=["body"], msg="Not JSON", ctx={}, input={"a": 1}), "body: Not JSON"),
        (
            {"detail": [*FASTAPI["detail"], *FASTAPI["detail"]]},
            "; ".join(["fps_capture_rate: at most 120, and this stream has 500"] * 2),
        ),
        ({"detail": "no such stream"}, "no such stream"),
        ({"detail": {"message": "taken", "physical_sample_id": "x"}}, "taken"),
        ({"detail": {"physical_sample_id": "x"}}, "physical_sample_id: x"),
        ({"detail": ["one", "two"]}, "one; two"),
        ({"message": "Forbidden"}, "Forbidden"),
        ({"error": {"code": 7, "message": "quota"}}, "quota"),
        ({"error": "invalid", "error_description": "the token has expired"}, "the token has expired"),
        ({"type": "about:blank", "title": "Out of credit", "status": 403}, "Out of credit"),
        ({"code": 5, "what": "unknown"}, "code: 5, what: unknown"),
        ("just text", "just text"),
        (7, "7"),
        ([], ""),
        ({}, ""),
        ({"detail": None}, ""),
        (None, "null"),
    ],
)
def test_json_says_its_reason(body: object, reason: str) -> None:
    assert reason_of(json.dumps(body).encode()) == reason
    assert reason_of(json.dumps(body).encode("utf-16")) == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", ""),
        (b"  \r\n ", ""),
        (b"upstream timed out", "upstream timed out"),
        (b"two\nlines\r\n\tand\x00more\x1b[31m", "two lines and more [31m"),
        (b"<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<html><body><h1>Sorry</h1><script>alert(1)</script> &amp; bye</body></html>", "Sorry & bye"),
        (b"<html><!-- nothing to see -->", ""),
        (
            b"<?xml version='1.0'?><Error><Code>Wrong</Code><Message>No.</Message><Signed>5</Signed></Error>",
            "Wrong; No.",
        ),
        ("Kamera \u2014 na\u00efve".encode(), "Kamera \u2014 na\u00efve"),
        ("na\u00efve".encode("latin-1"), "na\ufffdve"),
        ("\u202eevil".encode(), "evil"),
    ],
)
def test_what_is_no_json_says_what_it_can(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


def test_a_reason_ends_somewhere() -> None:
    for body in (
        b"x" * 1_000_000,
        b"<html>" + b"word " * 200_000,
        json.dumps({"detail": "y" * 10**6}).encode(),
    ):
        reason = reason_of(body)
        assert len(reason) == LONGEST
        assert reason.endswith("...")


@pytest.mark.parametrize("before", [*range(250, 310), *range(4_050, 4_110), *range(81_880, 81_930, 3)])
def test_a_secret_is_not_shown_by_half_where_a_line_is_cut(before: int) -> None:
    for filler in ("x", " "):
        reason = reason_of(
            (filler * before + "key-5ecret-of-mine" + "y" * 500).encode(), "key-5ecret-of-mine"
        )
        assert "key-5" not in reason


def test_secrets_are_not_repeated() -> None:
    key = "key-5ecret"
    url = "https://store.example/c/0?X-Amz-Credential=a&X-Amz-Signature=5ecret%2Bsigned"
    body = json.dumps({"detail": f"bad request: X-API-KEY: {key}; PUT {url} by http://me:5ecret@proxy:3128/"})
    reason = reason_of(body.encode(), key)
    assert "5ecret" not in reason
    assert reason == (
        "bad request: X-API-KEY: ***; PUT https://store.example/c/0?*** by http://***@proxy:3128/"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@host:1/path?token=x#y", "http://***@host:1/path"),
        ("http://u:p@ss/w@host", "http://***@host"),
        ("u:p@host", "***@host"),
        ("http://host/a", "http://host/a"),
        ("htp://host?key=1", "htp://host"),
        ("http://user@host", "http://***@host"),
        ("what is this\n\x1b", "what is this"),
    ],
)
def test_an_endpoint_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = (
    st.sampled_from(["detail", "loc", "msg", "input", "ctx", "type", "le", "message", "error", "title"])
    | st.text()
)
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=30)
tags = ["<title>", "</title>", "<script>", "<!--", "-->", "<Code>", "</Code>", "<", ">", "&#0;", "x"]
markup = st.lists(st.sampled_from(tags), max_size=40).map("".join)


@given(
    body=st.binary()
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | anything.map(lambda content: json.dumps(content).encode())
    | anything.map(lambda content: json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | anything.map(lambda content: json.dumps({"detail": content}).encode())
    | markup.map(str.encode)
)
@example(b"[" * 60_000)
@example(b'{"detail":' * 900 + b"1" + b"}" * 900)
@example(b"1" * 10_000)
@example(b"<title>" * 9_000)
@example(b"<!--" * 15_000)
@example(b"<script" * 9_000)
@example(b"?" * 60_000)
@example(b"//" * 30_000)
@example(b"\xff\xfe")
@example(b'"\\ud800"')
@example(b'{"detail": [{"loc": null, "msg": null}]}')
@example(b'{"detail": [{"loc": [], "msg": {}, "ctx": {"le": [1]}, "input": NaN}]}')
def test_every_body_becomes_one_short_printable_line(body: bytes) -> None:
    reason = reason_of(body)
    assert len(reason) <= LONGEST
    assert reason.isprintable()
    assert reason == " ".join(reason.split())
    detail_of(body)
    is_json(body)


@given(st.text(), st.integers(4, 50))
def test_a_line_keeps_its_words_and_its_length(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert len(line) <= longest
    assert line.isprintable()
    if text.isprintable() and len(text) <= longest:
        assert line.split() == text.split()
