"""Every setting there is, made from the models: the run's own and those of each backend.

One `Setting` knows the names that one field goes by, so that flags, environment, files, help and error
messages cannot disagree.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import PurePath
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from rheed_acquire.errors import SettingsError
from rheed_acquire.settings.run_settings import RunSettings

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost

PREFIX = "RHEED_"
MASK = "**********"

Path = tuple[str, ...]
"""Where a setting is: ``("fps",)`` or ``("basler", "exposure_us")``."""


@dataclass(frozen=True)
class Setting:
    """One field of one model, under all its names.

    Attributes
    ----------
    path
        The field's place: the backend's name, where it has one, and the names of the fields.
    field
        As the model declares it.
    group
        The heading it stands under in the help.
    """

    path: Path
    field: FieldInfo
    group: str

    @property
    def key(self) -> str:
        """Dotted, as in the TOML file: ``basler.exposure_us``."""
        return ".".join(self.path)

    @cached_property
    def flag(self) -> str:
        """As on the command line: ``--basler.exposure-us``. A secret has one only to be warned about."""
        last = str(self._extra.get("flag", self.path[-1].replace("_", "-")))
        return "--" + ".".join((*(part.replace("_", "-") for part in self.path[:-1]), last))

    @cached_property
    def variable(self) -> str:
        """As in the environment: ``RHEED_BASLER__EXPOSURE_US``."""
        return PREFIX + "__".join(part.replace("-", "_") for part in self.path).upper()

    @cached_property
    def other_variables(self) -> tuple[str, ...]:
        """Names that other software has given it, the strongest first; `variable` wins over them."""
        return tuple(self._extra.get("environment", ()))

    @cached_property
    def is_secret(self) -> bool:
        """Whether its value must never be shown, nor stand in a process list."""
        return _holds(self.field.annotation, SecretStr, SecretBytes)

    @cached_property
    def is_everyday(self) -> bool:
        """Whether everybody needs to know it: it is on the help's first screen."""
        return bool(self._extra.get("everyday"))

    @cached_property
    def is_flag(self) -> bool:
        """Whether it is true or false and nothing else."""
        return self._kinds <= {bool, type(None)} and bool in self._kinds

    @cached_property
    def is_list(self) -> bool:
        """Whether it holds several values: its flag can be repeated."""
        return any((get_origin(kind) or kind) in (list, tuple, set, frozenset) for kind in self._kinds)

    @cached_property
    def is_mapping(self) -> bool:
        """Whether it holds values by name, as ``features`` does."""
        origins = [get_origin(kind) or kind for kind in self._kinds]
        return any(isinstance(kind, type) and issubclass(kind, Mapping) for kind in origins)

    @cached_property
    def is_path(self) -> bool:
        """Whether it is one file or folder."""
        return any(isinstance(kind, type) and issubclass(kind, PurePath) for kind in self._kinds)

    @cached_property
    def holds_paths(self) -> bool:
        """Whether it is a file or folder, or several."""
        return _holds(self.field.annotation, PurePath)

    @cached_property
    def takes_booleans(self) -> bool:
        """Whether true and false are among its values; pydantic would take them for 1 and 0."""
        return self.is_list or self.is_mapping or bool(self._kinds & {bool, Any, object})

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The texts it can hold, where they are few and fixed."""
        found: list[str] = []
        for kind in self._kinds - {type(None)}:
            if get_origin(kind) is Literal:
                found += [str(value) for value in get_args(kind)]
            elif isinstance(kind, type) and issubclass(kind, Enum):
                found += [str(member.value) for member in kind]
            else:
                return ()
        return tuple(found)

    @cached_property
    def metavar(self) -> str:
        """What stands for its value in the help: the choices, or a unit or type in capitals."""
        if "metavar" in self._extra:
            return str(self._extra["metavar"])
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        if unit := re.search(r"_(ns|us|ms|s|hz|px|db|deg)$", self.path[-1]):
            return unit[1].upper()
        if int in self._kinds:
            return "N"
        if float in self._kinds:
            return "NUMBER"
        if self.is_path:
            return "PATH"
        return "TEXT"

    @cached_property
    def _kinds(self) -> frozenset[Any]:
        return frozenset(_kinds(self.field.annotation))

    @property
    def _extra(self) -> dict[str, Any]:
        extra = self.field.json_schema_extra
        return dict(extra) if isinstance(extra, dict) else {}


class Catalogue:
    """All settings of the run and of the backends that a host has loaded.

    Parameters
    ----------
    host
        None for the run's own settings only: what can be known before plugins are loaded.

    Raises
    ------
    SettingsError
        Two plugins' settings would go by one name, or a plugin's and the run's.
    """

    def __init__(self, host: PluginHost | None = None) -> None:
        self.settings: dict[Path, Setting] = {}
        self.tables: dict[str, type[BaseModel]] = {}
        self.absent: dict[str, str] = {}
        for setting in _settings_of(RunSettings, (), "Run"):
            self.settings[setting.path] = setting
        self.cameras = tuple(host.cameras) if host else ()
        self.streamers = tuple(host.streamers) if host else ()
        if host is not None:
            self._take_tables(host)
        self.by_flag = {setting.flag: setting for setting in self.settings.values()}
        self.by_variable = {setting.variable: setting for setting in self.settings.values()}

    def nearest(self, wanted: str, *, secrets: bool = True) -> Setting:
        """Return the setting whose name comes nearest to a wrong one.

        Parameters
        ----------
        wanted
            As it was spelled in any source.
        secrets
            Whether a secret can be meant.
        """
        name = _plain(wanted)
        known = {
            setting.key.lower().replace("-", "_"): setting
            for setting in self.settings.values()
            if secrets or not setting.is_secret
        }
        # A right name in the wrong place is the commonest slip: --exposure-us for --basler.exposure-us, and
        # in TOML a key of the run under a [table].
        last = name.rpartition(".")[2]
        misplaced = [key for key in known if key.rpartition(".")[2] == last]
        return known[difflib.get_close_matches(name, misplaced or known, n=1, cutoff=0.0)[0]]

    def nearest_table(self, wanted: str) -> str | None:
        """Return the table that comes near to a wrong name, or None where none does."""
        known = [name for name, model in self.tables.items() if model.model_fields]
        near = difflib.get_close_matches(wanted.lower(), known, n=1)
        return near[0] if near else None

    def secret_meant(self, wanted: str) -> Setting | None:
        """Return the secret that a wrong name on the command line means, if it means one."""
        name = re.sub(r"^(rheed|as|atomscale)[_.]+", "", _plain(wanted))
        for setting in self.settings.values():
            if setting.is_secret:
                likeness = difflib.SequenceMatcher(None, name, setting.key).ratio()
                if name.startswith(setting.key) or likeness > 0.8:
                    return setting
        return None

    def _take_tables(self, host: PluginHost) -> None:
        for record in host.plugins:
            if record.disabled:
                self.absent[record.name] = f"plugin {record.name} is disabled"
            elif record.failure is not None:
                self.absent[record.name] = f"plugin {record.name} cannot be used: {record.failure}"
        self.absent |= {name: why for (_, name), why in host.ambiguous.items()}
        of_kinds: dict[str, Mapping[str, Any]] = {
            "camera": host.cameras,
            "streamer": host.streamers,
            "channel": host.channels,
        }
        for kind, backends in of_kinds.items():
            for name, backend in backends.items():
                self.absent.pop(name, None)
                if not backend.settings.model_fields:
                    self.tables.setdefault(name, backend.settings)
                    continue
                owner = host.owner(kind, name)
                taken = self.tables.get(name)
                if (taken is not None and taken.model_fields) or (name,) in self.settings:
                    raise SettingsError(
                        f"the settings of {kind} {name!r} of {owner.provenance} have a name that is already "
                        f"taken; run without it: --disable-plugin {owner.name}"
                    )
                self.tables[name] = backend.settings
                group = f"{name} ({backend.description})"
                for setting in _settings_of(backend.settings, (name,), group):
                    self.settings[setting.path] = setting


def _settings_of(model: type[BaseModel], path: Path, group: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings_of(field.annotation, (*path, name), group)
            continue
        extra = field.json_schema_extra
        own = extra.get("group") if isinstance(extra, dict) and not path else None
        yield Setting((*path, name), field, str(own or group))


def _kinds(annotation: Any) -> Iterator[Any]:
    """Take an annotation apart into the types that a value can have."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif hasattr(annotation, "__value__"):  # a `type X = ...` alias
        yield from _kinds(annotation.__value__)
    else:
        yield annotation


def _holds(annotation: Any, *kinds: type) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, kinds):
        return True
    inner = (*get_args(annotation), *([annotation.__value__] if hasattr(annotation, "__value__") else ()))
    return any(_holds(part, *kinds) for part in inner)


def _plain(name: str) -> str:
    """Bring a name of any source into the form of a dotted key."""
    plain = name.strip().lower().lstrip("-").removeprefix(PREFIX.lower())
    return plain.replace("__", ".").replace("-", "_")
