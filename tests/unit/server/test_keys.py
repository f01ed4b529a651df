"""Keys of a server: what is kept of them, who is let in, and what each may do."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire import BucketPath
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.server.documents import BucketDocuments, Documents, FolderDocuments
from rheed_acquire.server.keys import Key, KeyBook, Keys, Right
from rheed_acquire.server.refusal import Refusal

OWN = "the-key-of-the-server-itself"


@pytest.fixture(params=["folder", "bucket"])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Documents:
    if request.param == "folder":
        return FolderDocuments(tmp_path)
    bucket: BucketPath = request.getfixturevalue("bucket")
    return BucketDocuments(bucket)


def refused(ask: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask()
    return caught.value


def test_a_key_is_known_until_it_is_revoked_and_only_its_digest_is_kept(documents: Documents) -> None:
    book = KeyBook(documents)
    shown = book.add("chamber-3", [Right.STREAM], most_streams=2)
    other = book.add("wall", [Right.READ])
    assert len(shown) >= 43, "256 bits"
    assert shown != other
    kept = documents.read("keys.json") or b""
    assert shown.encode() not in kept
    found = Keys(OWN, book).find(shown)
    assert (found.name, found.most_streams) == ("chamber-3", 2)
    assert found.rights == {Right.STREAM}
    assert found.digest not in repr(found)
    book.revoke("chamber-3")
    assert refused(lambda: Keys(OWN, book).find(shown)).status == 403
    assert Keys(OWN, book).find(other).name == "wall"


def test_who_shows_no_key_or_another_is_told_so_and_nobody_is_let_in_by_a_damaged_list(
    documents: Documents,
) -> None:
    book = KeyBook(documents)
    shown = book.add("chamber-3", [Right.STREAM])
    keys = Keys(None, book)
    assert refused(lambda: keys.find(None)).status == 401
    assert refused(lambda: keys.find("")).status == 401
    digest = json.loads(documents.read("keys.json") or b"")["keys"][0]["sha256"]
    for wrong in (shown[:-1], shown + "=", shown.swapcase(), digest, "\xff", OWN):
        assert refused(lambda wrong=wrong: keys.find(wrong)).status == 403  # type: ignore[misc]
    for damage in (b"", b"{", b"[]", b'{"keys": [{"name": "x"}]}', b'{"keys": [null]}'):
        documents.change("keys.json", lambda _, damage=damage: damage)  # type: ignore[misc]
        assert refused(lambda: Keys(None, book).find(shown)).status == 503
        with pytest.raises(RheedAcquireError, match="damaged"):
            book.add("another", [Right.STREAM])


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "../x", "a/b", "ü", "a" * 41, "a\n"])
def test_what_could_be_no_part_of_a_path_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        KeyBook(FolderDocuments(tmp_path)).add(name, [Right.STREAM])


def test_a_name_is_given_once_and_what_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    book = KeyBook(FolderDocuments(tmp_path))
    book.add("a", [Right.STREAM])
    with pytest.raises(SettingsError, match="revoke it first"):
        book.add("a", [Right.READ])
    with pytest.raises(SettingsError, match="there are a"):
        book.revoke("b")
    assert [key.name for key in book.kept()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_its_user_can_read_the_file_of_the_keys(tmp_path: Path) -> None:
    book = KeyBook(FolderDocuments(tmp_path))
    for name in ("a", "b"):
        book.add(name, [Right.STREAM])
        assert stat.S_IMODE((tmp_path / ".server/keys.json").stat().st_mode) == 0o600


@given(st.sets(st.sampled_from(Right), min_size=1), st.none() | st.sampled_from(["a", "b"]))
def test_a_key_may_what_it_was_given_for_and_touches_no_stream_of_another(
    rights: set[Right], streamed_by: str | None
) -> None:
    key = Key("a", frozenset(rights), "")
    is_administrator = Right.ADMINISTER in rights
    for right in Right:
        may = right in rights or is_administrator
        assert key.may(right) is may
        if not may:
            refusal = refused(lambda right=right: key.refuse_unless(right))  # type: ignore[misc]
            assert refusal.status == 403
            assert f"not {right}" in str(refusal.detail)
    assert key.is_of(streamed_by) is (is_administrator or streamed_by == "a")


def test_the_key_of_the_server_itself_may_everything_and_is_not_counted() -> None:
    keys = Keys(OWN)
    for _ in range(1000):
        assert keys.find(OWN).may(Right.ADMINISTER)
    assert keys.find(OWN).is_of("anybody")
    assert keys.find(OWN).is_of(None)
    assert OWN not in repr(keys.find(OWN))


def test_who_asks_too_often_is_told_to_come_later_and_others_are_not(tmp_path: Path) -> None:
    book = KeyBook(FolderDocuments(tmp_path))
    hasty = book.add("hasty", [Right.STREAM], requests_s=0.1)
    other = book.add("other", [Right.STREAM], requests_s=1000.0)
    keys = Keys(None, book)
    refusal = refused(lambda: [keys.find(hasty) for _ in range(100)])
    assert (refusal.status, "'hasty'" in str(refusal.detail)) == (429, True)
    assert keys.find(other).name == "other"
