"""The contract kit as a pytest plugin: the options, the fixture and the one line that a breach is.

pytest loads it in every project of an environment in which rheed-acquire is installed: it imports nothing
that costs time, and it takes no option away from others.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import Camera

MEASURED = pytest.StashKey[list[str]]()
"""What the contract has measured, a line each, for the summary."""
AWAY = pytest.StashKey[dict[str, str]]()
"""Backends whose device an earlier test has left lost or taken, and how."""


def _add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("rheed-acquire", "qualifying a camera (rheed-acquire)")

    def add(name: str, **details: Any) -> None:
        # The project may have an option of that name, and keeps it.
        with contextlib.suppress(argparse.ArgumentError, ValueError):
            group.addoption(f"--{name}", dest=f"rheed_{name}", **details)

    add("camera", metavar="BACKEND", help="hold cameras of this backend to the contract, and no others")
    add(
        "serial",
        action="append",
        default=[],
        help="of the camera; once more for a second one beside it",
    )
    add(
        "setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the backend that the camera needs, repeatable: exposure_us=2000",
    )
    add("fps", type=float, default=None, help="frame rate to ask of the camera")
    add("full", action="store_true", help="start and stop 100 times, open and close 1,000 times")
    add("unplug", action="store_true", help="ask for the camera to be unplugged and plugged in again")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None]:
    """Add the options behind those of the project's own conftest.py, which must not clash with them."""
    yield
    _add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known that the kit uses, where pytest-timeout has not."""
    config.stash[MEASURED] = []
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): of pytest-timeout, where that is installed")


@pytest.fixture(name="camera_contract")
def _camera_contract() -> Callable[[Callable[[], Camera]], None]:
    """Hold what a function opens to all rules that need no backend: ``camera_contract(open_camera)``."""
    from rheed_acquire.testing.checks import check_camera

    return check_camera


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a breach as the line that it is: the kit's own lines are not what is wrong."""
    report = yield
    # By name, as the module of it imports what others' projects need not pay for.
    if call.excinfo is not None and "ContractBreachError" in [
        one.__name__ for one in call.excinfo.type.__mro__
    ]:
        report.longrepr = str(call.excinfo.value)
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what was measured."""
    lines = config.stash[MEASURED]
    if lines:
        terminalreporter.section("cameras, as measured")
        for line in lines:
            terminalreporter.write_line(line)
