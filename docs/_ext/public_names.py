"""Which public names the reference has to have: those that are imported, and the members of the classes."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Collection, Iterator
from importlib import import_module

from pydantic import BaseModel

import rheed_acquire
import rheed_acquire.testing

PROJECT = "rheed_acquire"
OF_PYTEST = frozenset({"pytest_generate_tests", "options", "bench"})
"""What pytest calls on the contract's class, and no author does; its tests are told by their names."""
_SECTIONS = ("Attributes", "Parameters")


def public_names() -> Iterator[tuple[str, str]]:
    """Name all that is imported by users and authors, each with the module that it is in."""
    for module, names in rheed_acquire._HOMES.items():
        yield from ((module, name) for name in names)
    yield from ((module, name) for name, module in rheed_acquire.testing._HOME_OF.items())


def without_an_entry(documented: Collection[str]) -> list[str]:
    """List the public names, and members of public classes, that the reference says nothing about.

    Parameters
    ----------
    documented
        The full names that have an entry. What the docstring of a class explains under Attributes or
        Parameters needs none, nor does a setting with a description.
    """
    missing = []
    for module, name in public_names():
        if f"{module}.{name}" not in documented:
            missing.append(f"{module}.{name}")
            continue
        value: object = getattr(import_module(module), name)
        if isinstance(value, type):
            missing += _members_without_an_entry(value, f"{module}.{name}", documented)
    return list(dict.fromkeys(missing))


def _members_without_an_entry(public: type, imported: str, documented: Collection[str]) -> Iterator[str]:
    told: set[str] = set()
    for one in public.__mro__:
        told |= set(told_in_docstring(one)) | set(described_fields(one))
    for one in public.__mro__:
        if one.__module__.split(".")[0] != PROJECT:
            continue
        for member in members(one):
            entry = f"{one.__module__}.{one.__qualname__}.{member}"
            if member not in told and not {entry, f"{imported}.{member}"} & set(documented):
                yield entry


def members(of: type) -> Iterator[str]:
    """Name what a class itself has for its users: methods, properties, fields, and the values of an enum."""
    if issubclass(of, enum.Enum):
        yield from of.__members__
    names = {name for name, value in vars(of).items() if _is_callable_of_ours(value)}
    for name in sorted(names | set(inspect.get_annotations(of))):
        if not name.startswith(("_", "test_")) and name not in OF_PYTEST and name != "model_config":
            yield name


def _is_callable_of_ours(value: object) -> bool:
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    return isinstance(value, types.FunctionType) and value.__module__.split(".")[0] == PROJECT


def told_in_docstring(of: type) -> Iterator[str]:
    """Name what the sections of a numpy-style docstring explain."""
    lines = inspect.cleandoc(of.__doc__ or "").splitlines()
    section = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and not below.strip("-"):
            section = line
        elif section in _SECTIONS and line and not line.startswith((" ", "-")):
            yield from (name.strip() for name in line.partition(":")[0].split(","))


def described_fields(of: type) -> dict[str, str]:
    """Give the settings that a model itself has, with their descriptions."""
    if not (isinstance(of, type) and issubclass(of, BaseModel)):
        return {}
    own = inspect.get_annotations(of)
    fields = of.model_fields
    return {
        name: fields[name].description or "" for name in own if name in fields and fields[name].description
    }
