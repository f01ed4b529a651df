"""One run of the campaign of hostile networks: what a run says of its frames is true, and none is lost."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hardware_mocks.faulty_server import FaultyServer, Kind, Rule
from tests.faults.rig import Rig
from tests.faults.seeded_run import DELIVERED, Outcome, SeededRun

if TYPE_CHECKING:
    from rheed_acquire.server.process import LocalServer

FAILED, FRAMES_LOST = 1, 3
FAST = ("--faulty.speed", "8", "--ring-chunks", "40", "--spool-keep-free", "0")
LONGEST_WEATHER_S = 6.0
NAME = "http://rheed-campaign.invalid"
"""Of a server that only the proxy knows."""
CHUNKS = ("presign", "upload")

WEATHER: dict[str, list[tuple[tuple[str, ...], Kind, tuple[float, ...]]]] = {
    # A login page for everything, or for some of it.
    "portal": [(("any",), Kind.PAGE, (200, 302, 511))],
    "portal for uploads": [(("upload",), Kind.PAGE, (200, 201, 302, 403, 511))],
    "portal for calls": [(("presign", "end", "time"), Kind.PAGE, (200, 302, 401, 403, 404, 511))],
    "bare success": [(("upload", "presign"), Kind.BARE, (200, 201, 204))],
    "redirect": [(("presign", "upload", "end"), Kind.STATUS, (301, 302, 307, 308))],
    "passing refusal": [
        (("presign", "upload", "end"), Kind.STATUS, (400, 401, 402, 403, 407, 413, 422, 451))
    ],
    "trickle": [((*CHUNKS, "end", "time"), Kind.SLOW_LORIS, (0.5, 2)), (CHUNKS, Kind.SLOW_HEAD, (0.5, 2))],
    "cut answers": [((*CHUNKS, "end"), Kind.TRUNCATED, (0,)), ((*CHUNKS, "end"), Kind.RESET_ANSWER, (0,))],
    "cut bodies": [(CHUNKS, Kind.RESET_REQUEST, (0,))],
    "bombs": [((*CHUNKS, "end", "time"), Kind.BOMB, (200, 200, 403, 502))],
    "endless": [((*CHUNKS, "end", "time"), Kind.ENDLESS, (200, 200, 500))],
    "other sums": [(("upload",), Kind.OTHER_SUM, (0,))],
    "garbage": [((*CHUNKS, "end"), Kind.GARBAGE, (0,)), (("presign",), Kind.WRONG_URL, (0,))],
    "errors": [(("presign", "upload", "end"), Kind.STATUS_LATE, (500, 502, 504))],
}


@dataclass(frozen=True, slots=True)
class HostileOutcome(Outcome):
    """What became of a run behind a hostile network.

    Attributes
    ----------
    code
        The run's exit code; None where it was killed.
    waited
        Chunks that waited in the spool when the run was over.
    faults
        Requests that the network has spoilt.
    """

    weathers: tuple[str, ...]
    by_proxy: bool
    code: int | None
    waited: int
    faults: int

    @property
    def kinds(self) -> Mapping[str, tuple[str, ...]]:
        return {
            "way": ("by proxy" if self.by_proxy else "direct",),
            "end": ("killed" if self.code is None else f"exit {self.code}",),
            "weather": self.weathers,
        }

    @property
    def counts(self) -> Mapping[str, int]:
        return {"waited": self.waited, "faults": self.faults}


class HostileRun(SeededRun[HostileOutcome]):
    """A run that meets one kind of hostile network after another, and may be killed meanwhile."""

    def __init__(self, seed: int, folder: Path, upstream: LocalServer) -> None:
        super().__init__(seed, folder, upstream)
        chance = self._random
        self._weathers = tuple(chance.choice(list(WEATHER)) for _ in range(chance.randint(1, 4)))
        self._by_proxy = chance.random() < 0.3
        self._is_killed = chance.random() < 0.4
        self._limit = chance.randint(200, 1500)
        self._code: int | None = None
        self._waited = 0

    def make(self) -> HostileOutcome:
        with FaultyServer(self._folder, seed=self.seed, upstream=self._upstream) as server:
            rig = Rig(self._folder, f"hostile run {self.seed}", server)
            if self._by_proxy:
                rig.endpoint, rig.proxy = NAME, server.endpoint
            fate = self._see_through(rig, server)
            faults = len(server.plan.faults)
        return HostileOutcome(
            self.seed, fate, self._weathers, self._by_proxy, self._code, self._waited, faults
        )

    def _run(self, rig: Rig, server: FaultyServer) -> None:
        process = rig.start(*FAST, "--frames", str(self._limit), "--drain-timeout", "15")
        # A stream is made once: a run that cannot begin takes no frame, and has nothing to lose.
        rig.wait_until(lambda: rig.frames_taken > 0, process)
        over = threading.Event()
        weather = threading.Thread(target=self._pass, args=(server, over))
        weather.start()
        try:
            self._code = self._end(rig, process)
        finally:
            over.set()
            weather.join()
        self._waited = len(rig.spooled("shards/*.json"))
        self._judge(rig, self._code)

    def _end(self, rig: Rig, process: subprocess.Popen[bytes]) -> int | None:
        if not self._is_killed:
            return rig.finish(process).code
        time.sleep(self._random.uniform(0.0, 4.0))
        if process.poll() is not None:
            return process.returncode
        process.kill()
        process.wait()
        return None

    def _pass(self, server: FaultyServer, over: threading.Event) -> None:
        """Let one weather after another pass, with clear sky between some of them."""
        chance = random.Random(self.seed)
        for weather in self._weathers:
            for endpoints, kind, values in WEATHER[weather]:
                often = chance.choice([0.3, 0.7, 1.0])
                for endpoint in endpoints:
                    server.add(Rule(endpoint, kind, chance.choice(values), chance=often))
            # A busy computer may take long to its first chunk, and ask for nothing for a while afterwards.
            requests = server.plan.requests
            while not any("upload_urls" in request for request in list(requests)) and not over.wait(0.02):
                pass
            enough = len(server.plan.faults) + chance.randint(1, 8)
            passed_s = time.monotonic() + LONGEST_WEATHER_S
            while len(server.plan.faults) < enough and time.monotonic() < passed_s and not over.wait(0.02):
                pass
            server.plan.heal()
            over.wait(chance.choice([0.0, 0.3, 1.0]))

    def _judge(self, rig: Rig, code: int | None) -> None:
        """Check that what the run has said by its exit code is so."""
        taken = self._taken(rig)
        if code == DELIVERED:
            assert taken == self._limit, f"{taken} of {self._limit} frames were taken, and it says it is done"
            assert not rig.waiting(), "the run says that all is delivered, and something waits"
        elif code is not None:
            assert code in (FAILED, FRAMES_LOST), f"the run exits {code}"
            assert code == FRAMES_LOST or not taken, "a run that could not begin has taken frames"
            # Where nothing waits, all must be in the store: a busy computer's camera may have paused.

    def _disturb_recovery(self, rig: Rig, server: FaultyServer) -> None:
        if not rig.waiting() or self._random.random() < 0.6:
            return
        weather = self._random.choice(list(WEATHER))
        for endpoints, kind, values in WEATHER[weather]:
            for endpoint in endpoints:
                server.add(Rule(endpoint, kind, self._random.choice(values), times=5))
        process = rig.command("recover", "--json", "--drain-timeout", "2")
        if self._random.random() < 0.5:
            time.sleep(self._random.uniform(0.3, 2.0))
            process.kill()
        rig.finish(process)
