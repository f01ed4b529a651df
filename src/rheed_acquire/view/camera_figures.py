"""What a station's camera says of itself: asked every few seconds, and forgotten while it is away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rheed_acquire.view.interface import Adjustable

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import CameraInfo
    from rheed_acquire.run.acquisition import Acquisition

INTERVAL_S = 5.0


class CameraFigures:
    """The camera's latest answers.

    Attributes
    ----------
    temperature_c
        In degrees Celsius; None where it tells none.
    """

    def __init__(self) -> None:
        self.temperature_c: float | None = None
        self._held: Mapping[str, float] = {}
        self._due_s = 0.0

    def look(self, acquisition: Acquisition | None, *, is_there: bool | None) -> None:
        """Ask the camera where its last answers are old.

        Parameters
        ----------
        is_there
            None while that is not known, as before a run has begun.
        """
        if is_there is False:
            self.temperature_c, self._held, self._due_s = None, {}, 0.0
        elif is_there and acquisition is not None and time.monotonic() >= self._due_s:
            self.temperature_c, self._held = acquisition.temperature_c(), acquisition.adjustable()
            self._due_s = time.monotonic() + INTERVAL_S

    def look_again(self) -> None:
        """Have the next look ask: something was changed."""
        self._due_s = 0.0

    def adjustable(self, name: str, info: CameraInfo | None, asked: Mapping[str, float]) -> Adjustable | None:
        """What the camera holds of a setting, and what was asked for; None where it cannot be changed.

        Parameters
        ----------
        asked
            By clients, which goes before what the camera was opened with.
        """
        actual = self._held.get(name)
        if actual is None:
            return None
        opened_with = next((one.asked for one in info.settings if one.name == name), None) if info else None
        if isinstance(opened_with, bool) or not isinstance(opened_with, int | float):
            opened_with = None
        return Adjustable(asked=asked.get(name, opened_with), actual=actual)
