"""Rigs, and the servers that fail behind them. The modules here import each other, as the campaign does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from hardware_mocks.faulty_server import FaultyServer
    from tests.faults.rig import Rig


@pytest.fixture
def faulty_server(tmp_path: Path) -> Iterator[FaultyServer]:
    from hardware_mocks.faulty_server import FaultyServer

    with FaultyServer(tmp_path / "runs", seed=1) as server:
        yield server


@pytest.fixture
def rig(tmp_path: Path, faulty_server: FaultyServer) -> Iterator[Rig]:
    """Reaches the store through the faulty server."""
    from tests.faults.rig import Rig

    rig = Rig(tmp_path / "rig", "outage", faulty_server)
    yield rig
    rig.end()


@pytest.fixture
def lone_rig(tmp_path: Path) -> Iterator[Rig]:
    """Uses the command's own local server."""
    from tests.faults.rig import Rig

    rig = Rig(tmp_path / "rig", "camera")
    yield rig
    rig.end()
