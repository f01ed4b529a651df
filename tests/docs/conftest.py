"""What the pages of the documentation run on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rheed_acquire.server.process import LocalServer

ROOT = Path(__file__).parents[2]
# Test modules do not see their neighbours in importlib mode.
for folder in (ROOT, ROOT / "docs" / "_ext", ROOT / "hardware_mocks" / "gentl_producer" / "python"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """What stands for Atomscale: Python code of the pages streams to it."""
    with LocalServer(tmp_path_factory.mktemp("docs") / "runs") as server:
        yield server


@pytest.fixture(scope="session")
def cti(pytestconfig: pytest.Config) -> Path | None:
    """Path of the mock GenTL producer; None without the tools to build it."""
    from rheed_mock_gentl.building import BuildToolMissingError, build

    cache = pytestconfig.cache
    assert cache is not None
    try:
        return build(cache.mkdir("rheed_mock_gentl")) / "rheed_mock.cti"
    except BuildToolMissingError:
        return None
