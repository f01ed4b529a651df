"""The pluggy host: finds plugins, loads each on its own, and knows where everything came from.

One plugin's failure stays its own: it is recorded with the plugin's distribution, version and reason, and
everything else goes on.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

import pluggy

from rheed_acquire import hookspecs
from rheed_acquire.errors import SettingsError
from rheed_acquire.hookspecs import PROJECT, CameraBackend, ChannelBackend
from rheed_acquire.host.backend_names import Backend, are_rivals, check_backend, check_settings, kind_of
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.camera import guard_camera_backend
from rheed_acquire.host.guard.channels import GuardedChannelBackend
from rheed_acquire.host.guard.streamer import guard_streamer_backend
from rheed_acquire.streaming.streamer import StreamerBackend
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from rheed_acquire.host.guard.observers import Observers

logger = logging.getLogger(__name__)

BUILT_IN = "rheed-acquire"
"""The distribution whose names nobody else can take."""


@dataclass(slots=True, eq=False)
class PluginRecord:
    """One entry point, and what became of it.

    Attributes
    ----------
    failure
        Why the plugin is not in use, or None where it is.
    cameras, streamers, channels
        As the plugin registered them.
    """

    name: str
    distribution: str
    version: str
    disabled: bool = False
    failure: str | None = None
    cameras: list[CameraBackend] = field(default_factory=list)
    streamers: list[StreamerBackend] = field(default_factory=list)
    channels: list[ChannelBackend] = field(default_factory=list)

    @property
    def backends(self) -> list[Backend]:
        """All that the plugin brings."""
        return [*self.cameras, *self.streamers, *self.channels]

    @property
    def names(self) -> tuple[str, ...]:
        """By which it can be disabled."""
        return self.name, self.distribution, f"{self.distribution}:{self.name}"

    @property
    def provenance(self) -> str:
        """The distribution and its version, as error messages name them."""
        return f"{self.distribution} {self.version}".strip()


def missing_requirement(backend: Backend | GuardedChannelBackend) -> str | None:
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
        What is listed but not loaded: names of entry points, of distributions, or ``DISTRIBUTION:NAME``.
    sources
        Entry points to load instead of those of the installed distributions.

    Raises
    ------
    SettingsError
        A disabled name is not the name of any plugin.

    Attributes
    ----------
    cameras, streamers, channels
        By name, guarded (see `rheed_acquire.host.guard`).
    ambiguous
        Names that several plugins claim, by ``camera``, ``streamer`` or ``channel`` and name, and what to do.
    """

    def __init__(self, disabled: Collection[str] = (), sources: Iterable[EntryPoint] | None = None) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.patience = Patience()
        self.plugins: list[PluginRecord] = []
        self.cameras: dict[str, CameraBackend] = {}
        self.streamers: dict[str, StreamerBackend] = {}
        self.channels: dict[str, GuardedChannelBackend] = {}
        self._owners: dict[tuple[str, str], PluginRecord] = {}
        self.ambiguous: dict[tuple[str, str], str] = {}
        found = entry_points(group=PROJECT) if sources is None else sources
        points = {_record(point): point for point in found}
        self.plugins = sorted(points, key=lambda record: (record.name, record.distribution))
        unknown = set(disabled).difference(*(record.names for record in self.plugins))
        if unknown:
            raise SettingsError(
                f"cannot disable plugin {', '.join(sorted(unknown))}: no such plugin; "
                f"there are {', '.join(sorted({record.name for record in self.plugins}))}"
            )
        # The built-in ones first: nobody takes their names.
        for record in sorted(self.plugins, key=lambda record: record.distribution != BUILT_IN):
            record.disabled = not set(disabled).isdisjoint(record.names)
            if not record.disabled:
                self._load(points[record], record)
        self._hand_out()

    @property
    def failures(self) -> list[PluginRecord]:
        """The plugins that could not be used."""
        return [record for record in self.plugins if record.failure is not None]

    def owner(self, kind: str, name: str) -> PluginRecord:
        """Return the plugin that registered the ``camera``, ``streamer`` or ``channel`` of this name."""
        return self._owners[kind, name]

    def unguarded_camera(self, name: str) -> CameraBackend:
        """Return a camera's backend as its plugin registered it: for tests of what the guard would hide."""
        return next(one for one in self.owner("camera", name).cameras if one.name == name)

    def observers(self) -> Observers:
        """Make the observers: every plugin that implements one of their hooks."""
        from rheed_acquire.host.guard.observers import COMPLETED, FINISHED, STARTED, Hook, Observer, Observers

        hooks: dict[str, dict[str, Hook]] = {}
        for name in (STARTED, COMPLETED, FINISHED):
            for implementation in getattr(self._manager.hook, name).get_hookimpls():
                hook = Hook(implementation.function, tuple(implementation.argnames))
                hooks.setdefault(implementation.plugin_name, {})[name] = hook
        return Observers((Observer(name, of_one) for name, of_one in hooks.items()), self.patience)

    def _load(self, point: EntryPoint, record: PluginRecord) -> None:
        registered_as = f"{record.distribution}:{record.name}"
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
        channels: list[ChannelBackend] = []
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        hooks = cast("Callable[..., pluggy.HookCaller]", self._manager.subset_hook_caller)
        hooks("rheed_register_cameras", others)(register=cameras.append)
        hooks("rheed_register_streamers", others)(register=streamers.append)
        hooks("rheed_register_channels", others)(register=channels.append)
        earlier: list[tuple[Backend, PluginRecord]] = [
            (backend, built_in)
            for built_in in self.plugins
            if built_in.distribution == BUILT_IN
            for backend in built_in.backends
        ]
        given: dict[str, list[Any]] = {"camera": cameras, "streamer": streamers, "channel": channels}
        for kind, one in ((kind, one) for kind, of_kind in given.items() for one in of_kind):
            backend = check_backend(kind, one)
            if record.distribution != BUILT_IN:  # the project's own are tested, and help uses no validator
                check_settings(backend)
            for other, owner in earlier:
                if are_rivals(backend, other):
                    whose = f"{owner.provenance} itself"
                    if owner is not record:
                        whose = f"the {kind_of(other)} of {owner.provenance}"
                    raise ValueError(f"the {kind} name {backend.name!r} is already taken by {whose}")
            earlier.append((backend, record))
        record.cameras, record.streamers, record.channels = cameras, streamers, channels

    def _hand_out(self) -> None:
        """Let each backend be chosen by its name, but for those that several plugins call the same."""
        brought = [(backend, record) for record in self.plugins for backend in record.backends]
        for backend, record in brought:
            key = (kind_of(backend), backend.name)
            rivals = [other for other in brought if other[0] is not backend and are_rivals(backend, other[0])]
            if rivals:
                claims = sorted([(backend, record), *rivals], key=lambda claim: claim[1].provenance)
                whose = " and ".join(f"the {kind_of(one)} of {owner.provenance}" for one, owner in claims)
                remedies = " or ".join(f"--disable-plugin {self._selector(owner)}" for _, owner in claims)
                self.ambiguous[key] = f"{whose} have one name, {backend.name!r}; leave one out: {remedies}"
                continue
            self._owners[key] = record
            who, patience = record.provenance, self.patience
            if isinstance(backend, CameraBackend):
                self.cameras[backend.name] = guard_camera_backend(backend, who, patience)
            elif isinstance(backend, ChannelBackend):
                self.channels[backend.name] = GuardedChannelBackend(backend, who, patience)
            else:
                self.streamers[backend.name] = guard_streamer_backend(backend, who, patience)

    def _selector(self, record: PluginRecord) -> str:
        """The shortest name by which this plugin and no other is disabled."""
        others = [name for other in self.plugins if other is not record for name in other.names]
        return next((name for name in record.names if name not in others), record.names[-1])


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - of a package that it is in, which is imported
        return False


def _record(point: EntryPoint) -> PluginRecord:
    # A distribution that was removed by halves has no name left.
    name, version = name_and_version(point.dist) if point.dist else ("", "")
    return PluginRecord(point.name, name or point.value, version)


@cache
def name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Name a distribution and its version; "" where it was removed by halves and says nothing of itself.

    They are looked up once: each time, importlib parses all that it says.
    """
    # Such a one has no metadata; or, where some module has imported the package importlib_metadata, which
    # then takes the finding over, asking for them raises.
    try:
        said: Any = distribution.metadata
    except FileNotFoundError:
        return "", ""
    return (said["Name"], said["Version"]) if said and "Name" in said and "Version" in said else ("", "")
