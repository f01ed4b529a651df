"""Ctrl-C and SIGTERM: once ends cleanly, twice gives up, and neither hangs."""

from __future__ import annotations

import json
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.hang_ups import hang_ups
from tests.integration.command.conftest import silent_after

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

PAUSED = silent_after(130)
"""100 frames in a full chunk, 30 in the next, and then silence: the interrupt always finds the same."""


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(
            signal.SIGTERM,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking"),
        ),
    ],
)
def test_one_interrupt_delivers_the_partial_chunk_and_ends_the_stream(
    command: Command, read_stamps: Callable[[Path], list[int]], number: signal.Signals
) -> None:
    process = command.start(*PAUSED, "--json")
    command.wait_for("paused")
    if number == signal.SIGINT:
        command.interrupt(process)
    else:
        process.send_signal(number)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["frames_received"], report["frames_pushed"], report["chunks_uploaded"]) == (130, 130, 2)
    assert report["delivery"]["closed"] is True
    assert read_stamps(Path(report["output"]) / "frames.zarr") == list(range(130))
    assert "stopping; what was captured is being delivered (interrupt again to give up)" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hang-up")
def test_a_run_that_was_started_with_nohup_goes_on_when_its_terminal_is_gone(command: Command) -> None:
    with hang_ups(are_ignored=True):
        process = command.start(*PAUSED, "--json")
    command.wait_for("paused")
    process.send_signal(signal.SIGHUP)
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert "stopping" in done.stderr
    assert "giving up" not in done.stderr, "the hang-up counts as an interrupt"


class HangingServer(ThreadingHTTPServer):
    """Opens streams, and then never answers again."""

    def __init__(self) -> None:
        self.uploads_asked_for = threading.Event()
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), HangingAnswers)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HangingAnswers(BaseHTTPRequestHandler):
    server: HangingServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/rheed/stream/":
            self.server.uploads_asked_for.set()
            self.server.released.wait()
            self.close_connection = True
            return
        body = json.dumps(str(uuid.uuid4())).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def hanging_server() -> Iterator[HangingServer]:
    with HangingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("as_json", [False, True])
def test_two_interrupts_give_up_what_a_server_that_hangs_does_not_take(
    command: Command, hanging_server: HangingServer, as_json: bool
) -> None:
    flags = ("--endpoint", hanging_server.endpoint, *(["--json"] if as_json else []))
    process = command.start(*PAUSED, *flags, AS_API_KEY="any")
    command.wait_for("paused")
    assert hanging_server.uploads_asked_for.wait(30)
    command.interrupt(process)
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 130, done.stderr
    assert "giving up the uploads that are left" in done.stderr
    assert "Traceback" not in done.stderr
    if as_json:
        assert json.loads(done.stdout)["exit_code"] == 130


def test_three_interrupts_end_at_once(command: Command, hanging_server: HangingServer) -> None:
    process = command.start(*PAUSED, "--endpoint", hanging_server.endpoint, AS_API_KEY="any")
    command.wait_for("paused")
    assert process.stderr is not None
    for sign in ("stopping", "giving up"):
        command.interrupt(process)
        while sign not in process.stderr.readline():
            assert process.poll() is None
    command.interrupt(process)
    assert command.finish(process).returncode == 130
