"""The pluggy host: finds plugins, loads each on its own, and knows where everything came from.

One plugin's failure stays its own: it is recorded with the plugin's distribution, version and reason, and
everything else goes on.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TypeAlias, cast

import pluggy
from pydantic import BaseModel

from rheed_acquire import hookspecs
from rheed_acquire.errors import SettingsError
from rheed_acquire.guard.calls import Patience, told
from rheed_acquire.guard.camera import guard_camera_backend
from rheed_acquire.guard.observers import COMPLETED, FINISHED, STARTED, Hook, Observer, Observers
from rheed_acquire.guard.streamer import guard_streamer_backend
from rheed_acquire.hookspecs import PROJECT, CameraBackend
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.streamer import StreamerBackend

logger = logging.getLogger(__name__)

# A name is the prefix of flags and variables. They write - and _ alike, and __ parts names in a variable.
_BACKEND_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

_Backend: TypeAlias = CameraBackend | StreamerBackend


@dataclass(slots=True)
class PluginRecord:
    """One entry point, and what became of it.

    Attributes
    ----------
    failure
        Why the plugin is not in use, or None where it is.
    """

    name: str
    distribution: str
    version: str
    disabled: bool = False
    failure: str | None = None
    cameras: list[CameraBackend] = field(default_factory=list)
    streamers: list[StreamerBackend] = field(default_factory=list)

    @property
    def provenance(self) -> str:
        """The distribution and its version, as error messages name them."""
        return f"{self.distribution} {self.version}".strip()


def missing_requirement(backend: CameraBackend | StreamerBackend) -> str | None:
    """Say which of a backend's modules is not installed and how to mend it; None where all are there.

    The modules are looked up, not imported.
    """
    missing = [module for module in backend.requires if not _is_installed(module)]
    if not missing:
        return None
    remedy = f": {backend.install}" if backend.install else ""
    return f"{', '.join(missing)} is not installed{remedy}"


class PluginHost:
    """Loads the plugins of the entry-point group ``rheed_acquire``.

    Parameters
    ----------
    disabled
        Names of entry points that are listed but not loaded.
    sources
        Entry points to load instead of those of the installed distributions.

    Raises
    ------
    SettingsError
        A disabled name is not the name of any plugin.
    """

    def __init__(self, disabled: Collection[str] = (), sources: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.patience = Patience()
        self.plugins: list[PluginRecord] = []
        self.cameras: dict[str, CameraBackend] = {}
        self.streamers: dict[str, StreamerBackend] = {}
        self._owners: dict[tuple[str, str], PluginRecord] = {}
        found = entry_points(group=PROJECT) if sources is None else sources
        points = sorted(found, key=lambda point: (point.name, _distribution(point)))
        unknown = set(disabled) - {point.name for point in points}
        if unknown:
            raise SettingsError(
                f"cannot disable plugin {', '.join(sorted(unknown))}: no such plugin; "
                f"there are {', '.join(sorted({point.name for point in points}))}"
            )
        for point in points:
            self._load(point, disabled=point.name in disabled)

    @property
    def failures(self) -> list[PluginRecord]:
        """The plugins that could not be used."""
        return [record for record in self.plugins if record.failure is not None]

    def owner(self, kind: str, name: str) -> PluginRecord:
        """Return the plugin that registered the ``camera`` or ``streamer`` of this name."""
        return self._owners[kind, name]

    def observers(self) -> Observers:
        """Make the observers: every plugin that implements one of their hooks."""
        hooks: dict[str, dict[str, Hook]] = {}
        for name in (STARTED, COMPLETED, FINISHED):
            for implementation in getattr(self._manager.hook, name).get_hookimpls():
                hook = Hook(implementation.function, tuple(implementation.argnames))
                hooks.setdefault(implementation.plugin_name, {})[name] = hook
        return Observers((Observer(name, of_one) for name, of_one in hooks.items()), self.patience)

    def _load(self, point: EntryPoint, *, disabled: bool) -> None:
        distribution = _distribution(point)
        version = _name_and_version(point.dist)[1] if point.dist else ""
        record = PluginRecord(point.name, distribution, version, disabled=disabled)
        self.plugins.append(record)
        if disabled:
            return
        registered_as = f"{distribution}:{point.name}"
        plugin: object | None = None
        try:
            plugin = point.load()
            self._manager.register(plugin, registered_as)
            self._check_hooks(plugin)
            self._collect(plugin, record)
        except KeyboardInterrupt:  # the user's
            raise
        except BaseException as error:
            record.failure = told(error)
            logger.debug("plugin %s (%s) failed", point.name, record.provenance, exc_info=True)
            # Not where another entry point has registered the same object: that one goes on.
            if plugin is not None and self._manager.get_plugin(registered_as) is plugin:
                self._manager.unregister(plugin)

    def _check_hooks(self, plugin: object) -> None:
        """Refuse a plugin that implements no hook, or one that does not exist."""
        callers = self._manager.get_hookcallers(plugin)
        if not callers:
            raise ValueError("it implements no hook: mark its functions with @rheed_acquire.hookimpl")
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            known = [name for name in vars(hookspecs) if name.startswith("rheed_")]
            unknown = sorted(caller.name for caller in callers if not caller.has_spec())
            near = difflib.get_close_matches(unknown[0], known, 1, 0.0)[0]
            raise ValueError(f"there is no hook {', '.join(unknown)}; the nearest is {near}") from None

    def _collect(self, plugin: object, record: PluginRecord) -> None:
        """Take what one plugin registers, all of it or nothing."""
        cameras: list[CameraBackend] = []
        streamers: list[StreamerBackend] = []
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        hooks = cast("Callable[..., pluggy.HookCaller]", self._manager.subset_hook_caller)
        hooks("rheed_register_cameras", others)(register=cameras.append)
        hooks("rheed_register_streamers", others)(register=streamers.append)
        earlier = [*_of_kind("camera", self.cameras.values()), *_of_kind("streamer", self.streamers.values())]
        for kind, backend in (*_of_kind("camera", cameras), *_of_kind("streamer", streamers)):
            _check_backend(kind, backend)
            for other_kind, other in earlier:
                if _clash(kind, backend, other_kind, other):
                    taken = self._owners.get((other_kind, other.name), record)
                    remedy = f"; disable one of the two: --disable-plugin {taken.name} or {record.name}"
                    raise ValueError(
                        f"the {kind} name {backend.name!r} is already taken by {taken.provenance}"
                        f"{remedy if taken is not record else ' itself'}"
                    )
            earlier.append((kind, backend))
        cameras = [guard_camera_backend(one, record.provenance, self.patience) for one in cameras]
        streamers = [guard_streamer_backend(one, record.provenance, self.patience) for one in streamers]
        for camera in cameras:
            self._owners["camera", camera.name] = record
            self.cameras[camera.name] = camera
        for streamer in streamers:
            self._owners["streamer", streamer.name] = record
            self.streamers[streamer.name] = streamer
        record.cameras, record.streamers = cameras, streamers


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # of a package that it is in
        return False


def _of_kind(kind: str, backends: Iterable[_Backend]) -> Iterator[tuple[str, _Backend]]:
    for backend in backends:
        yield kind, backend


def check_backend_name(name: object, kind: str) -> None:
    """Refuse a name that no camera or streamer (``kind``) can have.

    Raises
    ------
    ValueError
        The message says why.
    """
    if not isinstance(name, str) or not _BACKEND_NAME.fullmatch(name):
        raise ValueError(
            f"the {kind} name {name!r} cannot begin a flag: it must be lower-case letters and digits, "
            "with a letter first, and single - or _ between words"
        )
    if name.replace("-", "_") in RunSettings.model_fields:
        raise ValueError(f"the {kind} name {name!r} is that of a setting of the run; choose another")


def _check_backend(kind: str, backend: object) -> None:
    """Refuse what would fail later, far from its cause."""
    expected = CameraBackend if kind == "camera" else StreamerBackend
    if not isinstance(backend, expected):
        raise TypeError(f"it registers a {type(backend).__name__} as a {kind}, not a {expected.__name__}")
    name: object = backend.name
    check_backend_name(name, kind)
    model: object = backend.settings
    if not isinstance(model, type) or not issubclass(model, BaseModel) or model is BaseModel:
        raise TypeError(
            f"the settings of the {kind} {name!r} must be a subclass of pydantic's BaseModel, not "
            f"{getattr(model, '__name__', repr(model))}; where there is nothing to set, an empty one"
        )
    if isinstance(backend.requires, str):
        raise TypeError(
            f"'requires' of the {kind} {name!r} must be a tuple of modules: ({backend.requires!r},)"
        )


def _clash(kind: str, backend: _Backend, other_kind: str, other: _Backend) -> bool:
    """Whether two backends cannot live side by side: their names, or the tables of their settings."""
    both_tables = bool(backend.settings.model_fields and other.settings.model_fields)
    same = backend.name.replace("-", "_") == other.name.replace("-", "_")
    return same and (kind == other_kind or both_tables)


def _distribution(point: EntryPoint) -> str:
    # A distribution that was removed by halves has no name left.
    return (_name_and_version(point.dist)[0] or point.value) if point.dist else point.value


@cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Look them up once: each time, importlib parses all that the distribution says of itself."""
    return distribution.name or "", distribution.version or ""
