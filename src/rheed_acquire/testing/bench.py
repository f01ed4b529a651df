"""What a contract test stands on: the backend as a run has it, and the cameras that the test opens."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rheed_acquire.cameras.camera import Camera, CameraError, CaptureRequest, DeviceInfo
from rheed_acquire.host.plugins import PluginHost, missing_requirement
from rheed_acquire.testing.calls import abandoned, part_with
from rheed_acquire.testing.rules import Rule, broken


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the camera under test; see docs/how-to/qualify-a-camera.md."""

    camera: str | None
    serials: tuple[str, ...]
    settings: Mapping[str, Any]
    fps: float | None
    full: bool
    unplug: bool

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Read them; where the kit's pytest plugin is switched off there are none."""

        def given(name: str, default: Any) -> Any:
            return config.getoption(f"rheed_{name}", default)

        return cls(
            given("camera", None),
            tuple(given("serial", ())),
            dict(read_setting(text) for text in given("setting", ())),
            given("fps", None),
            given("full", False),
            given("unplug", False),
        )


def read_setting(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``, where the value may be JSON.

    Raises
    ------
    pytest.UsageError
        There is no value.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise pytest.UsageError(f"--setting {text}: NAME=VALUE is needed, such as exposure_us=2000")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


class Bench:
    """Opens the camera under test through the plugin host, and closes what a test has left open.

    Parameters
    ----------
    backend
        Its name.
    settings, fps
        With which its camera is opened.
    points
        The entry points that the host loads.

    Attributes
    ----------
    away
        Why the device may be missing for the tests that follow; empty where it is there.
    """

    def __init__(
        self, backend: str, settings: Mapping[str, Any], fps: float | None, points: Iterable[EntryPoint]
    ) -> None:
        self.points = list(points)
        self.host = PluginHost(sources=self.points)
        if backend not in self.host.cameras:
            failures = "".join(f"; {record.name}: {record.failure}" for record in self.host.failures)
            names = ", ".join(sorted(self.host.cameras))
            broken(Rule.REGISTERED, f"no backend {backend} is registered, there is {names}{failures}")
        self.backend = self.host.unguarded_camera(backend)
        self.settings, self.fps = settings, fps
        missing = missing_requirement(self.backend)
        if missing is not None:
            pytest.skip(f"{backend}: {missing}")
        self.away = ""
        self._opened: list[Camera] = []
        self._interrupt_handler = signal.getsignal(signal.SIGINT)

    def chosen(self, changes: Mapping[str, Any]) -> BaseModel:
        """Give the settings of this test; one of None is left out."""
        together = {**self.settings, **changes}
        try:
            return self.backend.settings(**{name: one for name, one in together.items() if one is not None})
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc']))}={one['input']}: {one['msg']}" for one in error.errors()
            )
            known = ", ".join(self.backend.settings.model_fields)
            pytest.fail(f"{self.backend.name} takes no {wrong}; it has {known}", pytrace=False)

    def discover(self, **changes: Any) -> list[DeviceInfo]:
        """List the devices."""
        chosen = self.chosen(changes)
        try:
            found = list(self.backend.discover(chosen))
        except Exception as error:  # noqa: BLE001 - told by its rule
            broken(Rule.DISCOVER, f"discover raised {error!r}")
        wrong = [one for one in found if not isinstance(one, DeviceInfo)]
        if wrong:
            broken(Rule.DISCOVER, f"discover lists {wrong[0]!r:.60}, which is no DeviceInfo")
        return found

    def open(self, **changes: Any) -> Camera:
        """Open a camera, which is closed after the test at the latest."""
        camera = self.open_briefly(**changes)
        self._opened.append(camera)
        return camera

    def open_briefly(self, **changes: Any) -> Camera:
        """Open a camera that the caller closes."""
        chosen = self.chosen(changes)
        try:
            camera: object = self.backend.open(chosen, CaptureRequest(fps=self.fps))
        except CameraError:
            raise
        except Exception as error:  # noqa: BLE001 - told by its rule
            broken(Rule.OPEN, f"open raised {error!r}, which is no CameraError")
        if not isinstance(camera, Camera):
            broken(Rule.OPEN, f"open returned {camera!r:.60}, which is no Camera")
        return camera

    def open_again(self, patience_s: float) -> Camera:
        """Open a device that comes back, as a run does: until it is there."""
        until = time.monotonic() + patience_s
        while True:
            try:
                return self.open()
            except CameraError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def refusal(self, changes: Mapping[str, Any], expected: type[Exception]) -> str:  # noqa: RET503
        """Give the message with which settings are refused."""
        try:
            camera: object = self.open(**changes)
        except expected as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - told by its rule
            camera = repr(error)
        broken(Rule.OPEN, f"{dict(changes)} was answered by {camera}, where a {expected.__name__} was due")

    def skip_while_away(self, why: str) -> None:
        """Blame no test for a device that an earlier one has lost, as long as it does not come back."""
        try:
            self.open_briefly().close()
        except CameraError as error:
            self.away = why
            pytest.skip(f"{why}; now: {error}")

    def wait_until_back(self, patience_s: float) -> None:
        """Give a device that was taken away time to come back, so that no other test is blamed for it."""
        self.close()
        try:
            self.open_again(patience_s)
        except CameraError as error:
            self.away = f"the device that an earlier test took away has not come back: {error}"

    def close(self) -> None:
        """Close what is open."""
        while self._opened:
            camera = self._opened.pop()
            if camera in abandoned:
                self.away = "an earlier test left a camera behind that did not return from a call"
            elif not part_with(camera):
                self.away = "a camera of an earlier test does not close"
        if signal.getsignal(signal.SIGINT) is not self._interrupt_handler:
            broken(Rule.GIVE_BACK, "the backend has replaced the program's handler of Ctrl-C")
