"""What servers answer is heeded only where it is what it should be."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rheed_acquire.streaming.server_answers import RefusedChunk, StreamEnd, UploadTarget
from rheed_acquire.text.printable_text import printable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ENTRIES = st.fixed_dictionaries({}, optional={"chunk": ANYTHING, "upload_id": ANYTHING, "reason": ANYTHING})
ANSWERS = st.fixed_dictionaries(
    {},
    optional={"state": ANYTHING, "upload_id": ANYTHING, "refused": ANYTHING | st.lists(ENTRIES | ANYTHING)},
)


@settings(max_examples=50)
@given(ANSWERS | ANYTHING)
def test_no_answer_is_too_strange(answer: Any) -> None:
    end = StreamEnd.of(answer)
    for one in end.refused:
        assert one.chunk_idx >= 0
        assert printable(one.reason) == one.reason
        assert len(one.reason) < 3000
    assert end.is_closed or answer["state"] == "open"
    if isinstance(answer, dict):
        assert UploadTarget.of("http://store/x", answer).refused == end.refused


def test_what_this_projects_server_answers_is_understood() -> None:
    refused = [{"chunk": 7, "upload_id": "7-1", "reason": "its index\nis wrong"}]
    end = StreamEnd.of({"data_id": "x", "state": "open", "refused": refused})
    assert end == StreamEnd(is_closed=False, refused=(RefusedChunk(7, "7-1", "its index\\nis wrong"),))
    assert StreamEnd.of(None) == StreamEnd(is_closed=True)
    assert UploadTarget.of("http://store/x", {"verified": "later", "upload_id": "7-1"}).is_verified_later
    assert UploadTarget.of("http://store/x", {"short_shards": "padded"}).takes_padded
