"""``rheed-acquire serve keys``: what servers that run already let each key do."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
from tests.conftest import Distributions
from tests.integration.command.conftest import Command
from tests.integration.command.test_serve import addressed
from tests.integration.server.conftest import CHUNK_SIZE, Client
from tests.object_store import use_store

from rheed_acquire import BucketPath, RHEEDStreamer, StreamerError
from rheed_acquire.server.documents import documents_of
from rheed_acquire.server.figures import known_server_metrics
from rheed_acquire.server.keys import KeyBook, Right

DIMS = f"{CHUNK_SIZE},6,8"


@dataclass(frozen=True)
class Site:
    """A server that runs, which all tests of a place have in common, with keys by what they may do."""

    command: Command
    place: tuple[str, str]
    """How a command is told where the runs are."""
    book: KeyBook
    keys: dict[str, str]
    endpoint: str


@pytest.fixture(params=["folder", "bucket"], scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("keys")
    command = Command(folder, Distributions(folder))
    with pytest.MonkeyPatch.context() as patch:
        where: Path | BucketPath = folder / "kept"
        if request.param == "bucket":
            use_store(request.getfixturevalue("object_store"), patch, folder)
            where = BucketPath("s3://runs") / secrets.token_hex(8)
        place = "--dir" if request.param == "folder" else "--store", str(where)
        book = KeyBook(documents_of(where))
        stream, read = Right.STREAM, Right.READ
        rights = {"one": [stream], "two": [stream, read], "wall": [read], "boss": [Right.ADMINISTER]}
        keys = {name: book.add(name, may) for name, may in rights.items()}
        process = command.start("serve", *place)
        try:
            yield Site(command, place, book, keys, addressed(process, 1)["AS_API_ENDPOINT"])
            command.interrupt(process)
            done = command.finish(process)
        finally:
            command.end()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "there are keys: none was made"
    for key in keys.values():
        assert key not in done.stderr


def add(command: Command, place: tuple[str, str], name: str, *flags: str) -> str:
    done = command("serve", "keys", "add", name, *flags, *place)
    assert done.returncode == 0, done.stderr
    variable, _, key = done.stdout.strip().partition("=")
    assert variable == "AS_API_KEY"
    assert key not in done.stderr
    return key


@pytest.fixture
def keys(site: Site) -> dict[str, str]:
    return site.keys


@pytest.fixture
def endpoint(site: Site) -> str:
    return site.endpoint


def test_a_key_does_with_its_own_streams_what_the_protocol_has_and_knows_of_no_other(
    keys: dict[str, str], endpoint: str
) -> None:
    clients = {name: Client(endpoint, key) for name, key in keys.items()}
    one, two, boss = clients["one"], clients["two"], clients["boss"]
    data_id = one.create()
    one.upload(data_id, 0, one.make_frames(CHUNK_SIZE))
    sample = one.post("/physical_samples/", {"name": "wafer"}).json()["physical_sample_id"]
    tag = one.post("/tags/", {"name": "night"}).json()["id"]
    link = {"data_ids": [data_id], "physical_sample_id": sample}
    unknown = two.end("00000001-0000-4000-8000-000000000000")
    for refused in (
        two.presign(data_id, 1, DIMS),
        two.end(data_id),
        two.post("/data_entries/physical_sample", link),
        two.post("/tags/data-items/", {"data_ids": [data_id], "tag_ids": [tag]}),
    ):
        assert refused.status_code == unknown.status_code == 404, refused.text
        assert refused.json()["detail"].partition("'")[0] == unknown.json()["detail"].partition("'")[0]
    for refused in (
        clients["wall"].presign(data_id, 1, DIMS),
        clients["wall"].post("/rheed/stream/", {}),
        clients["wall"].get("/tags/"),
    ):
        assert refused.status_code == 403
        assert refused.json() == {"detail": "the key 'wall' may read, and not stream"}
    assert boss.post("/data_entries/physical_sample", link).status_code == 200
    assert one.presign(data_id, 1, DIMS).status_code == 200
    assert boss.end(data_id).status_code == 200
    for client in clients.values():
        client.session.close()


def test_no_more_streams_are_open_than_a_key_may_have_and_others_are_not_counted(
    site: Site, keys: dict[str, str], endpoint: str
) -> None:
    few = Client(endpoint, site.book.add("few", [Right.STREAM], most_streams=2))
    other = Client(endpoint, keys["one"])
    body = {
        "data_item_name": "x", "rotational_period": None, "rotations_per_min": 0.0, "fps_capture_rate": 2.0,
    }  # fmt: skip
    with few.session, other.session:
        until(lambda: few.get("/tags/").status_code == 200)
        first = few.create()
        few.create()
        refused = few.post("/rheed/stream/", body)
        assert refused.status_code == 429
        assert "'few' has 2 streams open" in refused.json()["detail"]
        other.create()
        assert few.end(first).status_code == 200
        few.create()
        assert few.post("/rheed/stream/", body).status_code == 429


def until(is_so: object) -> None:
    assert callable(is_so)
    given_up_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < given_up_s
        time.sleep(0.1)


def test_a_server_that_runs_knows_within_seconds_what_was_added_and_revoked(
    site: Site, endpoint: str
) -> None:
    command, place = site.command, site.place
    client = Client(endpoint, add(command, place, "late"))
    with client.session:
        until(lambda: client.get("/tags/").status_code == 200)
        assert command("serve", "keys", "revoke", "late", *place).returncode == 0
        until(lambda: client.get("/tags/").status_code == 403)
    listed = command("serve", "keys", "list", "--json", *place)
    assert '"late"' not in listed.stdout
    assert '"wall"' in listed.stdout
    assert "sha256" not in listed.stdout


def test_metrics_are_for_keys_that_may_read_and_count_what_was_done(
    keys: dict[str, str], endpoint: str
) -> None:
    prefix = "rheed_acquire_server"
    stored, opened = f"{prefix}_chunks_stored_total", f"{prefix}_streams_open"
    presigned = prefix + '_request_seconds_count{request="presign"}'
    one = Client(endpoint, keys["one"])
    with one.session:
        before = figures(endpoint, keys["wall"])
        data_id = one.create()
        one.upload(data_id, 0, one.make_frames(CHUNK_SIZE))
        assert one.get("/metrics").status_code == 403
        while_open = figures(endpoint, keys["wall"])
        one.end(data_id)
    # Of a bucket whichever of the server's threads has stored it counts it, maybe after the stream's end.
    until(lambda: figures(endpoint, keys["wall"])[stored] == before.get(stored, 0.0) + 1)
    text = read_metrics(endpoint, keys["wall"])
    names = {name.partition("{")[0] for name, _, _ in known_server_metrics()}
    assert names <= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} | {
        f"{line.split()[2]}_total" for line in text.splitlines() if line.startswith("# TYPE")
    }
    ended = figures(endpoint, keys["wall"])
    assert while_open[opened] == before[opened] + 1
    assert ended[opened] == before[opened]
    refused = prefix + '_refusals_total{status="403"}'
    assert ended[refused] == before.get(refused, 0.0) + 1
    assert ended[presigned] == before.get(presigned, 0.0) + 1
    assert ended[f"{prefix}_store_errors_total"] == 0.0


def figures(endpoint: str, key: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in read_metrics(endpoint, key).splitlines() if line[:1] != "#"]
    return {name: float(value) for name, _, value in lines}


def read_metrics(endpoint: str, key: str) -> str:
    by_basic = requests.get(f"{endpoint}/metrics", auth=("anybody", key), timeout=60)
    by_bearer = requests.get(f"{endpoint}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=60)
    assert (by_basic.status_code, by_bearer.status_code) == (200, 200)
    return by_bearer.text


def test_a_streamer_says_what_its_key_may_not(keys: dict[str, str], endpoint: str) -> None:
    streamer = RHEEDStreamer(keys["wall"], endpoint)
    with pytest.raises(StreamerError, match=r"it says: the key 'wall' may read, and not stream") as told:
        streamer.initialize(fps=10.0, rotations_per_min=0.0, chunk_size=20)
    assert keys["wall"] not in str(told.value)
    streamer.close()


def test_no_key_is_in_a_file_of_the_place_or_in_the_process_list(
    site: Site, keys: dict[str, str], endpoint: str
) -> None:
    streamer = RHEEDStreamer(keys["one"], endpoint)
    data_id = streamer.initialize(fps=2.0, rotations_per_min=0.0, chunk_size=4)
    streamer.push(data_id, 0, np.ones((4, 6, 8), np.uint8))
    streamer.finalize(data_id)
    streamer.close()
    if site.place[0] == "--dir":
        contents = [path.read_bytes() for path in site.command.folder.rglob("*") if path.is_file()]
    else:
        contents = [path.read_bytes() for path, _, _ in BucketPath(site.place[1]).below()]
    assert any(b"sha256" in content for content in contents)
    assert any(b'"streamed_by": "one"' in content for content in contents)
    for key in keys.values():
        assert not any(key.encode() in content for content in contents)
    if sys.platform != "win32":
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
        assert not any(key in listed for key in keys.values())


def test_what_cannot_be_a_key_is_one_clear_error(command: Command) -> None:
    assert "is no name of a key" in command.error("serve", "keys", "add", "Chamber 3")
    assert "stream, read, administer" in command.error("serve", "keys", "add", "a", "--may", "fly")
    assert "1 to 10000" in command.error("serve", "keys", "add", "a", "--streams", "0")
    assert "there is no key 'a'" in command.error("serve", "keys", "revoke", "a")
