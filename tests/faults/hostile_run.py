"""One run of the campaign of hostile networks: what a run says of its frames is true, and none is lost."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hardware_mocks.faulty_server import FaultyServer, Kind, Rule
from tests.faults.rig import Rig

if TYPE_CHECKING:
    from rheed_acquire.server.process import LocalServer

DELIVERED, FAILED, FRAMES_LOST = 0, 1, 3
FAST = ("--faulty.speed", "8", "--ring-chunks", "40", "--spool-keep-free", "0")
LONGEST_WEATHER_S = 6.0
RECOVERIES = 5
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
class HostileOutcome:
    """What became of a run.

    Attributes
    ----------
    code
        The run's exit code; None where it was killed.
    waited
        Chunks that waited in the spool when the run was over.
    failure
        What was lost, doubled or untrue, in words; None where nothing was.
    """

    seed: int
    weathers: tuple[str, ...]
    by_proxy: bool
    code: int | None
    taken: int
    stored: int
    waited: int
    faults: int
    recoveries: int
    seconds: float
    failure: str | None

    def __str__(self) -> str:
        verdict = "ok" if self.failure is None else f"FAILED: {self.failure}"
        ended = "killed" if self.code is None else f"exit {self.code}"
        way = "by proxy" if self.by_proxy else "direct"
        return (
            f"seed {self.seed:6d}  {way:<8} {ended}  {self.taken:5d} taken {self.stored:5d} stored "
            f"{self.waited:3d} waited {self.faults:4d} faults {self.recoveries} recoveries "
            f"{self.seconds:5.1f} s  {', '.join(self.weathers)}  {verdict}"
        )


class HostileRun:
    """A run, decided by its seed as far as chance allows: when each request comes is never quite the same.

    Parameters
    ----------
    seed
        Of everything that is chosen at random.
    folder
        Where the run's spool and output lie.
    upstream
        The real server behind the run's hostile network.
    """

    def __init__(self, seed: int, folder: Path, upstream: LocalServer) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._folder, self._upstream = folder, upstream

    def make(self) -> HostileOutcome:
        """Make the run, and judge it."""
        begun, chance = time.monotonic(), self._random
        weathers = tuple(chance.choice(list(WEATHER)) for _ in range(chance.randint(1, 4)))
        by_proxy = chance.random() < 0.3
        is_killed = chance.random() < 0.4
        frames = chance.randint(200, 1500)
        code, taken, stored, waited, recoveries, failure = None, 0, 0, 0, 0, None
        with FaultyServer(self._folder, seed=self.seed, upstream=self._upstream) as server:
            rig = Rig(self._folder, f"hostile run {self.seed}", server)
            if by_proxy:
                rig.endpoint, rig.proxy = NAME, server.endpoint
            try:
                code = self._run(rig, server, weathers, frames, is_killed=is_killed)
                waited = len(rig.spooled("shards/*.json"))
                taken = min(rig.frames_taken, frames)
                self._judge(rig, code, taken, frames)
                recoveries = self._recover(rig, server)
                stored = rig.expect_delivered(taken, min(taken + 1, frames))
                assert not rig.waiting(), "something is left behind in the spool"
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failure = str(error)
            finally:
                rig.end()
            return HostileOutcome(
                self.seed,
                weathers,
                by_proxy,
                code,
                taken,
                stored,
                waited,
                len(server.plan.faults),
                recoveries,
                time.monotonic() - begun,
                failure,
            )

    def _run(
        self, rig: Rig, server: FaultyServer, weathers: tuple[str, ...], frames: int, *, is_killed: bool
    ) -> int | None:
        process = rig.start(*FAST, "--frames", str(frames), "--drain-timeout", "15")
        # A stream is made once: a run that cannot begin takes no frame, and has nothing to lose.
        rig.wait_until(lambda: rig.frames_taken > 0, process)
        over = threading.Event()
        weather = threading.Thread(target=self._pass, args=(server, weathers, over))
        weather.start()
        try:
            if not is_killed:
                return rig.finish(process).code
            time.sleep(self._random.uniform(0.0, 4.0))
            if process.poll() is not None:
                return process.returncode
            process.kill()
            process.wait()
            return None
        finally:
            over.set()
            weather.join()

    def _pass(self, server: FaultyServer, weathers: tuple[str, ...], over: threading.Event) -> None:
        """Let one weather after another pass, with clear sky between some of them."""
        chance = random.Random(self.seed)
        for weather in weathers:
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

    def _judge(self, rig: Rig, code: int | None, taken: int, frames: int) -> None:
        """Check that what the run has said by its exit code is so."""
        if code == DELIVERED:
            assert taken == frames, f"{taken} of {frames} frames were taken, and the run says it is done"
            assert not rig.waiting(), "the run says that all is delivered, and something waits"
        elif code is not None:
            assert code in (FAILED, FRAMES_LOST), f"the run exits {code}"
            assert code == FRAMES_LOST or not taken, "a run that could not begin has taken frames"
            # Where nothing waits, all must be in the store: a busy computer's camera may have paused.

    def _recover(self, rig: Rig, server: FaultyServer) -> int:
        if not rig.waiting():
            return 0
        if self._random.random() < 0.4:
            weather = self._random.choice(list(WEATHER))
            for endpoints, kind, values in WEATHER[weather]:
                for endpoint in endpoints:
                    server.add(Rule(endpoint, kind, self._random.choice(values), times=5))
            process = rig.command("recover", "--json", "--drain-timeout", "2")
            if self._random.random() < 0.5:
                time.sleep(self._random.uniform(0.3, 2.0))
                process.kill()
            rig.finish(process)
        server.heal()
        for number in range(1, RECOVERIES + 1):
            ended = rig.recover("--drain-timeout", "60")
            if ended.code == DELIVERED:
                return number
        raise AssertionError(f"recover exits {ended.code}: {ended.err or ended.out}")
