"""A station of rheed-acquire in bluesky: a detector whose frames stay where they are recorded.

Between stage and unstage the station makes one run. Its documents name the frames in the run's Zarr group: a
trigger takes those that are captured after it, a flight as many as were asked for, one after another.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.protocols import Movable, StreamAsset
from bluesky.utils import MsgGenerator
from event_model import ComposeStreamResource, DataKey, StreamRange
from ophyd_async.core import (
    AsyncStatus,
    DetectorAcquireLogic,
    DetectorDataLogic,
    DetectorTriggerLogic,
    StandardDetector,
    StreamableDataProvider,
    TriggerInfo,
    soft_signal_r_and_setter,
)

from rheed_acquire import Station, StationRun

POLL_S = 0.1
STREAM = "rheed"

T = TypeVar("T")


class Recording:
    """The station's run, and which of its frames belong to events.

    Parameters
    ----------
    station
        As `rheed_acquire.Station` has it; None for this user's only one on this computer.
    told
        What each run is told: `stream_name`, `physical_sample`, and so on.
    """

    def __init__(self, station: str | None, told: dict[str, Any]) -> None:
        self._where, self._told = station, told
        self._station: Station | None = None
        self._run: StationRun | None = None
        self._lock = asyncio.Lock()  # a Station is for one thread at a time
        self._taking: asyncio.Task[None] | None = None
        self.frames_per_event, self.frames_wanted = 1, 1
        self.flights: list[tuple[int, int]] = []
        """Of each trigger or flight: its first event, and where in the array that is, in events."""
        self.taken, self._set_taken = soft_signal_r_and_setter(int, 0)

    async def begin(self) -> tuple[Path, int, int]:
        """Have the station record, unless it does; where, and how high and wide its frames are."""
        if self._run is None:
            self._station = await asyncio.to_thread(Station, self._where)
            self._run = await self._ask(partial(self._station.start, **self._told))
            self._set_taken(0)
            self.flights = []
        assert self._station is not None
        camera = (await self._ask(self._station.state)).camera
        latest = self._run.latest
        if latest.output is None or camera.height is None or camera.width is None:
            raise RuntimeError("the station's runs are not recorded on this computer")
        return Path(latest.output), camera.height, camera.width

    async def take(self) -> None:
        """Count the frames that are captured from now on, up to as many as are wanted."""
        run = self._run
        assert run is not None
        # The station says every now and then how many frames there are: what it says anew is of now.
        before = await self._frames(run)
        while (now := (await self._frames(run))) == before:
            await asyncio.sleep(POLL_S)
        first = -(-now // self.frames_per_event)  # the array is cut into events from its beginning
        already = await self.taken.get_value()
        self.flights.append((already // self.frames_per_event, first))
        self._taking = asyncio.create_task(self._count(run, first * self.frames_per_event, already))

    async def _count(self, run: StationRun, first_frame: int, already: int) -> None:
        count = 0
        while count < self.frames_wanted:
            await asyncio.sleep(POLL_S)
            frames = await self._frames(run, first_frame + self.frames_wanted)
            count = min(max(frames - first_frame, 0), self.frames_wanted)
            self._set_taken(already + count)

    async def idle(self) -> None:
        """Wait until all that are wanted are there."""
        if self._taking is not None:
            await self._taking

    async def end(self) -> None:
        """End the run, and wait until its frames lie where they stay."""
        if self._taking is not None:
            self._taking.cancel()
        run, station = self._run, self._station
        self._run = self._station = self._taking = None
        try:
            if run is not None:
                await self._ask(run.stop)
        finally:
            if station is not None:
                station.close()

    async def mark(self, text: str) -> None:
        """Mark the run."""
        if self._run is None:
            raise RuntimeError("the station makes no run: stage the detector first")
        await self._ask(partial(self._run.mark, text))

    async def _frames(self, run: StationRun, enough: float = math.inf) -> int:
        latest = await self._ask(run.refresh)
        if latest.is_over and latest.frames < enough:
            raise RuntimeError(f"the station's run ended by itself, after {latest.frames} frames")
        return latest.frames

    async def _ask(self, question: Callable[[], T]) -> T:
        async with self._lock:
            return await asyncio.to_thread(question)


class _Trigger(DetectorTriggerLogic):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def prepare_internal(self, num: int, livetime: float, deadtime: float) -> None:
        if livetime or deadtime:
            raise ValueError("exposure and rate of the camera are the station's own settings")
        self._recording.frames_wanted = num


class _Acquire(DetectorAcquireLogic):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def start_acquiring(self) -> None:
        await self._recording.take()

    async def wait_for_idle(self) -> None:
        await self._recording.idle()

    async def ensure_stopped(self) -> None:
        await self._recording.end()


class _Data(DetectorDataLogic):
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def prepare_unbounded(self, datakey_name: str) -> StreamableDataProvider:
        folder, height, width = await self._recording.begin()
        return Frames(self._recording, datakey_name, folder / "frames.zarr", height, width)


class Frames(StreamableDataProvider):
    """Names frames, and when each was captured, in the Zarr group of the run."""

    def __init__(self, recording: Recording, key: str, group: Path, height: int, width: int) -> None:
        self._recording = recording
        self.collections_written_signal = recording.taken
        self._uri = group.absolute().as_uri().replace("file:///", "file://localhost/", 1)
        self._arrays = {
            key: ("frames", [height, width], "|u1"),
            f"{key}-time_unix_ms": ("time_unix_ms", [], "<f8"),
        }
        compose = ComposeStreamResource()
        self._bundles = [
            compose(
                mimetype="application/x-zarr",
                uri=self._uri,
                data_key=name,
                parameters={"array": array, "chunk_shape": [1, *shape]},
            )
            for name, (array, shape, _) in self._arrays.items()
        ]
        self._told = 0

    async def make_datakeys(self, collections_per_event: int) -> dict[str, DataKey]:
        """Say what an event has: so many frames, and their times in ms since 1970, UTC."""
        return {
            name: DataKey(
                source=f"{self._uri}/{array}",
                shape=[collections_per_event, *shape],
                dtype="array" if shape or collections_per_event > 1 else "number",
                dtype_numpy=dtype,
                external="STREAM:",
            )
            for name, (array, shape, dtype) in self._arrays.items()
        }

    async def make_stream_docs(
        self, collections_written: int, collections_per_event: int
    ) -> AsyncIterator[StreamAsset]:
        """Tell of the events up to a number of frames; index I has frames I times N and on, of N an event."""
        events = collections_written // collections_per_event
        if events and not self._told:
            for bundle in self._bundles:
                yield "stream_resource", bundle.stream_resource_doc
        flights = self._recording.flights
        ends = [first for first, _ in flights[1:]] + [events]
        for (first, place), end in zip(flights, ends, strict=True):
            begin, stop = max(first, self._told), min(end, events)
            if begin < stop:
                indices = StreamRange(start=place + begin - first, stop=place + stop - first)
                for bundle in self._bundles:
                    yield "stream_datum", bundle.compose_stream_datum(indices)
        self._told = max(self._told, events)


class RheedDetector(StandardDetector):
    """The frames of a station.

    Parameters
    ----------
    name
        Of the device, and of its data.
    station
        Which station: its URL, the kind of its camera or its process id; None for this user's only one.
    told
        What each run is told, as `rheed_acquire.Station.start` has it.
    """

    def __init__(self, name: str = "rheed", station: str | None = None, **told: Any) -> None:
        self._recording = Recording(station, told)
        self.add_detector_logics(_Trigger(self._recording), _Acquire(self._recording), _Data(self._recording))
        super().__init__(name=name)
        self.marks = Marks(f"{name}-marks", self._recording)

    @AsyncStatus.wrap
    async def prepare(self, value: TriggerInfo) -> None:
        """See `ophyd_async.core.StandardDetector.prepare`: an event may have several frames."""
        self._recording.frames_per_event = value.collections_per_event
        await super().prepare(value)


class Marks(Movable[str]):
    """Marks of the run: what is set is marked, dated when the station is asked."""

    parent = None

    def __init__(self, name: str, recording: Recording) -> None:
        self.name, self._recording = name, recording

    def set(self, value: str) -> AsyncStatus[None]:
        """Mark the run; it is done when the mark is on the station's disk."""
        return AsyncStatus(self._recording.mark(value))


def fly(
    rheed: RheedDetector, frames: int, recipe: Callable[[], MsgGenerator[None]] | None = None, **metadata: Any
) -> MsgGenerator[None]:
    """Record frames while a recipe is carried out, and tell of them as they come.

    Parameters
    ----------
    frames
        How many belong to the scan; the station's run has those around them too.
    recipe
        A plan: shutters, temperatures, marks.
    metadata
        For the start document.
    """

    @bpp.stage_decorator([rheed])
    @bpp.run_decorator(md={"plan_name": "fly", "frames": frames, **metadata})
    def inner() -> MsgGenerator[None]:
        yield from bps.prepare(rheed, TriggerInfo(number_of_events=frames), wait=True)
        yield from bps.declare_stream(rheed, name=STREAM, collect=True)
        yield from bps.kickoff(rheed, wait=True)
        if recipe is not None:
            yield from recipe()
        yield from bps.collect_while_completing([rheed], [rheed], flush_period=0.5, stream_name=STREAM)

    yield from inner()


def open_shutter(rheed: RheedDetector, seconds: float) -> MsgGenerator[None]:
    """A recipe of one step, where a real one sets the shutter as well."""
    yield from bps.abs_set(rheed.marks, "shutter open", wait=True)
    yield from bps.sleep(seconds)
    yield from bps.abs_set(rheed.marks, "shutter closed", wait=True)
