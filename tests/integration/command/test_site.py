"""``rheed-acquire serve --store``: several servers over one bucket, and clients that notice nothing of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.integration.command.test_serve import addressed
from tests.integration.server.conftest import CHUNK_SIZE, Client
from tests.integration.test_interoperability import INTERPRETER

from rheed_acquire import BucketPath, RHEEDStreamer, open_run

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

DATA_ID = "00000001-0000-4000-8000-000000000000"
KEY = "a-key-that-two-servers-share"
PUBLIC_CLIENT = """
import sys
import numpy as np
from atomscale.streaming import RHEEDStreamer

streamer = RHEEDStreamer(api_key=sys.stdin.readline().strip(), endpoint=sys.argv[1])
frames = np.random.default_rng(7).integers(1, 256, (50, 30, 50), np.uint8)
data_id = streamer.initialize(fps=10.0, rotations_per_min=0.0, chunk_size=20, physical_sample="wafer")
for index in range(0, 50, 20):
    streamer.push(data_id, index // 20, frames[index : index + 20])
streamer.finalize(data_id)
print(data_id)
"""


def serve(command: Command, bucket: BucketPath) -> tuple[subprocess.Popen[str], str]:
    process = command.start("serve", "--store", str(bucket), AS_API_KEY=KEY)
    return process, addressed(process, 1)["AS_API_ENDPOINT"]


def end(command: Command, process: subprocess.Popen[str]) -> str:
    """Interrupt a server; what it has said."""
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    return done.stderr


def runs_in(bucket: BucketPath) -> list[BucketPath]:
    return [folder for folder in bucket.iterdir() if not folder.name.startswith(".")]


def read(run: BucketPath) -> NDArray[np.uint8]:
    frames: NDArray[np.uint8] = open_run(run).frames.to_numpy()
    return frames


def test_a_streamer_streams_into_the_store_itself(command: Command, bucket: BucketPath) -> None:
    process, endpoint = serve(command, bucket)
    frames = np.random.default_rng(1).integers(0, 256, (50, 12, 16), np.uint8)
    streamer = RHEEDStreamer(KEY, endpoint)
    data_id = streamer.initialize(
        fps=10.0,
        rotations_per_min=6.0,
        chunk_size=20,
        stream_name="Growth 42",
        physical_sample="wafer",
        tags=["a"],
    )
    for index in range(0, 50, 20):
        streamer.push(data_id, index // 20, frames[index : index + 20])
    assert streamer.finalize(data_id)["chunks_uploaded"] == 3
    streamer.close()
    assert end(command, process) == f"Serving; runs are kept in {bucket}. Ctrl-C ends.\n"
    (run,) = runs_in(bucket)
    assert run.name.endswith(f"-growth-42-{data_id[:8]}")
    dataset = open_run(run)
    np.testing.assert_array_equal(dataset.frames, frames)
    assert (dataset.attrs["physical_sample"], dataset.attrs["tags"]) == ("wafer", ["a"])
    assert dataset.attrs["state"] == "closed"


def test_any_server_takes_any_request_and_one_that_is_killed_is_not_missed(
    command: Command, bucket: BucketPath
) -> None:
    killed, first = serve(command, bucket)
    other, second = serve(command, bucket)
    one, two = Client(first, KEY), Client(second, KEY)
    chunks = [one.make_frames(CHUNK_SIZE, seed) for seed in range(6)]
    with one.session, two.session:
        data_id = one.create(data_item_name="Growth")
        two.upload(data_id, 0, chunks[0])
        one.upload(data_id, 1, chunks[1])
        url = one.url(data_id, 2, chunks[2])
        killed.kill()
        killed.wait(60)
        assert two.put(url, two.shard(chunks[2])).status_code == 200, "its URLs are the store's"
        two.upload(data_id, 3, chunks[3])
        two.upload(data_id, 3, chunks[3])
        assert two.end(data_id).status_code == 200
        assert two.end(data_id).status_code == 200
        assert two.presign(data_id, 4, f"{CHUNK_SIZE},6,8").status_code == 409
    end(command, other)
    (run,) = runs_in(bucket)
    np.testing.assert_array_equal(read(run), np.concatenate(chunks[:4]))


def test_samples_and_tags_that_two_servers_make_at_once_are_all_there(
    command: Command, bucket: BucketPath
) -> None:
    servers = [serve(command, bucket) for _ in range(2)]
    clients = [Client(endpoint, KEY) for _, endpoint in servers]
    for number in range(6):
        assert clients[number % 2].post("/tags/", {"name": f"tag {number}"}).status_code == 200
        assert clients[1 - number % 2].post("/tags/", {"name": f"TAG {number}"}).status_code == 400
    assert [len(client.get("/tags/").json()) for client in clients] == [6, 6]
    for client in clients:
        client.session.close()
    for process, _ in servers:
        end(command, process)


NAMES = ("../../other/run", "/", "..", "ü" * 1000, "a b", "s3://other/x", "%2e%2e%2f", "日本")


def test_no_name_leaves_the_prefix(site: tuple[BucketPath, Client]) -> None:
    for name in NAMES:
        stays_below(*site, name)


def stays_below(bucket: BucketPath, client: Client, name: str) -> None:
    prefix = bucket.parent
    before = {path.key for path, _, _ in prefix.below() if not path.key.startswith(f"{bucket.key}/")}
    data_id = client.create(data_item_name=name, project_id=name, azimuth_label=name)
    client.upload(data_id, 0, client.make_frames(CHUNK_SIZE))
    for other in ("../x", "0/../1", "1e3", "-1"):
        assert client.presign(data_id, other, f"{CHUNK_SIZE},6,8").status_code == 422
        assert client.end(other).status_code in (404, 405)
    assert client.end(data_id).status_code == 200
    after = {path.key for path, _, _ in prefix.below() if not path.key.startswith(f"{bucket.key}/")}
    assert after == before
    (run,) = [folder for folder in runs_in(bucket) if folder.name.endswith(data_id[:8])]
    assert open_run(run).attrs["name"] == name


@pytest.fixture
def site(command: Command, bucket: BucketPath) -> Iterator[tuple[BucketPath, Client]]:
    process, endpoint = serve(command, bucket)
    client = Client(endpoint, KEY)
    with client.session:
        yield bucket, client
    said = end(command, process)
    assert not any(os.environ[name] in said for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


@pytest.mark.skipif(INTERPRETER is None, reason="the public client is not installed")
def test_the_public_client_streams_into_it_unchanged(command: Command, bucket: BucketPath) -> None:
    assert INTERPRETER is not None
    process, endpoint = serve(command, bucket)
    done = subprocess.run(
        [INTERPRETER, "-c", PUBLIC_CLIENT, endpoint],
        input=KEY + "\n", capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    end(command, process)
    (run,) = runs_in(bucket)
    frames = np.random.default_rng(7).integers(1, 256, (50, 30, 50), np.uint8)
    np.testing.assert_array_equal(read(run), frames)
    assert open_run(run).attrs["physical_sample"] == "wafer"


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (("--store", "s3://runs/x", "--dir", "runs"), {}, "give one of them"),
        (("--store", "runs"), {}, "s3://BUCKET/PREFIX"),
        (("--dir", "s3://runs/x"), {}, "a bucket is given by --store"),
        (("--store", "s3://runs/x"), {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "the store refuses"),
        (("--store", "s3://runs/x"), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "cannot be written to"),
    ],
)
def test_a_store_that_cannot_be_used_is_an_error_in_one_sentence(
    command: Command, bucket: BucketPath, arguments: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    done = command("serve", *arguments, AS_API_KEY=KEY, **variables)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "wrong-secret" not in done.stderr


def test_what_arrives_is_listed_while_the_run_goes_on_and_a_damaged_run_beside_it_holds_nothing_up(
    command: Command, bucket: BucketPath
) -> None:
    (bucket / ".server" / "open" / DATA_ID).write_bytes(b"damaged")
    (bucket / "damaged" / "stream.json").write_bytes(b"{")
    process, endpoint = serve(command, bucket)
    client = Client(endpoint, KEY)
    with client.session:
        data_id = client.create()
        frames = client.make_frames(CHUNK_SIZE)
        client.upload(data_id, 0, frames)
        (run,) = [folder for folder in runs_in(bucket) if folder.name.endswith(data_id[:8])]
        given_up_s = time.monotonic() + 120
        while not (run / "frames.zarr/zarr.json").exists():  # the last of what is listed
            assert time.monotonic() < given_up_s
            time.sleep(0.2)
        np.testing.assert_array_equal(read(run), frames)
        assert client.end(data_id).status_code == 200
    assert f"stream {DATA_ID} could not be closed" in end(command, process)
