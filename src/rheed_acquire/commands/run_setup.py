"""What a run is made of, as the settings choose it: camera, streamer, local server, log."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rheed_acquire.commands.attend import Interrupts, count_interrupts
from rheed_acquire.errors import SettingsError
from rheed_acquire.findings import FindingCode
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.plugins import PluginHost, missing_requirement
from rheed_acquire.run.adjustments import Adjustments
from rheed_acquire.settings.run_settings import Sync
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.streamer import LOCAL_SERVER, StreamerBackend, StreamerRequest
from rheed_acquire.system.allocator import tune_allocator
from rheed_acquire.system.awake import kept_awake
from rheed_acquire.system.priority import share_interpreter
from rheed_acquire.text.printable_text import LineFormatter

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import Camera, CaptureRequest
    from rheed_acquire.host.guard.channels import GuardedChannel
    from rheed_acquire.host.guard.observers import Observers
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.channels import Channels
    from rheed_acquire.run.lent_camera import CameraTurn
    from rheed_acquire.run_report.recorder import RunRecorder
    from rheed_acquire.server.process import LocalServer
    from rheed_acquire.settings.run_settings import RunSettings
    from rheed_acquire.settings.sources import LoadedSettings
    from rheed_acquire.streaming.streamer import Streamer

logger = logging.getLogger("rheed_acquire")


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What a command's settings have chosen: everything that runs are made of.

    Attributes
    ----------
    server
        Where neither a key nor an endpoint is given and the streamer uses one; begun by `set_up`.
    observers
        Plugins that are told of each run.
    channels
        Other instruments, which are read beside the frames.
    adjustments
        What was changed of the camera while it ran.
    """

    host: PluginHost
    settings: LoadedSettings
    camera: CameraBackend
    streamer: StreamerBackend
    server: LocalServer | None
    observers: Observers
    channels: Channels
    adjustments: Adjustments = field(default_factory=Adjustments)

    def acquisition(
        self,
        run: RunSettings,
        tap: FrameTap | None,
        turn: CameraTurn | None = None,
        changed_by: str = "",
    ) -> tuple[Acquisition, RunRecorder]:
        """Make a run, to be begun, and what keeps its report.

        Parameters
        ----------
        turn
            Its way to the camera that is held; None where it opens one of its own.
        changed_by
            Who has set what differs in ``run`` from the command's settings.
        """
        from rheed_acquire.run.acquisition import Acquisition
        from rheed_acquire.run_report.recorder import RunRecorder

        server = self.server
        modules = (*self.camera.requires, *self.streamer.requires)
        recorder = RunRecorder(self.host, self.settings, run, tap, modules, changed_by)
        acquisition = Acquisition(
            run,
            open_camera=self.open_camera if turn is None else turn.open,
            open_streamer=self._open_streamer,
            notify=recorder.notify,
            locate_output=server.run_directory if server is not None else lambda data_id: None,  # noqa: ARG005
            tap=tap,
            observers=self.observers,
            patience=self.host.patience,
            max_fps=None if server is not None else self.max_fps(),
            mark_folders=recorder.folders,
            readings=self.channels.of_run(),
            turn=turn,
        )
        if server is not None:
            server.on_restart = partial(acquisition.journal.warn, FindingCode.SERVER_RESTARTED)
            server.on_loss = partial(acquisition.expect_no_delivery, FindingCode.SERVER_LOST)
        return acquisition, recorder

    def max_fps(self) -> float | None:
        """Frames per second that the service takes; None for any number."""
        return self.streamer.max_fps(self.settings.backend(self.streamer.name))

    def preview(self, tap: FrameTap, turn: CameraTurn) -> Acquisition:
        """Make a run whose frames are only looked at, and kept for a while."""
        from rheed_acquire.run.acquisition import Acquisition
        from rheed_acquire.view.preview import MARGIN_S, PreviewStreamer, preview_settings

        run = self.settings.run
        return Acquisition(
            preview_settings(run),
            open_camera=turn.open,
            open_streamer=lambda given_up: PreviewStreamer(run.pre_roll + MARGIN_S, given_up),
            tap=tap,
            patience=self.host.patience,
            turn=turn,
        )

    def open_camera(self, request: CaptureRequest) -> Camera:
        """Open the camera that was chosen."""
        camera = self.camera.open(self.settings.backend(self.camera.name), request)
        self.adjustments.renew(camera)
        return camera

    def _open_streamer(self, given_up: Callable[[], bool]) -> Streamer:
        run, server = self.settings.run, self.server
        endpoint, key = run.endpoint, run.api_key
        if server is not None:
            server.begin()
            server.wait_ready()
            endpoint, key = server.endpoint, server.api_key
        request = StreamerRequest(
            api_key=key or SecretStr(""),
            endpoint=endpoint,
            server=None if server is None else f"{LOCAL_SERVER}{server.directory}",
            spool_folder=run.spool_dir,
            spool_limits=spool_limits(run),
            sync_always=run.sync is Sync.ALWAYS,
            given_up=given_up,
        )
        return self.streamer.open(self.settings.backend(self.streamer.name), request)


@contextmanager
def set_up(host: PluginHost, settings: LoadedSettings) -> Iterator[tuple[RunSetup, Interrupts]]:
    """Choose what runs are made of, and count the user's interrupts from here on.

    A local server starts up now, while the camera is being opened: a run that is asked for later has its
    frames from then on only if its stream is open before the preview has to let go of them.

    Raises
    ------
    SettingsError
        A camera, a streamer or an endpoint cannot be used, or the log cannot be written.
    """
    run = settings.run
    camera = choose_camera(host, run.camera)
    streamer = choose_streamer(host, run.streamer)
    start_log(run.verbosity, run.log_file)
    tune_allocator()
    share_interpreter()
    server = local_server(settings, streamer)
    channels = open_channels(host, settings)
    setup = RunSetup(host, settings, camera, streamer, server, host.observers(), channels)
    interrupts = count_interrupts()
    try:
        channels.begin()
        if setup.server is not None:
            setup.server.begin()
        with kept_awake():
            yield setup, interrupts
    finally:
        channels.close()
        if setup.server is not None:
            setup.server.stop()


def spool_limits(run: RunSettings) -> SpoolLimits:
    """The limits of the spool as the settings give them, in gigabytes and days."""
    return SpoolLimits(
        max_bytes=None if run.spool_limit is None else round(run.spool_limit * 1e9),
        keep_free_bytes=round(run.spool_keep_free * 1e9),
        retention_s=None if run.spool_retention is None else run.spool_retention * 86400,
        when_full=run.spool_full,
    )


def choose_camera(host: PluginHost, name: str | None) -> CameraBackend:
    """Find the camera backend of a name.

    Raises
    ------
    SettingsError
        None was named, there is no such one, or it cannot be used here.
    """
    known = ", ".join(sorted(host.cameras))
    if name is None:
        raise SettingsError(
            f"choose a camera: --camera NAME, with one of {known}; --camera simulated needs no hardware, "
            "rheed-acquire cameras lists the devices that can be opened, and --help tells more"
        )
    backend = host.cameras.get(name)
    if ("camera", name) in host.ambiguous:
        raise SettingsError(host.ambiguous["camera", name])
    if backend is None:
        near = difflib.get_close_matches(name, host.cameras, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {known}"
        raise SettingsError(f"there is no camera {name!r}; {hint} (rheed-acquire plugins tells more)")
    missing = missing_requirement(backend)
    if missing is not None:
        raise SettingsError(f"camera {name!r} cannot be used: {missing}")
    return backend


def choose_streamer(host: PluginHost, name: str) -> StreamerBackend:
    """Find the streamer of a name; raises as `choose_camera` does."""
    backend = host.streamers.get(name)
    if ("streamer", name) in host.ambiguous:
        raise SettingsError(host.ambiguous["streamer", name])
    if backend is None:
        raise SettingsError(
            f"there is no streamer {name!r}; choose one of {', '.join(sorted(host.streamers))}"
        )
    missing = missing_requirement(backend)
    if missing is not None:
        raise SettingsError(f"streamer {name!r} cannot be used: {missing}")
    return backend


def open_channels(host: PluginHost, settings: LoadedSettings) -> Channels:
    """Open the channels of all plugins that can be used; one that fails is noted in each run.

    Raises
    ------
    SettingsError
        The settings of one are wrong, or given although it lacks something.
    """
    from rheed_acquire.channels.channel import ChannelError
    from rheed_acquire.run.channels import Channels

    opened: list[GuardedChannel] = []
    failures: list[tuple[str, str]] = []
    for name, backend in sorted(host.channels.items()):
        missing = missing_requirement(backend)
        if missing is not None:
            if settings.are_given(name):
                raise SettingsError(f"channel {name!r} cannot be used: {missing}")
            continue
        try:
            opened += backend.open(settings.backend(name))
        except ChannelError as error:
            failures.append((backend.who, str(error)))
    return Channels(opened, failures)


def local_server(settings: LoadedSettings, streamer: StreamerBackend) -> LocalServer | None:
    """Make ready a local server where neither a key nor an endpoint is given, and the streamer uses one.

    Raises
    ------
    SettingsError
        There is an endpoint but no key, for a streamer that needs both.
    """
    run = settings.run
    if run.api_key is not None or not streamer.uses_local_server:
        return None
    if run.endpoint is not None:
        raise SettingsError(
            f"the endpoint {run.endpoint} ({settings.source_of('endpoint')}) needs an API key: "
            "set AS_API_KEY in the environment or in .env"
        )
    from rheed_acquire.server.process import LocalServer

    return LocalServer(Path(run.output))


def start_log(verbosity: int, file: Path | None) -> None:
    """Send the log to stderr, and to a file where one is named.

    Raises
    ------
    SettingsError
        The file cannot be written.
    """
    from rheed_acquire.streaming.log import apply_verbosity

    apply_verbosity(verbosity)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        why = f"{file.parent} is not a directory" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(
            f"the log file {file} cannot be written ({why}); choose another with --log-file"
        ) from None
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logger.addHandler(handler)
