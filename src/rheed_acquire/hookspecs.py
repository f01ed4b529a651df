"""Every hook of rheed-acquire: the first file that a plugin author reads.

A plugin is a module named by an entry point in the group ``rheed_acquire``::

    [project.entry-points.rheed_acquire]
    mycamera = "rheed_acquire_mycamera"

with functions of the names below, marked `hookimpl`::

    from rheed_acquire import CameraBackend, hookimpl

    @hookimpl
    def rheed_register_cameras(register):
        register(CameraBackend(name="mycamera", ...))

Importing a plugin's module must be cheap: its SDK is imported when its camera is used, not before. Hooks are
called at the edges of a run and once per chunk, never per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import BaseModel

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import Camera, CameraInfo, CaptureRequest, DeviceInfo
    from rheed_acquire.channels.channel import Channel
    from rheed_acquire.host.guard.observed_chunk import ObservedChunk
    from rheed_acquire.run.report import RunInfo, RunReport
    from rheed_acquire.streaming.streamer import StreamerBackend

PROJECT = "rheed_acquire"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of the same name."""


@dataclass(frozen=True, slots=True)
class CameraBackend:
    """A kind of camera that ``--camera NAME`` can choose.

    Attributes
    ----------
    name
        Lower case, as in ``--camera basler``; also the prefix of its settings.
    description
        One line, shown by ``rheed-acquire plugins``.
    settings
        A pydantic model whose every field has a default and a description. Each field is at once a flag
        ``--basler.exposure-us``, an environment variable ``RHEED_BASLER__EXPOSURE_US``, a key of the table
        ``[basler]`` in the TOML file, and a line of the reference.
    discover
        Lists the devices that can be opened now. Called with the settings; may take seconds, and is
        abandoned after a time-out.
    open
        Opens the device that the settings choose and configures it. Raises a `CameraError`.
    requires
        Modules without which the backend cannot work, looked up but not imported to tell whether it is
        usable: ``("pypylon",)``.
    inspect
        Tells of the device that the settings choose what `open` would, as far as it is known without a run;
        None where there is nothing to tell. Only recordings have it.
    waits_to_open
        Whether `open` may wait for as long as the user does, for what is not there yet; it then heeds
        `rheed_acquire.cameras.camera.CaptureRequest.given_up`.
    install
        What to type where one of them is missing: ``pip install "rheed-acquire[basler]"``.
    """

    name: str
    description: str
    settings: type[BaseModel]
    discover: Callable[[Any], Sequence[DeviceInfo]]
    open: Callable[[Any, CaptureRequest], Camera]
    requires: tuple[str, ...] = ()
    install: str = ""
    inspect: Callable[[Any], CameraInfo] | None = None
    waits_to_open: bool = False


@dataclass(frozen=True, slots=True)
class ChannelBackend:
    """A kind of instrument that is read beside the frames: a temperature, a pressure, a flux.

    Attributes
    ----------
    name
        Lower case; the prefix of its settings.
    description
        One line, shown by ``rheed-acquire plugins``.
    settings
        As those of a `CameraBackend`. What describes one channel derives from
        `rheed_acquire.channels.channel_settings.ChannelSettings`.
    open
        Returns the channels that the settings describe, none where they describe none. Called once by a
        command that makes runs, which goes on without them where it fails; an instrument that is not there
        yet is better left to the channel's ``read``.
    requires, install
        As those of a `CameraBackend`.
    """

    name: str
    description: str
    settings: type[BaseModel]
    open: Callable[[Any], Sequence[Channel]]
    requires: tuple[str, ...] = ()
    install: str = ""


@hookspec
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Call ``register`` once for each camera backend that the plugin brings.

    A name of the built-in cameras cannot be taken; one that several plugins claim is neither's.
    """


@hookspec
def rheed_register_streamers(register: Callable[[StreamerBackend], None]) -> None:
    """Call ``register`` once for each streamer: a place where chunks can go, chosen by ``--streamer``."""


@hookspec
def rheed_register_channels(register: Callable[[ChannelBackend], None]) -> None:
    """Call ``register`` once for each kind of instrument that the plugin reads beside the frames.

    What its channels read while a run records is kept with the run, dated by the clock that dates the frames.
    """


@hookspec
def rheed_run_started(run: RunInfo) -> None:
    """Called when the stream exists; the first frame waits for it, for ten seconds at most.

    The three hooks of a run are called one after another, from a thread that is the plugin's alone. What they
    raise is noted in the run's report.
    """


@hookspec
def rheed_chunk_completed(run: RunInfo, chunk: ObservedChunk) -> None:
    """Called for each chunk, in order, while it is being pushed.

    The chunk is a copy, read-only, that can be kept. The run does not wait: a plugin that has two chunks
    before it misses the next. Only where the frames come from a recording is it waited for.
    """


@hookspec
def rheed_run_finished(run: RunInfo, report: RunReport) -> None:
    """Called once when the stream has been finalized, however the run ended, and after all chunks.

    The command's end waits for it, for a minute at most.
    """
