"""The local server's store: whose a stream is and how long, and what is kept beside the streams."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.unit.server.conftest import DECLARATION, declare, make_frames

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.recording.layout import find_run_folder
from rheed_acquire.recording.refusals import RunClosedError
from rheed_acquire.server.catalogue import MOST_ENTRIES, Catalogue
from rheed_acquire.server.documents import FolderDocuments
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.store import StreamStore
from rheed_acquire.server.uploads import UploadTickets


def test_an_open_stream_belongs_to_one_store_until_that_lets_go(store: StreamStore) -> None:
    stream = store.create(DECLARATION)
    other = StreamStore(store.directory)
    with pytest.raises(Refusal) as caught:
        other.get(stream.data_id)
    assert caught.value.status == 503
    store.release()
    assert other.get(stream.data_id).state == "open"
    other.release()


def test_a_silent_stream_is_closed_and_one_heard_of_is_not(tmp_path: Path) -> None:
    keeper = StreamStore(tmp_path, close_after_s=1e-9)
    kept = keeper.create(DECLARATION)
    other = StreamStore(tmp_path, close_after_s=1e-9)
    other.close_silent()
    assert kept.state == "open", "another process's stream must be left alone"
    keeper.release()
    patient = StreamStore(tmp_path, close_after_s=3600)
    patient.close_silent()
    assert json.loads((kept.folder / "stream.json").read_text())["state"] == "open"
    other.close_silent()
    record = json.loads((kept.folder / "stream.json").read_text())
    assert (record["state"], record["end_reason"]) == ("closed", "nothing was heard of it")
    with pytest.raises(RunClosedError, match="closed"):
        patient.get(kept.data_id).check(declare(0, make_frames(4)))


def test_a_clock_that_was_set_does_not_have_a_server_that_was_started_again_close_a_run_that_goes_on(
    tmp_path: Path,
) -> None:
    before = StreamStore(tmp_path)
    stream = before.create(DECLARATION)
    before.release()  # as the death of its process does
    for marker in (tmp_path / ".server/open").glob("*.json"):
        os.utime(marker, (1.0, 1.0))
    again = StreamStore(tmp_path)
    again.close_silent()
    assert again.get(stream.data_id).state == "open"
    again.close_silent()
    assert stream.state == "open"
    again.release()


def test_what_cannot_be_stored_leaves_no_folder_and_no_lock(tmp_path: Path) -> None:
    store = StreamStore(tmp_path)
    (tmp_path / ".server/open").rmdir()
    (tmp_path / ".server/open").touch()  # so that the lock and the marker cannot be made, which come last
    with pytest.raises(OSError, match="open"):
        store.create(DECLARATION)
    assert [path.name for path in tmp_path.iterdir()] == [".server"]
    (tmp_path / ".server/open").unlink()
    (tmp_path / ".server/open").mkdir()
    assert store.create(DECLARATION).state == "open"
    store.release()


def test_upload_urls_are_bounded_and_the_oldest_that_is_not_in_use_goes(store: StreamStore) -> None:
    stream, tickets = store.create(DECLARATION), UploadTickets(most=3)
    chunk = declare(0, make_frames(4))
    first, second, third = (tickets.issue(stream, chunk) for _ in range(3))
    with tickets.redeem(first):
        fourth = tickets.issue(stream, chunk)
        with pytest.raises(Refusal) as caught, tickets.redeem(second):
            pass
        assert caught.value.status == 403
        for token in (third, fourth):
            with tickets.redeem(token):
                pass


def test_the_frames_times_that_upload_urls_hold_are_bounded_too(store: StreamStore) -> None:
    stream, tickets = store.create(DECLARATION), UploadTickets(most_times=8)
    chunk, times_ms = declare(0, make_frames(4)), np.arange(4.0)
    first, second, third = (tickets.issue(stream, chunk, times_ms) for _ in range(3))
    with pytest.raises(Refusal), tickets.redeem(first):
        pass
    bare = tickets.issue(stream, chunk)
    for token, expected in ((second, times_ms), (third, times_ms), (bare, None)):
        with tickets.redeem(token) as (_, _, found):
            assert found is expected
    fresh = [tickets.issue(stream, chunk, times_ms) for _ in range(2)]
    for token in fresh:
        with tickets.redeem(token):
            pass


def test_a_catalogue_that_is_full_says_so(tmp_path: Path) -> None:
    (tmp_path / ".server").mkdir()
    catalogue = Catalogue(FolderDocuments(tmp_path))
    tags = [{"id": str(number), "name": str(number)} for number in range(MOST_ENTRIES)]
    (tmp_path / ".server/tags.json").write_text(json.dumps(tags))
    with pytest.raises(Refusal, match="no room for more"):
        catalogue.add_tag("one more")
    assert catalogue.add_sample("of another kind")["name"] == "of another kind"


def test_a_stream_whose_folder_was_deleted_is_forgotten(tmp_path: Path) -> None:
    store = StreamStore(tmp_path, close_after_s=1e-9)
    stream = store.create(DECLARATION)
    store.release()
    shutil.rmtree(stream.folder)
    store.close_silent()
    assert list((tmp_path / ".server/open").iterdir()) == []


@pytest.mark.parametrize("data_id", ["", "..", "../x", "no", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_data_id_is_not_found(store: StreamStore, data_id: str) -> None:
    with pytest.raises(Refusal) as caught:
        store.get(data_id)
    assert caught.value.status == 404
    assert find_run_folder(store.directory, data_id) is None


def test_a_directory_that_is_a_file_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RheedAcquireError, match="--dir"):
        StreamStore(tmp_path / "runs")


def test_samples_and_tags_are_shared_between_servers_on_one_directory(store: StreamStore) -> None:
    one, two = (Catalogue(FolderDocuments(store.directory)) for _ in range(2))
    sample = one.add_sample("GaN-001")
    with pytest.raises(Refusal) as caught:
        two.add_sample("gan-001")
    assert caught.value.status == 409
    assert isinstance(caught.value.detail, dict)
    assert caught.value.detail["physical_sample_id"] == sample["id"]
    tag = two.add_tag("Night")
    with pytest.raises(Refusal) as caught:
        one.add_tag("NIGHT")
    assert caught.value.status == 400
    assert one.tags() == [tag]
