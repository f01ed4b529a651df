"""What was changed of the camera while it ran: told again to the one that is opened after it was lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from rheed_acquire.cameras.camera import Camera, CameraError

logger = logging.getLogger(__name__)


class Adjustments:
    """What a command's camera was told last, by name; see `Camera.adjust`.

    Attributes
    ----------
    asked
        As it was asked for: what the camera has made of it, it says itself.
    """

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}

    def note(self, asked: Mapping[str, float]) -> None:
        """Remember what a camera has taken."""
        self.asked.update(asked)

    def renew(self, camera: Camera) -> None:
        """Have a camera that was just opened hold the same."""
        if not self.asked:
            return
        try:
            camera.adjust(self.asked)
        except CameraError as error:  # it is better to go on with another brightness than without frames
            logger.warning("the camera is not as it was before it was lost: %s", error)
