"""A client may say when each frame was captured; the local recording keeps that, and tells nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from rheed_acquire.server.process import LocalServer

if TYPE_CHECKING:
    from tests.integration.server.conftest import Client

STEPS = "-200,33000,1,200000"
SINCE_MS = [-0.2, 32.8, 32.801, 232.801]
START = 1_700_000_000_000
FPS = 2.0
DIMS = "4,6,8"


def times(server: LocalServer, data_id: str) -> NDArray[np.float64]:
    """Each frame's, in ms since the declared start of the first chunk."""
    group: Any = zarr.open_group(server.run_directory(data_id) / "frames.zarr", mode="r")
    return np.asarray(group["time_unix_ms"][:]) - START


def upload(client: Client, data_id: str, index: int, steps: str | None, count: int = 4) -> None:
    body = {} if steps is None else {"frame_times_us": steps}
    (part,) = client.presign(data_id, index, f"{count},6,8", body=body).json()
    assert "frame_times_us" in part
    answer = client.put(part["url"], client.shard(client.make_frames(count)))
    assert answer.status_code == 200, answer.text


def test_frames_have_the_times_that_their_client_says_also_once_they_were_moved_together(
    server: LocalServer, client: Client
) -> None:
    data_id = client.create()
    even = np.arange(2) * 1000 / FPS
    upload(client, data_id, 0, None, 2)
    upload(client, data_id, 2, STEPS)
    np.testing.assert_allclose(times(server, data_id)[[0, 1, 8, 9, 10, 11]], [*even, *SINCE_MS], atol=0.0005)
    client.end(data_id)
    np.testing.assert_allclose(times(server, data_id), [*even, *SINCE_MS], atol=0.0005)
    assert not (server.run_directory(data_id) / "numbers").exists()


def test_a_chunk_that_comes_again_has_the_times_that_it_brings_then(
    server: LocalServer, client: Client
) -> None:
    data_id = client.create()
    upload(client, data_id, 0, STEPS)
    upload(client, data_id, 0, None)
    np.testing.assert_allclose(times(server, data_id), np.arange(4) * 1000 / FPS)
    upload(client, data_id, 0, STEPS)
    client.end(data_id)
    np.testing.assert_allclose(times(server, data_id), SINCE_MS, atol=0.0005)


def test_times_survive_a_restart_of_the_server(
    tmp_path: Path, connect: Callable[[LocalServer], AbstractContextManager[Client]]
) -> None:
    with LocalServer(tmp_path) as server, connect(server) as client:
        data_id = client.create()
        upload(client, data_id, 0, STEPS)
    with LocalServer(tmp_path) as server, connect(server) as client:
        upload(client, data_id, 1, None)
        client.end(data_id)
        expected = [*SINCE_MS, *(np.arange(4) * 1000 / FPS)]
        np.testing.assert_allclose(times(server, data_id), expected, atol=0.0005)


@pytest.mark.parametrize(
    "steps", ["", "0", "0,1,2", "0,1,2,3,4", "0,-1,2,3", "0,1,2,x", "0,1.5,2,3", "99999,0,0,0", " 0,1,2,3"]
)
def test_times_that_are_none_are_refused(client: Client, steps: str) -> None:
    answer = client.presign(client.create(), 0, DIMS, body={"frame_times_us": steps})
    assert answer.status_code == 422
    assert "'frame_times_us' must be 4 whole numbers" in answer.json()["detail"]


def test_times_beyond_the_calendar_are_refused(client: Client) -> None:
    late = {"start_unix_ms_utc": "253402300799000", "end_unix_ms_utc": "253402300799500"}
    answer = client.presign(client.create(), 0, DIMS, body={"frame_times_us": "0,1,2,999999999999", **late})
    assert answer.status_code == 422
    assert "1 to 9999" in answer.json()["detail"]
