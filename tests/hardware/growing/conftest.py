"""What other programs write needs the readers of replay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from tests.hardware.growing.writers import Writer

W = TypeVar("W", bound=Writer)

for _module in ("av", "h5py", "PIL", "tifffile"):
    pytest.importorskip(_module, reason="the extra 'growing' is not installed")


class Writing(Protocol):
    """Makes a writer, which is closed after the test."""

    def __call__(self, kind: type[W], path: Path) -> W: ...


@pytest.fixture
def writing() -> Iterator[Writing]:
    made: list[Writer] = []

    def make(kind: type[W], path: Path) -> W:
        writer = kind(path)
        made.append(writer)
        return writer

    yield make
    for writer in made:
        writer.close()
