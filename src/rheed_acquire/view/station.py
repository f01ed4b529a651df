"""The client of a station: `Station`, for recipe software in Python."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from rheed_acquire.regions.regions import Region
from rheed_acquire.view.interface import (
    PREFIX,
    CameraAdjusted,
    ChannelList,
    ChannelReadingsTold,
    MarkList,
    MarkTaken,
    ReadingsTaken,
    RegionList,
    Run,
    StationState,
    Traces,
)
from rheed_acquire.view.interface_requests import MOST_WAIT_S
from rheed_acquire.view.station_choice import NoStationError, find_station
from rheed_acquire.view.station_connection import StationConnection, StationError, parsed


class Station:
    """A station, to start, mark and stop runs, and to look on.

    What changes something is asked with an idempotency key of its own and asked again where the answer got
    lost, so that nothing is done twice. An instance is for one thread at a time.

    Parameters
    ----------
    station
        Which one: its URL, with the token (``http://127.0.0.1:41873/?token=...``) or, on its own computer,
        without; or where this user has several, the kind of its camera or the id of its process. Without it
        the URL in the environment's ``RHEED_STATION``, else this user's only one on this computer.
    asked_ns
        When all that it is told was asked for, as ``time.perf_counter_ns``, in a program that is there for
        one request; by default when it is told. A run reaches back to it, and a mark lies there, where the
        station is of this computer and its user; else when the request arrives.

    Raises
    ------
    NoStationError
        There is none, or none like this.
    SettingsError
        There are several, or ``station`` is no URL.
    """

    def __init__(self, station: str | None = None, *, asked_ns: int | None = None) -> None:
        self._connection = StationConnection(find_station(station), asked_ns)

    @property
    def url(self) -> str:
        """Where it answers, without the token."""
        return self._connection.url

    def state(self) -> StationState:
        """Return what it does just now."""
        return self._connection.get("/state", StationState)

    def start(
        self,
        *,
        stream_name: str | None = None,
        physical_sample: str | None = None,
        project_id: str | None = None,
        tags: Iterable[str] | None = None,
        azimuth: str | None = None,
        rotations_per_min: float | None = None,
        duration: float | None = None,
        frames: int | None = None,
        pre_roll_s: float | None = None,
        when: str | None = None,
        until: str | None = None,
        archive: bool | None = None,
        notes: str | None = None,
        wait_s: float | None = None,
    ) -> StationRun:
        """Start a run, and return when it records; what is left out is as the station was told.

        Parameters
        ----------
        stream_name, physical_sample, project_id, tags, azimuth, rotations_per_min, duration, frames, notes
            As the settings of these names; seconds, and rotations per minute.
        pre_roll_s
            How many seconds before now (see `Station`) the run begins, as far as the station's preview has
            kept the frames; with ``when``, before that is true.
        when, until
            Conditions by which the run begins and ends: ``specular > 120``, ``specular < 20 for 2 s``,
            ``line Line1 high``, ``at 14:30``, ``in 90 s``.
        archive
            Whether the originals are kept too, where the station was started with ``--archive``.
        wait_s
            How long to wait for it to record, in seconds; 0 for not at all. By default a minute, and with
            ``when`` not at all: `StationRun.wait` does.

        Raises
        ------
        StationError
            A run goes on already (``code`` is ``run-going-on``), it could not begin, or a value is wrong.
        """
        told = {
            "stream_name": stream_name,
            "physical_sample": physical_sample,
            "project_id": project_id,
            "tags": None if tags is None else list(tags),
            "azimuth": azimuth,
            "rotations_per_min": rotations_per_min,
            "duration": duration,
            "frames": frames,
            "pre_roll_s": pre_roll_s,
            "when": when,
            "until": until,
            "archive": archive,
            "notes": notes,
        }
        body = {name: value for name, value in told.items() if value is not None}
        run = self._connection.post("/start", {**body, "wait_s": 0}, Run)
        started = StationRun(self, run)
        if wait_s is None:
            wait_s = MOST_WAIT_S if when is None else 0.0
        if wait_s:
            started.wait(wait_s, until="recording")
            if started.latest.phase == "failed":
                raise StationError(f"the run could not begin: {started.latest.error}", code="failed")
        return started

    @contextmanager
    def run(self, **told: Any) -> Iterator[StationRun]:
        """Make a run for the time of a ``with``: it is started as by `start`, and at the end stopped.

        At the end it is waited for, so that `StationRun.latest` says what became of it. Where the block ends
        by an exception, the run is stopped too, and not waited for.
        """
        run = self.start(**told)
        try:
            yield run
        except BaseException:
            run.stop(wait_s=0)
            raise
        run.stop()

    def stop(self, *, run: str | None = None, wait_s: float = 600.0) -> Run:
        """End the run that goes on, or the one that is named, and return what became of it.

        Parameters
        ----------
        wait_s
            How long to wait for what was captured to be delivered, in seconds; 0 for not at all.

        Raises
        ------
        StationError
            There is no run, or another one than was named (`StationError.is_conflict`).
        """
        body: dict[str, Any] = {} if run is None else {"run": run}
        stopped = StationRun(self, self._connection.post("/stop", {**body, "wait_s": 0}, Run))
        return stopped.wait(wait_s) if wait_s else stopped.latest

    def adjust_camera(self, *, exposure_us: float | None = None, gain: float | None = None) -> CameraAdjusted:
        """Change exposure or gain of the camera while it runs, and return what it holds then.

        The run that records has a mark of it. The camera keeps it until the station ends, over runs, previews
        and losses of the camera.

        Parameters
        ----------
        exposure_us
            Exposure time in microseconds.
        gain
            In dB, or in the camera's raw units where it has no dB.

        Raises
        ------
        StationError
            The camera refuses it, and says its bounds; cannot change it while it runs; or is away.
        """
        told = {"exposure_us": exposure_us, "gain": gain}
        body = {name: value for name, value in told.items() if value is not None}
        return self._connection.post("/camera", body, CameraAdjusted)

    def mark(
        self,
        text: str,
        value: float | None = None,
        unit: str | None = None,
        *,
        time_unix_ms: float | None = None,
        run: str | None = None,
    ) -> MarkTaken:
        """Mark the run that goes on; on return the mark is on the station's disk.

        Parameters
        ----------
        text
            What was done: ``shutter open``.
        value, unit
            A number that belongs to it, and what it is in.
        time_unix_ms
            When, in ms since 1970, UTC; without it, now (see `Station`).
        run
            Refuse to mark any run but this.

        Raises
        ------
        StationError
            No run records, or another one.
        """
        told = {"text": text, "value": value, "unit": unit, "time_unix_ms": time_unix_ms, "run": run}
        return self._connection.post(
            "/marks", {name: one for name, one in told.items() if one is not None}, MarkTaken
        )

    def marks(self, run: str | None = None) -> tuple[MarkTaken, ...]:
        """Return the marks of a run; by default of the one that goes on, or ended last."""
        return self._connection.get("/marks", MarkList, {} if run is None else {"run": run}).marks

    def record(
        self,
        channel: str,
        value: float,
        unit: str | None = None,
        *,
        time_unix_ms: float | None = None,
        run: str | None = None,
    ) -> ReadingsTaken:
        """Record what an instrument says beside the frames, on disk within a second or so.

        Where no run records it is shown and not kept, so that whoever reads an instrument need not know
        of runs. More than a few a second are better sent together, by `record_all`.

        Parameters
        ----------
        channel
            What it is: ``substrate temperature``.
        value, unit
            A number, and what it is in.
        time_unix_ms
            When, in ms since 1970, UTC, within the last hour; without it, now (see `Station`).
        run
            Refuse to take it for any run but this.

        Raises
        ------
        StationError
            The station reads such a channel itself, it is in another unit, there are too many, or the value
            is no finite number.
        """
        told = {"channel": channel, "value": value, "unit": unit, "time_unix_ms": time_unix_ms}
        return self.record_all([told], run=run)

    def record_all(self, readings: Iterable[Mapping[str, Any]], *, run: str | None = None) -> ReadingsTaken:
        """Record several readings at once, 500 at most (see `record`).

        Parameters
        ----------
        readings
            Each with ``channel`` and ``value``, and perhaps ``unit`` and ``time_unix_ms``.

        Raises
        ------
        StationError
            See `record`. Where one is no finite number, as of a gauge that is out of its range, none is sent.
        """
        body: dict[str, Any] = {} if run is None else {"run": run}
        body["readings"] = [
            {name: value for name, value in one.items() if value is not None} for one in readings
        ]
        return self._connection.post("/channels", body, ReadingsTaken)

    def channels(self, since_unix_ms: float = 0.0) -> tuple[ChannelReadingsTold, ...]:
        """Return what other instruments have said since a time, of each the latest 1,024 readings."""
        return self._connection.get("/channels", ChannelList, {"since": since_unix_ms}).channels

    def find_run(self, run: str) -> Run:
        """Return what is known of one of the latest 100 runs, by its name."""
        return self._connection.get(f"/runs/{run}", Run)

    def regions(self) -> tuple[Region, ...]:
        """Return the regions of interest that are followed."""
        return self._connection.get("/regions", RegionList).regions

    def set_regions(self, regions: Iterable[Region]) -> RegionList:
        """Follow these regions in the place of those before; the station's settings file keeps them."""
        body = {"regions": [region.model_dump(mode="json") for region in regions]}
        return parsed(RegionList, self._connection.ask("PUT", "/regions", json=body))

    def frame_png(self, bits: Literal[8, 16] = 8) -> bytes:
        """Return the newest frame as a PNG: of 8 bits as it is shown, of 16 with the camera's own levels."""
        return self._connection.ask("GET", "/frame.png", params={"bits": bits}).content

    def traces(self, since_unix_ms: float = 0.0) -> Traces:
        """Return the regions' intensities since a time, and the growth rate that each oscillation implies."""
        return self._connection.get("/traces", Traces, {"since": since_unix_ms})

    def events(self) -> Iterator[dict[str, Any]]:
        """Go through what happens from now on: ``{"type": "state" or "event", ...}``, until it is closed.

        Raises
        ------
        NoStationError
            The station is gone.
        """
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        url = f"ws{self.url.removeprefix('http')}{PREFIX}/events"
        headers = self._connection.headers
        try:
            with connect(url, additional_headers=headers, max_size=None, proxy=None) as events:
                for message in events:
                    yield json.loads(message)
        except (OSError, WebSocketException) as error:
            raise NoStationError(f"the station at {self.url} tells no events: {error}") from None

    def close(self) -> None:
        """Let go of the connection; the station and its runs go on."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class StationRun:
    """A run that was started by a `Station`.

    Attributes
    ----------
    latest
        What was known of it when it was asked for last; after `stop` or `wait`, what became of it.
    """

    def __init__(self, station: Station, run: Run) -> None:
        self._station, self.latest = station, run

    def refresh(self) -> Run:
        """Ask for it again."""
        self.latest = self._station.find_run(self.latest.run)
        return self.latest

    def mark(
        self,
        text: str,
        value: float | None = None,
        unit: str | None = None,
        *,
        time_unix_ms: float | None = None,
    ) -> MarkTaken:
        """Mark this run (see `Station.mark`)."""
        return self._station.mark(text, value, unit, time_unix_ms=time_unix_ms, run=self.latest.run)

    def record(
        self, channel: str, value: float, unit: str | None = None, *, time_unix_ms: float | None = None
    ) -> ReadingsTaken:
        """Record what an instrument says beside the frames of this run (see `Station.record`)."""
        return self._station.record(channel, value, unit, time_unix_ms=time_unix_ms, run=self.latest.run)

    def stop(self, *, wait_s: float = 600.0) -> Run:
        """End it, and return what became of it (see `Station.stop`); also of one that has ended by itself."""
        self.latest = self._station.stop(run=self.latest.run, wait_s=wait_s)
        return self.latest

    def wait(self, timeout_s: float = 600.0, *, until: Literal["recording", "ended"] = "ended") -> Run:
        """Wait until it records or has ended, and return what is known of it then.

        Raises
        ------
        StationError
            It takes longer (``code`` is ``not-yet``).
        """
        deadline_s = time.monotonic() + timeout_s
        pause_s = 0.02
        while not (self.latest.is_over or (until == "recording" and self.latest.is_recording)):
            if time.monotonic() > deadline_s:
                raise StationError(
                    f"run {self.latest.run} is {self.latest.phase} after {timeout_s:g} s", code="not-yet"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.25)
            self.refresh()
        return self.latest
