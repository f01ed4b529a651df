"""One run of the campaign: `rheed-acquire` is killed at a nasty instant, and recovers every frame."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hardware_mocks.faulty_server import FaultyServer, Kind, Rule
from tests.faults.rig import Rig
from tests.faults.seeded_run import Outcome, SeededRun

if TYPE_CHECKING:
    from rheed_acquire.server.process import LocalServer

SPEED = 8.0
RING = ("--ring-chunks", "40", "--spool-keep-free", "0", "--faulty.speed", str(SPEED))


@dataclass(frozen=True, slots=True)
class KillOutcome(Outcome):
    """What became of a run that was killed, and of which kind it was."""

    instant: str
    weather: str
    pixel_format: str
    archived: str
    kills: int

    @property
    def kinds(self) -> Mapping[str, tuple[str, ...]]:
        return {
            "instant": (self.instant,),
            "weather": (self.weather,),
            "pixel format": (self.pixel_format,),
            "taker": (self.archived,),
        }

    @property
    def counts(self) -> Mapping[str, int]:
        return {"kills": self.kills}


class KillRun(SeededRun[KillOutcome]):
    """A run that is killed at an instant that its seed decides, in a weather that it decides too."""

    def __init__(self, seed: int, folder: Path, upstream: LocalServer) -> None:
        super().__init__(seed, folder, upstream)
        # Apart, so that a seed's instants and weather stay as they were.
        self._pixel_format = random.Random(f"{seed} depth").choice(["Mono8", "Mono12", "Mono12p", "RGB8"])
        self._archives = random.Random(f"{seed} archive").random() < 0.5
        self._beside = random.Random(f"{seed} beside")
        self._instants: dict[str, Callable[[Rig, subprocess.Popen[bytes]], None]] = {
            "start": self._at_start,
            "time": self._at_random,
            "shard": self._at_first_shard,
            "write": self._in_a_write,
            "confirmed": self._after_a_confirmation,
            "presign": self._at_a_request,
            "end": self._near_the_end,
        }
        self._instant = self._random.choice(list(self._instants))
        self._weather = self._random.choice(
            ["clear", "embedded", "showers", "storm", "outage", "slow", "busy-end"]
        )
        self._kills = 0

    def make(self) -> KillOutcome:
        with FaultyServer(
            self._folder, seed=self.seed, spared=("create",), upstream=self._upstream
        ) as server:
            rig = Rig(self._folder, f"kill run {self.seed}", server if self._weather != "embedded" else None)
            rig.height, rig.width = self._random.choice([(32, 48), (32, 48), (160, 200)])
            rig.pixel_format = self._pixel_format
            rig.archive = self._folder / "archive" if self._archives else None
            self._make_weather(self._weather, server)
            fate = self._see_through(rig, server)
        archived = "stream and archive" if self._archives else "stream"
        return KillOutcome(
            self.seed, fate, self._instant, self._weather, self._pixel_format, archived, self._kills
        )

    def _make_weather(self, weather: str, server: FaultyServer) -> None:
        if weather == "showers":
            server.plan.failure_rate = 0.1
        elif weather == "storm":
            server.plan.failure_rate = 0.4
        elif weather == "slow":
            server.add(Rule("upload", Kind.DELAY, self._random.uniform(0.1, 1.0)))
        elif weather == "busy-end":
            server.add(Rule("end", Kind.STATUS, 503, times=2))

    def _run(self, rig: Rig, server: FaultyServer) -> None:
        frames: tuple[str, ...] = ()
        if self._instant == "end":
            self._limit = self._random.randint(100, 1500)
            frames = ("--frames", str(self._limit))
        victim = self._beside.choice(["nobody", "view", "server"])
        view = ("--view", "--view-port", "0") if victim == "view" else ()
        region = () if rig.archive is None else ("--region", "spot=9x5+3+2")
        process = rig.start(*RING, *frames, *view, *region, "--drain-timeout", "20")
        if self._instant != "start":
            took_frames = rig.wait_until(lambda: rig.frames_taken > 0, process)
            assert took_frames, "it took no frame, so that its kill shows nothing"
        if self._weather == "outage":
            server.go_down()
        if victim != "nobody":
            module = "rheed_acquire.view" if victim == "view" else "rheed_acquire.server"
            self._kill_children(rig, process, module)
        self._instants[self._instant](rig, process)
        self._kill(process)

    def _kill_children(self, rig: Rig, process: subprocess.Popen[bytes], module: str) -> None:
        """Kill the view or the run's own server, if it has one, at some moment; the run goes on."""
        rig.wait_until(lambda: rig.children(process, module), process, 5.0)
        time.sleep(self._beside.uniform(0.0, 1.0))
        for child in rig.children(process, module):
            with contextlib.suppress(OSError):  # it ended first
                os.kill(child, getattr(signal, "SIGKILL", signal.SIGTERM))
                self._kills += 1

    def _disturb_recovery(self, rig: Rig, server: FaultyServer) -> None:
        if self._random.random() < 0.6:
            return
        if self._random.random() < 0.5:
            server.heal()
        process = rig.command("recover", "--json")
        if self._random.random() < 0.5:
            rig.wait_until(lambda: rig.spooled("shards/*.done") or not rig.waiting(), process, 3.0)
        else:
            time.sleep(self._random.uniform(0.3, 1.8))
        self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
            self._kills += 1
        process.wait()

    def _at_start(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        if self._random.random() < 0.5:
            rig.wait_until(rig.waiting, process)
        else:
            time.sleep(self._random.uniform(0.2, 2.0))

    def _at_random(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        time.sleep(self._random.uniform(0.0, 3.0))

    def _pass_some_frames(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        some = self._random.randint(1, 900)
        rig.wait_until(lambda: rig.frames_taken > some, process)

    def _at_first_shard(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        # With a link that keeps up none is written to the disk.
        rig.wait_until(
            lambda: rig.spooled("shards/*.shard") or rig.archiving("frames.zarr/frames/c/*"), process, 8.0
        )

    def _in_a_write(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        self._pass_some_frames(rig, process)
        rig.wait_until(lambda: rig.spooled("tmp/*") or rig.archiving("incoming/*"), process, 5.0)

    def _after_a_confirmation(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        self._pass_some_frames(rig, process)
        seen: set[Path] = set()

        def is_gone() -> bool:
            now = set(rig.spooled("shards/*.json"))
            gone = bool(seen - now)
            seen.update(now)
            return gone

        rig.wait_until(is_gone, process, 3.0)

    def _at_a_request(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        self._pass_some_frames(rig, process)
        if rig.server is None:
            return
        requests = rig.server.plan.requests
        many = len(requests)
        rig.wait_until(lambda: len(requests) > many, process, 3.0)
        time.sleep(self._random.uniform(0.0, 0.02))

    def _near_the_end(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        if rig.server is not None and self._random.random() < 0.6:
            requests = rig.server.plan.requests
            rig.wait_until(lambda: any(request.endswith("/end") for request in requests), process, 8.0)
            time.sleep(self._random.uniform(0.0, 0.05))
        else:
            time.sleep(self._random.uniform(0.5, 4.0))


class ArchivedKillRun(KillRun):
    """One that always keeps an archive beside its stream."""

    def __init__(self, seed: int, folder: Path, upstream: LocalServer) -> None:
        super().__init__(seed, folder, upstream)
        self._archives = True
