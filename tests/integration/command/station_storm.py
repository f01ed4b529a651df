"""A storm of requests at a station's interface while a run captures, whose books say that it cost nothing.

``python -m tests.integration.command.station_storm --a-second 1000 --seconds 30`` sends so many a second,
good ones and bad ones, beside clients that never read and requests that never end; the suite does so for a
moment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.command.station_campaign import numbers_in

from rheed_acquire import RecordedRun, Station
from rheed_acquire.view.interface import LONGEST_BODY, PREFIX, Run

MOST_AT_ONCE = 128
"""Requests that wait for their answers; below what the station has connections for."""
SILENT, HALF = 24, 24
"""Clients that never read, and requests that never end."""
CUT_OFF = 0
"""Stands for the status of what was ended without an answer."""


class Attacker:
    """Knows what to say to a station that is best left alone.

    Parameters
    ----------
    url, token
        Of the station, without a path.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self._own, self._token = f"{self.host}:{self.port}", token

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *more: str,
        host: str | None = None,
        shown: bool = True,
    ) -> bytes:
        """Write a request as it goes over the wire."""
        lines = [f"{method} {PREFIX}{path} HTTP/1.1", f"Host: {host or self._own}", *more]
        if shown:
            lines.append(f"Authorization: Bearer {self._token}")
        if body or method != "GET":
            lines.append("Content-Type: application/json")
            if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in more):
                lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def requests(self) -> list[bytes]:
        """One of each kind; none of them may end the run."""
        chunk = b"%x\r\n" % (2 * LONGEST_BODY) + b" " * (2 * LONGEST_BODY) + b"\r\n0\r\n\r\n"
        return [
            self.request("GET", "/state"),
            self.request("POST", "/marks", b'{"text": "in the storm"}'),
            self.request("GET", "/traces?since=0"),
            self.request("POST", "/start", b'{"frames": '),
            self.request("POST", "/start", b"[" * 5000),
            self.request("POST", "/start", json.dumps({"notes": "x" * 20_000}).encode()),
            self.request("POST", "/marks", b"", "Content-Length: 1000000000"),
            self.request("POST", "/marks", chunk, "Transfer-Encoding: chunked"),
            self.request("POST", "/stop", b'{"run": "another"}'),
            self.request("POST", "/stop", b"{}", shown=False),
            self.request("POST", "/stop", b"{}", "Origin: http://evil.example"),
            self.request("POST", "/stop", b"{}", host="evil.example"),
            self.request("DELETE", "/state"),
            self.request("GET", "/nothing"),
            b"no request at all\r\n\r\n",
        ]

    @contextmanager
    def idlers(self) -> Iterator[None]:
        """Hold connections that cost a server what it lets them: nobody reads, and requests stay half."""
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        listen = self.request("GET", "/events", b"", *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        with ExitStack() as held:
            for said in [listen] * SILENT + [listen[:40]] * HALF:
                one = held.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.settimeout(30)
                one.connect((self.host, self.port))
                one.sendall(said)
            yield

    async def _ask(self, said: bytes) -> int:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return CUT_OFF
        try:
            writer.write(said)
            words = (await reader.readline()).split()
            return int(words[1]) if len(words) > 1 else CUT_OFF
        except OSError:
            return CUT_OFF
        finally:
            writer.close()

    async def _storm(self, a_second: float, seconds: float) -> Counter[int]:
        answers: Counter[int] = Counter()
        kinds, asked = self.requests(), 0
        waiting: set[asyncio.Task[int]] = set()
        begun_s = time.monotonic()
        while (passed_s := time.monotonic() - begun_s) < seconds:
            while asked < passed_s * a_second and len(waiting) < MOST_AT_ONCE:
                waiting.add(asyncio.create_task(self._ask(kinds[asked % len(kinds)])))
                asked += 1
            await asyncio.sleep(0.001)
            done = {task for task in waiting if task.done()}
            waiting -= done
            answers.update(task.result() for task in done)
        answers.update(await asyncio.gather(*waiting))
        return answers

    def attack(self, a_second: float, seconds: float) -> Counter[int]:
        """Send so many requests a second; how often each status was answered."""
        with self.idlers():
            return asyncio.run(self._storm(a_second, seconds))


def check_books(ended: Run, answers: Counter[int]) -> int:
    """Look through a run that went through it; how many frames it has.

    Raises
    ------
    AssertionError
        It has lost something, or a mark that was answered.
    """
    assert (ended.phase, ended.exit_code, ended.problems, ended.frames_lost) == ("ended", 0, (), 0), ended
    assert ended.output is not None
    ids = numbers_in(RecordedRun(Path(ended.output)))
    assert ids == list(range(ids[0], ids[0] + len(ids))), "frames are lost or doubled"
    assert ended.frames == len(ids)
    assert ended.marks >= answers[201]
    assert not [status for status in answers if status >= 500 and status != 503], answers
    return len(ids)


def main() -> int:
    """Make the storm at a station of its own."""
    from tests.conftest import Distributions
    from tests.integration.command.conftest import Command

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-second", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--fps", type=float, default=200.0)
    given = parser.parse_args()
    os.environ.setdefault("RHEED_SHARED_MEMORY", tempfile.gettempdir())
    with tempfile.TemporaryDirectory() as place:
        site, work = Path(place, "site"), Path(place, "work")
        site.mkdir()
        work.mkdir()
        command = Command(work, Distributions(site))
        camera = ("--camera", "simulated", "--simulated.stamp", "--region", "specular=26x40+237+65")
        process = command.start("view", *camera, "--fps", str(given.fps))
        os.environ["RHEED_STATIONS"] = str(work / "stations")
        try:
            command.wait_for("stations")
            while not (found := list((work / "stations").glob("*.json"))):
                time.sleep(0.1)
            listed = json.loads(found[0].read_text(encoding="utf-8"))
            with Station() as station:
                while station.state().phase != "preview":
                    time.sleep(0.1)
                run = station.start(stream_name="storm")
                answers = Attacker(listed["url"], listed["token"]).attack(given.a_second, given.seconds)
                ended = run.stop()
            frames = check_books(ended, answers)
        finally:
            command.interrupt(process)
            command.end()
    told = ", ".join(f"{count} x {status or 'cut off'}" for status, count in sorted(answers.items()))
    print(
        f"{answers.total()} requests in {given.seconds:g} s ({answers.total() / given.seconds:.0f}/s): {told}"
    )
    print(f"  {frames} frames, each once and in order, {ended.marks} marks; lost {ended.frames_lost}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
