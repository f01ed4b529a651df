"""Loads the settings: command line > environment > ``.env`` > ``rheed-acquire.toml`` > defaults.

pydantic-settings merges the sources and validates the outcome. Each source of its is here an own reader,
since its built-in ones do not tell which variable, or which line of which file, a value came from.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SecretBytes,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic.fields import FieldInfo

from rheed_acquire.errors import SettingsError
from rheed_acquire.settings.assignments import Assignment, Reading, kind_of
from rheed_acquire.settings.catalogue import MASK, Catalogue
from rheed_acquire.settings.flags import read_flags
from rheed_acquire.settings.problems import TABLE, failure, problems_of, requirement
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.settings.toml_file import read_toml
from rheed_acquire.settings.variables import read_dotenv, read_environment
from rheed_acquire.text.told import told

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost

DEFAULT_FILE = "rheed-acquire.toml"


@dataclass(frozen=True)
class LoadedSettings:
    """The effective settings, and where each came from.

    Attributes
    ----------
    run
        The run's own settings.
    """

    run: RunSettings
    _backends: Mapping[str, BaseModel]
    _catalogue: Catalogue
    _given: Mapping[tuple[str, ...], Assignment]

    def backend(self, name: str) -> BaseModel:
        """Return the settings of a backend, an instance of the model that it registered.

        Raises
        ------
        KeyError
            No backend with settings has this name.
        SettingsError
            Its model cannot do without a value that nobody gave, or fails.
        """
        if name in self._backends:
            return self._backends[name]
        model = self._catalogue.tables[name]
        try:
            return model()
        except KeyboardInterrupt:  # the user's
            raise
        except ValidationError as error:
            problems = [
                f"{'.'.join((name, *map(str, detail['loc'])))}: {requirement(detail)} (default)"
                for detail in error.errors(include_url=False, include_input=False)
            ]
        except BaseException as error:  # noqa: BLE001 - the model is a plugin's
            problems = [f"{name}: {failure(error)} (default)"]
        raise SettingsError("\n".join(problems))

    def are_given(self, name: str) -> bool:
        """Whether anybody gave a setting of the backend of this name."""
        return name in self._backends

    def source_of(self, key: str) -> str:
        """Return who set a dotted key, such as ``basler.exposure_us`` or ``basler.features.Gain``.

        That is a flag, ``environment variable RHEED_FPS``, ``.env line 3``, ``rheed-acquire.toml line 4`` or
        ``default``; several, separated by commas, for a mapping whose entries came from several places.

        Raises
        ------
        KeyError
            There is no such setting.
        """
        path = tuple(key.split("."))
        for setting in self._catalogue.settings.values():
            size = len(setting.path)
            if path[:size] != setting.path or (len(path) > size and not setting.is_mapping):
                continue
            if len(path) > size:  # the name of an entry may hold dots itself
                path = (*setting.path, ".".join(path[size:]))
            sources = [given.source for at, given in self._given.items() if at[: len(path)] == path]
            return ", ".join(dict.fromkeys(sources)) or "default"
        raise KeyError(key)

    def table(self) -> list[tuple[str, str, str]]:
        """Return key, value and source of each setting, secrets masked.

        All of the run's are there and all of the chosen camera's and streamer's; of other backends those
        that were set.
        """
        chosen = {self.run.camera, self.run.streamer}
        rows = []
        for setting in self._catalogue.settings.values():
            is_run = len(setting.path) == 1
            given = [path for path in self._given if path[: len(setting.path)] == setting.path]
            if not is_run and setting.path[0] not in chosen and not given:
                continue
            holder: Any = self.run if is_run else self.backend(setting.path[0])
            for name in setting.path if is_run else setting.path[1:]:
                holder = getattr(holder, name)
            if setting.is_mapping and isinstance(holder, Mapping) and holder:
                for entry, value in holder.items():
                    key = f"{setting.key}.{entry}"
                    rows.append((key, _shown(value, setting.is_secret), self.source_of(key)))
            else:
                shown = _shown(holder, setting.is_secret)
                rows.append((setting.key, shown, self.source_of(setting.key)))
        return rows


def load_settings(
    argv: Sequence[str],
    host: PluginHost,
    environ: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> LoadedSettings:
    """Read all sources, strongest first: command line, environment, ``.env``, TOML file.

    Parameters
    ----------
    argv
        Without the program's name and the subcommand.
    host
        Whose backends' settings are known besides the run's.
    environ
        By default the process's own.
    working_directory
        Where ``.env`` and ``rheed-acquire.toml`` are looked for; by default the process's own.

    Raises
    ------
    SettingsError
        Something in any source cannot be used. The message has one line for each wrong value or name, with
        its source and what would be right, and never shows a secret.
    """
    catalogue = Catalogue(host)
    readings = _read_all(argv, catalogue, environ, working_directory)
    given: dict[tuple[str, ...], Assignment] = {}
    for reading in reversed(readings):
        given |= reading.assignments
    problems = [problem for reading in readings for problem in reading.problems]
    loaded: LoadedSettings | None = None
    try:
        run, backends = _validated(catalogue, readings, given)
        problems += _infinities(backends, given)
        loaded = LoadedSettings(run, backends, catalogue, given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems += problems_of(details, given, catalogue)
    # Outside the except clause: a chained ValidationError would show what was put in.
    if problems or loaded is None:
        raise SettingsError("\n".join(dict.fromkeys(problems)))
    return loaded


def find_disabled_plugins(
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> list[str]:
    """Return which plugins shall not be loaded, as far as can be told before they are.

    Mistakes in the sources are left for `load_settings` to report.
    """
    readings = _read_all(argv, Catalogue(), environ, working_directory)
    for reading in readings:
        assignment = reading.assignments.get(("disable_plugins",))
        if assignment is not None:
            try:
                return list(RunSettings(disable_plugins=assignment.value).disable_plugins)
            except ValidationError:
                return []
    return []


def _read_all(
    argv: Sequence[str],
    catalogue: Catalogue,
    environ: Mapping[str, str] | None,
    working_directory: Path | None,
) -> list[Reading]:
    """Read each source, the strongest first."""
    directory = Path.cwd() if working_directory is None else working_directory
    readings = [
        read_flags(argv, catalogue),
        read_environment(os.environ if environ is None else environ, catalogue),
        read_dotenv(directory / ".env", catalogue),
    ]
    chosen = next((found for r in readings if (found := r.assignments.get(("config",))) is not None), None)
    if chosen is None:
        file, shown = directory / DEFAULT_FILE, DEFAULT_FILE
        if not kind_of(file, shown, readings[0]):
            return readings
    else:
        shown = str(chosen.value).strip()
        file = directory / os.path.expanduser(shown)  # noqa: PTH111 - Path's raises without a home
        kind = kind_of(file, shown, readings[0]) if shown else 0
        if kind is None:
            return readings
        if not stat.S_ISREG(kind):
            readings[0].problems.append(chosen.problem("no such file"))
            return readings
    return [*readings, read_toml(file, shown, catalogue)]


def _validated(
    catalogue: Catalogue, readings: Iterable[Reading], given: Mapping[tuple[str, ...], Assignment]
) -> tuple[RunSettings, dict[str, BaseModel]]:
    # 100 ms: more than all else here, and help does without.
    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

    trees = [_tree(reading) for reading in readings]

    class Source(PydanticBaseSettingsSource):
        def __init__(self, settings_cls: type[BaseSettings], tree: dict[str, Any]) -> None:
            super().__init__(settings_cls)
            self._tree = tree

        def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
            return self._tree.get(field_name), field_name, True

        def __call__(self) -> dict[str, Any]:
            return self._tree

    class Sources(BaseSettings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Source(settings_cls, tree) for tree in trees)

    # Only the tables that somebody wrote in: a backend that is not used cannot spoil the run.
    tables = {path[0]: catalogue.tables[path[0]] for path in given if len(path) > 1}
    fields: dict[str, Any] = {
        TABLE + name: (Annotated[model, WrapValidator(_guarded)], ...) for name, model in tables.items()
    }
    backends = create_model("Backends", __config__=ConfigDict(frozen=True), **fields)
    everything = create_model("Settings", __base__=Sources, run=(RunSettings, ...), backends=(backends, ...))
    settings: Any = everything()
    return settings.run, {name: getattr(settings.backends, TABLE + name) for name in tables}


def _guarded(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Make of whatever a plugin's model raises what pydantic takes for a wrong value."""
    try:
        return validate(value)
    except (KeyboardInterrupt, ValidationError):
        raise
    except BaseException as error:  # noqa: BLE001
        raise ValueError(failure(error)) from None


def _tree(reading: Reading) -> dict[str, Any]:
    root: dict[str, Any] = {"run": {}, "backends": {}}
    for path, assignment in reading.assignments.items():
        where = root["run"] if len(path) == 1 else root["backends"]
        steps = path if len(path) == 1 else (TABLE + path[0], *path[1:])
        for step in steps[:-1]:
            where = where.setdefault(step, {})
        where[steps[-1]] = assignment.value
    return root


def _infinities(
    backends: Mapping[str, BaseModel], given: Mapping[tuple[str, ...], Assignment]
) -> Iterator[str]:
    """Find the NaNs and infinities, which no setting of an instrument can mean."""
    for path, assignment in given.items():
        value: Any = backends.get(path[0])
        for name in path[1:]:
            value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if isinstance(value, float) and not math.isfinite(value):
            yield assignment.problem("must be a finite number")


def _shown(value: Any, is_secret: bool) -> str:
    if value is None:
        return "not set"
    if is_secret or isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(_shown(item, False) for item in value) or "none"
    if isinstance(value, Mapping):
        return "none" if not value else str(dict(value))
    try:
        return f"{value:g}" if isinstance(value, float) else str(value)
    except Exception as error:  # noqa: BLE001 - of a type that a plugin made
        return f"unknown ({told(error)})"
