"""How a GigE camera cuts its frames into packets: their size, the pause between them, and their socket."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rheed_acquire import SettingReadback
from rheed_acquire.cameras.genapi.configure import flag
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire_aravis.connection import Connection
from rheed_acquire_aravis.functions import PACKET_SIZE_ADJUSTMENT_NEVER, PACKET_SOCKET_DISABLED
from rheed_acquire_aravis.library import AravisError
from rheed_acquire_aravis.settings import AravisSettings

logger = logging.getLogger(__name__)

_ONLY_GIGE = ("packet_size", "packet_delay_ns")


class Packets:
    """Sets what the settings ask for; what is refused is noted with the writer.

    Parameters
    ----------
    connection
        To the camera, which may be none with packets.
    writer
        Where refusals are noted.
    settings
        What is asked for.
    """

    def __init__(self, connection: Connection, writer: FeatureWriter, settings: AravisSettings) -> None:
        self._connection, self._writer, self._settings = connection, writer, settings

    def set(self) -> None:
        """Set size, pause and socket; without a size that is asked for, find the largest that arrives."""
        connection, settings = self._connection, self._settings
        if not connection.is_gige:
            for name in _ONLY_GIGE:
                asked = getattr(settings, name)
                if asked is not None:
                    self._writer.refuse(name, f"{flag('aravis', name)} {asked}: it is no GigE camera")
            return
        library, camera = connection.library, connection.camera
        if not settings.packet_socket:
            library.arv_camera_gv_set_stream_options(camera, PACKET_SOCKET_DISABLED)
        library.arv_camera_gv_set_packet_size_adjustment(camera, PACKET_SIZE_ADJUSTMENT_NEVER)
        if settings.packet_size is None:
            try:
                library.arv_camera_gv_auto_packet_size(camera)
            except AravisError as error:
                logger.debug("%s keeps its packet size: %s", connection.info, error)
        else:
            self._try("packet_size", library.arv_camera_gv_set_packet_size, settings.packet_size)
        if settings.packet_delay_ns is not None:
            self._try("packet_delay_ns", library.arv_camera_gv_set_packet_delay, settings.packet_delay_ns)

    def readbacks(self) -> tuple[SettingReadback, ...]:
        """Give each setting that was asked for, as the camera holds it."""
        settings = self._settings
        asked = {name: value for name in _ONLY_GIGE if (value := getattr(settings, name)) is not None}
        return tuple(SettingReadback(name, value, self._held(name)) for name, value in asked.items())

    def notes(self) -> tuple[tuple[str, str], ...]:
        """Say how large the packets are."""
        return (("packets", f"{self._held('packet_size')} bytes each"),) if self._connection.is_gige else ()

    def _held(self, name: str) -> int:
        library, camera = self._connection.library, self._connection.camera
        get = (
            library.arv_camera_gv_get_packet_size
            if name == "packet_size"
            else library.arv_camera_gv_get_packet_delay
        )
        return int(get(camera))

    def _try(self, name: str, put: Callable[[int | None, int], object], value: int) -> None:
        try:
            put(self._connection.camera, value)
        except AravisError as error:
            self._writer.refuse(name, f"{flag('aravis', name)} {value}: {error}")
