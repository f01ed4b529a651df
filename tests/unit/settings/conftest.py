"""A host with made-up backends, and the four places a user can write settings to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rheed_acquire.cameras.camera_settings import CameraSettings
from rheed_acquire.errors import SettingsError
from rheed_acquire.hookspecs import PROJECT, CameraBackend, hookimpl
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.sources import LoadedSettings, load_settings

SECRET = "s3cr3t-W0rd-of-the-l4b"


class RoiSettings(BaseModel):
    left: int = Field(0, ge=0, description="left edge")


class PatternSettings(BaseModel):
    """What a plugin author might write."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="seed of the noise")
    stamp: bool = Field(False, description="write the counter into the frame")
    damp: bool = Field(True, description="let the oscillation fade")
    level: float = Field(1.0, description="brightness")
    mode: Literal["spot", "streak"] = Field("spot", description="pattern")
    names: list[str] = Field(default_factory=list, description="names of spots")
    token: SecretStr | None = Field(None, description="password of the picture server")
    images: Path | None = Field(None, description="folder", json_schema_extra={"metavar": "DIR"})
    roi: RoiSettings = Field(default_factory=RoiSettings, description="region")

    @field_validator("token")
    @classmethod
    def _careless(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().startswith("bad"):
            raise ValueError(f"the token {value.get_secret_value()} is not good")
        return value

    @model_validator(mode="after")
    def _agree(self) -> PatternSettings:
        if self.stamp and self.mode == "streak":
            raise ValueError("a streak cannot be stamped")
        return self


class PlainSettings(BaseModel):
    """A camera with nothing to set."""


class NeedySettings(BaseModel):
    must: int = Field(description="breaks the contract: no default")


def host_of(modules: dict[str, list[tuple[str, type[BaseModel]]]], **options: Any) -> PluginHost:
    points = []
    for plugin, backends in modules.items():
        module = ModuleType(f"settings_test_{plugin}")

        def register_cameras(register: Any, backends: list[tuple[str, type[BaseModel]]] = backends) -> None:
            for name, model in backends:
                register(
                    CameraBackend(name, f"the {name} camera", model, lambda _: [], lambda *_: None)  # type: ignore[arg-type]
                )

        module.rheed_register_cameras = hookimpl(register_cameras)  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        points.append(EntryPoint(plugin, module.__name__, PROJECT))
    return PluginHost(sources=points, **options)


@pytest.fixture(scope="module")
def host() -> Iterator[PluginHost]:
    before = set(sys.modules)
    yield host_of(
        {
            "basler": [("basler", CameraSettings)],
            "pattern": [("pattern", PatternSettings), ("plain-one", PlainSettings)],
            "needy": [("needy", NeedySettings)],
        }
    )
    _forget(before)


def _forget(before: set[str]) -> None:
    for name in set(sys.modules) - before:
        if name.startswith("settings_test_"):
            del sys.modules[name]


class Sources:
    """The four places a user can write to."""

    def __init__(self, host: PluginHost, directory: Path) -> None:
        self.host, self.directory = host, directory

    def load(
        self,
        *argv: str,
        environ: dict[str, str] | None = None,
        dotenv: str | None = None,
        toml: str | None = None,
    ) -> LoadedSettings:
        for name, text in ((".env", dotenv), ("rheed-acquire.toml", toml)):
            if text is not None:
                (self.directory / name).write_text(text, encoding="utf-8")
        return load_settings(argv, self.host, environ or {}, self.directory)

    def problems(self, *argv: str, **sources: Any) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            self.load(*argv, **sources)
        assert caught.value.__context__ is None, "a chained ValidationError shows its input"
        return str(caught.value).splitlines()


@pytest.fixture
def sources(host: PluginHost, tmp_path: Path) -> Sources:
    return Sources(host, tmp_path)


@pytest.fixture
def make_host() -> Iterator[Callable[..., PluginHost]]:
    """Return what builds further hosts, and forget their modules afterwards."""
    before = set(sys.modules)
    yield host_of
    _forget(before)


@pytest.fixture(scope="module")
def sources_in(host: PluginHost) -> Callable[..., Sources]:
    """Return what makes `Sources` for a directory, and for another host if need be."""
    return lambda directory, other=None: Sources(other or host, Path(directory))
