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
    from rheed_acquire.camera import Camera, CaptureRequest, DeviceInfo
    from rheed_acquire.report import RunInfo, RunReport
    from rheed_acquire.ring import Chunk
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


@hookspec
def rheed_register_cameras(register: Callable[[CameraBackend], None]) -> None:
    """Call ``register`` once for each camera backend that the plugin brings.

    A second backend of a name that is taken is refused, and both distributions are named to the user.
    """


@hookspec
def rheed_register_streamers(register: Callable[[StreamerBackend], None]) -> None:
    """Call ``register`` once for each streamer: a place where chunks can go, chosen by ``--streamer``."""


@hookspec
def rheed_run_started(run: RunInfo) -> None:
    """Called when the stream exists and before the first frame, from the session's thread."""


@hookspec
def rheed_chunk_completed(run: RunInfo, chunk: Chunk) -> None:
    """Called for each full chunk before it is pushed, from the pusher thread, in order.

    ``chunk.frames`` is lent until the hook returns. A slow hook delays the push and, past the ring's length,
    costs frames: hand long work to a thread of your own, with a copy.
    """


@hookspec
def rheed_run_finished(run: RunInfo, report: RunReport) -> None:
    """Called once when the stream has been finalized, however the run ended."""
