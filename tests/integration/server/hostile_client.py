"""A client that sends whatever it is told to, and what the server has to make of it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hypothesis import HealthCheck, settings

from rheed_acquire.server.process import LocalServer

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
