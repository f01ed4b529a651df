"""A local server and a client that speaks the wire protocol as its description has it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import google_crc32c
import numpy as np
import pytest
import requests
import zarr
import zstandard
from numpy.typing import NDArray
from tests.integration.server.hostile_client import Sender

from rheed_acquire.server.process import LocalServer

HEIGHT, WIDTH, CHUNK_SIZE, FPS = 6, 8, 4, 2.0
START = 1_700_000_000_000


class Client:
    """Speaks the protocol as its description has it."""

    def __init__(self, endpoint: str, api_key: str) -> None:
        self.endpoint = endpoint
        self.session = requests.Session()
        self.session.headers["X-API-KEY"] = api_key

    @classmethod
    @contextmanager
    def of(cls, server: LocalServer) -> Iterator[Client]:
        client = cls(server.endpoint, server.api_key.get_secret_value())
        with client.session:
            yield client

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.endpoint + path, timeout=20, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.post(self.endpoint + path, json=body, timeout=20, **options)

    def create(self, **changes: Any) -> str:
        body = {
            "data_item_name": "Growth run 42",
            "rotational_period": None,
            "rotations_per_min": 0.0,
            "fps_capture_rate": FPS,
        }
        answer = self.post("/rheed/stream/", body | changes)
        assert answer.status_code == 200, answer.text
        data_id = answer.json()
        assert isinstance(data_id, str)
        return data_id

    def presign(
        self, data_id: str, index: int | str, dims: str, query: Any = None, body: Any = None
    ) -> requests.Response:
        parameters = {
            "original_filename": f"frames.zarr/frames/c/{index}/0/0",
            "num_parts": "1",
            "staging_type": "stream",
        }
        content = {
            "data_id": data_id,
            "data_stream": "rheed",
            "is_stream": "1",
            "is_rotating": "0",
            "raw_frame_rate": str(FPS),
            "avg_frame_rate": str(FPS),
            "chunk_size": str(CHUNK_SIZE),
            "dims": dims,
            "start_unix_ms_utc": str(START),
            "end_unix_ms_utc": str(START + 2000),
        }
        return self.post(
            "/data_entries/raw_data/staged/upload_urls/",
            content | (body or {}),
            params=parameters | (query or {}),
        )

    def url(self, data_id: str, index: int, frames: NDArray[np.uint8]) -> str:
        answer = self.presign(data_id, index, ",".join(str(n) for n in frames.shape))
        assert answer.status_code == 200, answer.text
        (part,) = answer.json()
        assert part["part"] == 1
        url: str = part["url"]
        return url

    def upload(self, data_id: str, index: int, frames: NDArray[np.uint8]) -> None:
        answer = self.put(self.url(data_id, index, frames), self.shard(frames))
        assert answer.status_code == 200, answer.text

    @staticmethod
    def put(url: str, body: Any) -> requests.Response:
        return requests.put(url, data=body, headers={"content-type": ""}, timeout=20)

    @staticmethod
    def put_with_checksum(url: str, body: bytes, sent: bytes) -> requests.Response:
        """Put a body that was ``sent`` so when its checksum was taken."""
        checksum = base64.b64encode(google_crc32c.value(sent).to_bytes(4, "big")).decode()
        headers = {"content-type": "", "x-amz-checksum-crc32c": checksum}
        return requests.put(url, data=body, headers=headers, timeout=20)

    @staticmethod
    def make_frames(count: int, seed: int = 0) -> NDArray[np.uint8]:
        return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH), dtype=np.uint8)

    @staticmethod
    def shard(frames: NDArray[np.uint8]) -> bytes:
        compressed = [zstandard.compress(frame.tobytes(), 3) for frame in frames]
        pairs, offset = b"", 0
        for piece in compressed:
            pairs += struct.pack("<QQ", offset, len(piece))
            offset += len(piece)
        return b"".join(compressed) + pairs + struct.pack("<I", google_crc32c.value(pairs))

    @staticmethod
    def read_frames(server: LocalServer, data_id: str) -> NDArray[np.uint8]:
        group: Any = zarr.open_group(server.run_directory(data_id) / "frames.zarr", mode="r")
        frames: NDArray[np.uint8] = group["frames"][:]
        return frames

    def end(self, data_id: str) -> requests.Response:
        return self.post(f"/rheed/stream/{data_id}/end")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("server") / "runs") as server:
        yield server


@pytest.fixture
def client(server: LocalServer) -> Iterator[Client]:
    with Client.of(server) as client:
        yield client


@pytest.fixture(scope="module")
def sender(server: LocalServer) -> Iterator[Sender]:
    with Client.of(server) as client:
        yield Sender(server, client)


@pytest.fixture
def connect() -> Callable[[LocalServer], AbstractContextManager[Client]]:
    return Client.of
