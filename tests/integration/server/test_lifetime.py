"""The local server as a process: its start, its end, what it survives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests
from tests.ctrl_c import OWN_CONSOLE, press_ctrl_c

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.server.process import LocalServer

if TYPE_CHECKING:
    from tests.integration.server.conftest import Client

    Connect = Callable[[LocalServer], AbstractContextManager[Client]]


def test_a_killed_server_started_again_goes_on_with_its_streams(tmp_path: Path, connect: Connect) -> None:
    first = LocalServer(tmp_path).start()
    with connect(first) as client:
        chunks = [client.make_frames(4, 0), client.make_frames(3, 1), client.make_frames(4, 2)]
        data_id = client.create()
        client.upload(data_id, 0, chunks[0])
        client.upload(data_id, 1, chunks[1])
        old_url = client.url(data_id, 2, chunks[2])
    os.kill(first.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    first.stop()
    with LocalServer(tmp_path) as second, connect(second) as client:
        stale = old_url.replace(first.endpoint, second.endpoint)
        assert client.put(stale, client.shard(chunks[2])).status_code == 403
        client.upload(data_id, 2, chunks[2])
        assert client.end(data_id).status_code == 200
        np.testing.assert_array_equal(client.read_frames(second, data_id), np.concatenate(chunks))


def test_two_servers_share_a_directory_and_leave_each_others_streams_alone(
    tmp_path: Path, connect: Connect
) -> None:
    with (
        LocalServer(tmp_path) as one,
        LocalServer(tmp_path) as two,
        connect(one) as first,
        connect(two) as second,
    ):
        data_id = first.create()
        assert second.presign(data_id, 0, "4,6,8").status_code == 503
        first.upload(data_id, 0, first.make_frames(4))
        assert first.end(data_id).status_code == 200
        assert second.end(data_id).status_code == 200


def test_a_stream_not_heard_of_is_closed_by_the_server(tmp_path: Path, connect: Connect) -> None:
    with LocalServer(tmp_path, close_after_s=0.2) as server, connect(server) as client:
        data_id = client.create()
        deadline = time.monotonic() + 20
        while client.presign(data_id, 0, "4,6,8").status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.6)
        assert client.presign(data_id, 0, "4,6,8").status_code == 409


def answers(endpoint: str) -> bool:
    try:
        return requests.get(endpoint + "/gateway/time", timeout=20).ok
    except requests.ConnectionError:
        return False


def test_the_server_ends_when_its_parent_dies(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from rheed_acquire.server.process import LocalServer;"
        "server = LocalServer(pathlib.Path(sys.argv[1])).start();"
        "print(server.endpoint, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        endpoint = parent.stdout.readline().strip()
        assert requests.get(endpoint + "/gateway/time", timeout=20).status_code == 200
        parent.kill()
    deadline = time.monotonic() + 20
    while answers(endpoint):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RheedAcquireError, match=rf"port {port} on 127.0.0.1 is in use.*--port"):
            LocalServer(tmp_path, port=port).start()


def test_a_host_that_is_elsewhere_or_a_port_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RheedAcquireError, match="no address of this machine"):
        LocalServer(tmp_path, host="192.0.2.1").start()
    with pytest.raises(RheedAcquireError, match="--port"):
        LocalServer(tmp_path, port=70_000).start()


def test_a_directory_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RheedAcquireError, match="cannot be written to"):
        LocalServer(tmp_path / "file" / "runs").start()


def test_an_unknown_run_is_one_clear_error(server: LocalServer) -> None:
    with pytest.raises(RheedAcquireError, match="holds no stream"):
        server.run_directory(str(uuid.uuid4()))


def test_the_key_is_neither_in_the_process_list_nor_in_a_file(tmp_path: Path, connect: Connect) -> None:
    with LocalServer(tmp_path) as server:
        key = server.api_key.get_secret_value()
        assert key not in repr(vars(server))
        command = Path(f"/proc/{server.pid}/cmdline")
        if command.exists():
            assert key.encode() not in command.read_bytes()
            assert key.encode() not in Path(f"/proc/{server.pid}/environ").read_bytes()
        with connect(server) as client:
            client.upload(client.create(), 0, client.make_frames(4))
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()


SERVE = "import pathlib, sys; from rheed_acquire.server.serve import serve; "


@pytest.mark.parametrize(
    "end",
    [
        press_ctrl_c,
        pytest.param(
            subprocess.Popen.terminate,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking"),
        ),
    ],
    ids=["ctrl-c", "terminate"],
)
def test_serve_prints_what_a_client_needs_and_ends_cleanly(
    tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    program = SERVE + "sys.exit(serve(pathlib.Path(sys.argv[1])))"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=OWN_CONSOLE,
    ) as process:
        assert process.stdout is not None
        printed = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
        assert list(printed) == ["AS_API_ENDPOINT", "AS_API_KEY"]
        with requests.get(
            printed["AS_API_ENDPOINT"] + "/tags/", headers={"X-API-KEY": printed["AS_API_KEY"]}, timeout=20
        ) as answer:
            assert answer.json() == []
        end(process)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert out == ""
        assert "Traceback" not in err
        assert printed["AS_API_KEY"] not in err


def test_serve_does_not_show_a_key_that_it_was_given(tmp_path: Path) -> None:
    program = (
        SERVE + "from pydantic import SecretStr;"
        "sys.exit(serve(pathlib.Path(sys.argv[1]), api_key=SecretStr('very-secret-words')))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=OWN_CONSOLE,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        press_ctrl_c(process)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert printed.startswith("AS_API_ENDPOINT=http://127.0.0.1:")
    assert "very-secret-words" not in printed + out + err
