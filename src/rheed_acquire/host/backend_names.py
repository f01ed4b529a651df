"""What backends may be called, and what happens where two are called the same.

A name chooses a backend, and is the prefix of its settings. Cameras, streamers and channels have names of
their own, but settings have one space for all: a camera and a streamer of one name can live side by side
where at most one of them has settings.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from pydantic import BaseModel

from rheed_acquire.hookspecs import CameraBackend, ChannelBackend
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.streaming.streamer import StreamerBackend
from rheed_acquire.text.told import told

# They write - and _ alike, and __ parts names in a variable.
_BACKEND_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

Backend: TypeAlias = CameraBackend | StreamerBackend | ChannelBackend
KINDS: dict[str, type[Backend]] = {
    "camera": CameraBackend,
    "streamer": StreamerBackend,
    "channel": ChannelBackend,
}
"""What a plugin can bring, by the word for it."""


def kind_of(backend: Backend) -> str:
    """Say ``camera``, ``streamer`` or ``channel``."""
    return next(kind for kind, backends in KINDS.items() if isinstance(backend, backends))


def are_rivals(backend: Backend, other: Backend) -> bool:
    """Whether two backends cannot live side by side: for their names, or the tables of their settings."""
    both_tables = bool(backend.settings.model_fields and other.settings.model_fields)
    same = backend.name.replace("-", "_") == other.name.replace("-", "_")
    return same and (kind_of(backend) == kind_of(other) or both_tables)


def check_backend_name(name: object, kind: str) -> None:
    """Refuse a name that no backend of a ``kind`` can have.

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


def check_backend(kind: str, backend: object) -> Backend:
    """Refuse what would fail later, far from its cause.

    Raises
    ------
    TypeError, ValueError
        The message says what is wrong with it.
    """
    expected = KINDS[kind]
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
    return backend


def check_settings(backend: Backend) -> None:
    """Refuse settings of which pydantic can make no validator, which costs it some milliseconds to try.

    Raises
    ------
    TypeError
        The message says why it cannot.
    """
    try:
        backend.settings.model_rebuild()
    except Exception as error:
        raise TypeError(
            f"the settings of the {kind_of(backend)} {backend.name!r} cannot be used: {told(error)}"
        ) from error
