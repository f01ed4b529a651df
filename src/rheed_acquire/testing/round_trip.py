"""A setting written as a user would, in each source, and what the backend's settings hold after that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rheed_acquire.errors import SettingsError
from rheed_acquire.hookspecs import CameraBackend
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.catalogue import Catalogue, Setting
from rheed_acquire.settings.sources import LoadedSettings, load_settings
from rheed_acquire.testing.rules import Rule, broken


def check_sources(
    host: PluginHost, backend: CameraBackend, field: str, value: Any, folder: Path
) -> Iterator[str]:
    """Give a field by flag, by variable and by TOML file: each must arrive as it was meant.

    Parameters
    ----------
    folder
        Empty; for the file.

    Yields
    ------
    Each way as it was written, for who wants to show it.
    """
    meant = backend.settings(**{field: value})
    written = meant.model_dump(mode="json", include={field})
    for setting in Catalogue(host).settings.values():
        if setting.path[:2] != (backend.name, field):
            continue
        item: Any = written
        for name in setting.path[1:]:
            item = item[name]
        if item is None or setting.is_secret:
            continue
        for way, loaded in _ways(host, setting, item, folder):
            if isinstance(loaded, SettingsError):
                broken(Rule.SOURCES, f"{way} is refused: {loaded}")
            got = getattr(loaded.backend(backend.name), field)
            if got != getattr(meant, field):
                broken(Rule.SOURCES, f"{way} arrives as {field}={got!r}, not {getattr(meant, field)!r}")
            yield way


def _ways(
    host: PluginHost, setting: Setting, item: Any, folder: Path
) -> Iterator[tuple[str, LoadedSettings | SettingsError]]:
    flags = _flags(setting, item)
    if flags:
        yield " ".join(flags), _load(host, folder, argv=flags)
    text = _variable(item)
    yield f"{setting.variable}={text}", _load(host, folder, environ={setting.variable: text})
    line = f"{setting.path[-1]} = {_toml(item)}"
    file = folder / "rheed-acquire.toml"
    file.write_text(f"[{'.'.join(setting.path[:-1])}]\n{line}\n", encoding="utf-8")
    try:
        yield f"{line} in [{'.'.join(setting.path[:-1])}]", _load(host, folder)
    finally:
        file.unlink()


def _load(
    host: PluginHost, folder: Path, argv: list[str] | None = None, environ: Mapping[str, str] | None = None
) -> LoadedSettings | SettingsError:
    try:
        return load_settings(argv or [], host, environ or {}, folder)
    except SettingsError as error:
        return error


def _flags(setting: Setting, item: Any) -> list[str]:
    if isinstance(item, Mapping):
        # A flag gives text; what it stands for is the backend's business.
        entries = item.items() if all(isinstance(value, str) for value in item.values()) else ()
        return [f"{setting.flag}.{name}={value}" for name, value in entries]
    items = item if isinstance(item, list) else [item]
    return [f"{setting.flag}={_text(one)}" for one in items]


def _variable(item: Any) -> str:
    if isinstance(item, Mapping):
        return json.dumps(item)
    return ",".join(map(_text, item)) if isinstance(item, list) else _text(item)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml(item: Any) -> str:
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(value)}" for name, value in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(map(_toml, item)) + "]"
    return json.dumps(item)
