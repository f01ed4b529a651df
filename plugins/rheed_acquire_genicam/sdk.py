"""harvesters and the genicam binding, imported in one place and kept from speaking past the program."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import MutableMapping
from typing import Any

from rheed_acquire import CameraError

try:
    with warnings.catch_warnings():  # harvesters sets the whole process's warning filter as it is imported
        from genicam import genapi, gentl
        from harvesters import core
except ImportError as error:
    missing = re.search(r"libpython([\d.]+?)\.so", str(error))
    remedy = f": apt-get install libpython{missing[1]}, or its equal" if missing else ""
    raise CameraError(f"the GenICam SDK cannot be loaded: {error}{remedy}") from error

__all__ = ["SDK_ERRORS", "core", "genapi", "gentl", "harvesters_log", "reason"]

SDK_ERRORS = (gentl.GenericException, genapi.GenericException)
"""What a call of the SDK raises when a producer or a device refuses."""


class _Hushed(logging.LoggerAdapter):  # type: ignore[type-arg]
    """Takes every message of harvesters as one for debugging: what matters in them is raised as well."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ARG002
        super().log(logging.DEBUG, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


def harvesters_log() -> Any:
    """Give the configuration that makes harvesters log into this program's log."""
    log = _Hushed(logging.getLogger("rheed_acquire_genicam.harvesters"), {})
    return core.ParameterSet({core.ParameterKey.LOGGER: log})


def reason(error: BaseException) -> str:
    """Give an SDK exception's message without the SDK's prefixes and source positions."""
    text = " ".join(str(error).split())
    text = text.removeprefix("GenTL exception: ")
    own = re.search(r"\(Message from the source: (.+)\) \(ID: (-?\d+)\)", text)
    if own is not None:
        return f"{own[1]} (GenTL error {own[2]})"
    text = re.sub(r"\s*\(Message from the source: \)", "", text)
    text = re.sub(r"\(ID: (-?\d+)\)", r"(GenTL error \1)", text)
    text = re.split(r"\s*:?\s*\w+Exception thrown", text, maxsplit=1)[0]
    return text.rstrip(" .:") or type(error).__name__
