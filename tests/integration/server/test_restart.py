"""A run's own server that ends by itself: it is started again where it was, or its loss is told once."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests

from rheed_acquire import RHEEDStreamer
from rheed_acquire.commands.recover import recover_own
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.server.process import LocalServer
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.stream_places import is_in_use

if TYPE_CHECKING:
    from tests.integration.server.conftest import Client

    Connect = Callable[[LocalServer], AbstractContextManager[Client]]

LIMIT_S = 60.0


def kill(server: LocalServer) -> None:
    os.kill(server.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


class Told:
    """What a server says of itself, in the order in which it says it."""

    def __init__(self, server: LocalServer) -> None:
        self._said: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        server.on_restart = lambda text: self._said.put(("restart", text))
        server.on_loss = lambda text: self._said.put(("loss", text))

    def next(self) -> tuple[str, str]:
        return self._said.get(timeout=LIMIT_S)

    @property
    def is_silent(self) -> bool:
        return self._said.empty()


def test_a_server_that_ends_by_itself_is_started_again_where_it_was_and_its_streams_go_on(
    tmp_path: Path, connect: Connect
) -> None:
    with LocalServer(tmp_path) as server, connect(server) as client:
        told, endpoint = Told(server), server.endpoint
        chunks = [client.make_frames(4, index) for index in range(4)]
        data_id = client.create()
        for index, frames in enumerate(chunks):
            client.upload(data_id, index, frames)
            kill(server)
            kind, text = told.next()
            assert kind == "restart"
            assert "ended by itself" in text
            assert server.endpoint == endpoint
        assert client.end(data_id).status_code == 200
        np.testing.assert_array_equal(client.read_frames(server, data_id), np.concatenate(chunks))
    assert told.is_silent, "its end with the program's is no event"


def test_a_streamer_at_work_does_not_notice(tmp_path: Path) -> None:
    with (
        LocalServer(tmp_path / "runs") as server,
        RHEEDStreamer(server.api_key, server.endpoint, spool_folder=tmp_path / "spool") as streamer,
    ):
        told = Told(server)
        data_id = streamer.initialize(fps=4.0, rotations_per_min=0.0, chunk_size=8)
        frames = np.arange(8 * 4 * 8, dtype=np.uint8).reshape(8, 4, 8)
        for index in range(6):
            streamer.push(data_id, index, frames)
            if index % 2:
                kill(server)
                assert told.next()[0] == "restart"
        report = streamer.finalize(data_id)
        assert (report["chunks_uploaded"], report["chunks_not_uploaded"], report["closed"]) == (6, 0, True)


def test_its_port_may_be_another_programs_for_a_while(tmp_path: Path, connect: Connect) -> None:
    with LocalServer(tmp_path, restart_pauses_s=[0.2] * 300) as server, connect(server) as client:
        told = Told(server)
        port = int(server.endpoint.rpartition(":")[2])
        client.session.close()
        kill(server)
        with take(port, server, told):
            time.sleep(2.0)  # some of the tries meet the other program
            assert told.is_silent
        assert told.next()[0] == "restart"
        assert client.get("/tags/").json() == []


def take(port: int, server: LocalServer, told: Told) -> socket.socket:
    """Listen at the port of a server that was killed; one that was quicker is killed again."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline
            if not told.is_silent:
                assert told.next()[0] == "restart"
                kill(server)
            time.sleep(0.001)


def test_one_that_cannot_be_started_again_is_told_once_and_may_be_begun_anew(
    tmp_path: Path, connect: Connect
) -> None:
    with LocalServer(tmp_path, restart_pauses_s=[0.1] * 5) as server:
        told = Told(server)
        port = int(server.endpoint.rpartition(":")[2])
        kill(server)
        with take(port, server, told):
            kind, text = told.next()
            assert kind == "loss"
            assert f"cannot be started again: port {port} on 127.0.0.1 is in use by another program" in text
            assert "--port" not in text, "a run has no such flag"
            with pytest.raises(RheedAcquireError, match="in use"):
                server.start()
        server.start()
        with connect(server) as client:
            assert client.get("/tags/").json() == []
        assert told.is_silent


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process with a signal")
def test_a_recovery_whose_server_is_lost_waits_for_it_no_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spool"
    # The pause leaves time to take its port: started again it would have the chunk at once.
    with LocalServer(tmp_path / "runs", restart_pauses_s=[3.0]) as server:
        told = Told(server)
        name, key, endpoint = f"local:{server.directory}", server.api_key, server.endpoint
        with RHEEDStreamer(key, endpoint, spool_folder=spool, server=name) as streamer:
            data_id = streamer.initialize(fps=4.0, rotations_per_min=0.0, chunk_size=8)
            os.kill(server.pid, signal.SIGSTOP)
            streamer.push(data_id, 0, np.zeros((8, 4, 8), np.uint8))
        run = RunSettings(drain_timeout=1e6)
        reports: list[dict[str, Any]] = []
        recovering = threading.Thread(
            target=lambda: reports.extend(recover_own(server, spool, run, bare_confirmations=False)),
            daemon=True,
        )
        recovering.start()
        while not is_in_use(spool / data_id):
            time.sleep(0.01)
        kill(server)
        with take(int(endpoint.rpartition(":")[2]), server, told):
            recovering.join(LIMIT_S)
            assert not recovering.is_alive()
    (report,) = reports
    assert (report["data_id"], report["chunks_not_uploaded"], report["closed"]) == (data_id, 1, False)
    assert "cannot be started again" in capsys.readouterr().err


def test_one_that_ends_again_and_again_is_given_up(tmp_path: Path) -> None:
    with LocalServer(tmp_path, restart_pauses_s=[0.0] * 3) as server:
        told = Told(server)
        for _ in range(3):
            kill(server)
            assert told.next()[0] == "restart"
        kill(server)
        kind, text = told.next()
        assert kind == "loss"
        assert "again and again" in text
        with pytest.raises(requests.ConnectionError):
            requests.get(server.endpoint + "/gateway/time", timeout=20)


def test_stopping_ends_the_wait_for_the_next_try(tmp_path: Path) -> None:
    server = LocalServer(tmp_path, restart_pauses_s=[3600.0]).start()
    told = Told(server)
    kill(server)
    server.stop()
    assert told.is_silent
