"""One run's stream of a device: its buffers, what they hold, and what the driver counts."""

from __future__ import annotations

import ctypes
import logging

import numpy as np

from rheed_acquire import CameraError, Frame
from rheed_acquire.cameras.genapi.image_layout import ImageLayout, PaddedRows, Pixels
from rheed_acquire.cameras.genapi.incomplete import IncompleteBuffers
from rheed_acquire_aravis.connection import Connection
from rheed_acquire_aravis.functions import (
    BUFFER_CLEARED,
    BUFFER_STATUS,
    BUFFER_SUCCESS,
    G_TYPE_INT,
    G_TYPE_UINT64,
    PAYLOAD_CHUNK_DATA,
    PAYLOAD_EXTENDED_CHUNK_DATA,
    PAYLOAD_IMAGE,
    SOCKET_BUFFER_FIXED,
    GValue,
)

logger = logging.getLogger(__name__)

NOTHING: Pixels = np.empty(0, np.uint8)

# Packets wait in the socket until the library's thread takes them. The system's own default, 200 kB on Linux,
# is 2 ms of a Gigabit link.
_SOCKET_BUFFER_BYTES = (2 * 2**20, 32 * 2**20)

_NAMED_COUNTERS = (
    "arv_stream_get_n_infos",
    "arv_stream_get_info_name",
    "arv_stream_get_info_type",
    "arv_stream_get_info_uint64_by_name",
)

_WITH_SIZE = (PAYLOAD_IMAGE, PAYLOAD_EXTENDED_CHUNK_DATA)
_WITH_IMAGE = (*_WITH_SIZE, PAYLOAD_CHUNK_DATA)


class Stream:
    """Buffers that the library fills from a thread of its own, taken and given back one by one.

    Parameters
    ----------
    connection
        Whose frames come.
    layout
        Of the images.
    payload_bytes, buffers
        Of one buffer, and how many.
    zero_is_an_id
        False for GigE Vision, where 0 says that the camera does not count.
    packet_resend
        A value of ``ArvGvStreamPacketResend``.

    Attributes
    ----------
    delivered
        Whole images so far.
    incomplete
        What came and was no whole image.

    Raises
    ------
    AravisError
        The device refuses to stream.
    """

    def __init__(
        self,
        connection: Connection,
        layout: ImageLayout,
        *,
        payload_bytes: int,
        buffers: int,
        zero_is_an_id: bool,
        packet_resend: int,
    ) -> None:
        library = self._library = connection.library
        self._layout, self._zero_is_an_id = layout, zero_is_an_id
        self._is_gige = connection.is_gige
        self._padded: PaddedRows | None = None
        self._has_size = False
        self.delivered = 0
        self.incomplete = IncompleteBuffers()
        self._buffer: int = 0
        self._stream: int | None = library.arv_camera_create_stream(connection.camera, None, None)
        if self._stream is None:
            raise CameraError(f"{connection.info} refuses to stream")
        if self._is_gige:
            least, most = _SOCKET_BUFFER_BYTES
            self._set("packet-resend", packet_resend)
            self._set("socket-buffer", SOCKET_BUFFER_FIXED)
            self._set("socket-buffer-size", min(max(2 * payload_bytes, least), most))
        # Their memory is ours: a view of it stays valid whatever the library does with its buffers.
        self._memory: dict[int, np.ndarray[tuple[int], np.dtype[np.uint8]]] = {}
        self._images: dict[int, Pixels] = {}
        for _ in range(buffers):
            memory = np.empty(max(payload_bytes, layout.nbytes), np.uint8)
            buffer = library.arv_buffer_new(payload_bytes, memory.ctypes.data)
            self._memory[buffer] = memory
            self._images[buffer] = np.ndarray(layout.shape, layout.dtype, memory)
            library.arv_stream_push_buffer(self._stream, buffer)

    def take(self, timeout_s: float, frame: Frame) -> bool:
        """Wait for a buffer, and lend its image; say whether one came.

        Raises
        ------
        CameraError
            What comes is no image, or one of another size.
        """
        library = self._library
        buffer: int | None = library.arv_stream_timeout_pop_buffer(self._stream, int(timeout_s * 1e6))
        if not buffer:
            return False
        self._buffer = buffer
        try:
            is_whole = self._is_whole(buffer)
            if is_whole:
                self._read(buffer, frame)
        except BaseException:
            self.give_back(frame)
            raise
        if not is_whole:
            self.give_back(frame)
        return is_whole

    def give_back(self, frame: Frame) -> None:
        """Let the buffer that was lent be filled again."""
        frame.pixels = NOTHING  # nothing may point into a buffer that is the driver's again
        self._library.arv_stream_push_buffer(self._stream, self._buffer)

    def counters(self) -> dict[str, int]:
        """Give what the driver counts, by its own names where this version of the library has names."""
        library = self._library
        completed, failures, underruns = (ctypes.c_uint64() for _ in range(3))
        library.arv_stream_get_statistics(
            self._stream, ctypes.byref(completed), ctypes.byref(failures), ctypes.byref(underruns)
        )
        counters = {
            "completed_buffers": completed.value,
            "failures": failures.value,
            "underruns": underruns.value,
        }
        if self._is_gige:
            resent, missing = ctypes.c_uint64(), ctypes.c_uint64()
            library.arv_gv_stream_get_statistics(self._stream, ctypes.byref(resent), ctypes.byref(missing))
            counters |= {"resent_packets": resent.value, "missing_packets": missing.value}
        if all(map(library.has, _NAMED_COUNTERS)):
            for place in range(library.arv_stream_get_n_infos(self._stream)):
                if library.arv_stream_get_info_type(self._stream, place) != G_TYPE_UINT64:
                    continue
                name: bytes = library.arv_stream_get_info_name(self._stream, place)
                shown = name.decode(errors="replace").removeprefix("n_")
                counters[shown] = library.arv_stream_get_info_uint64_by_name(self._stream, name)
        return counters

    def close(self) -> None:
        """End the library's thread, and free its buffers; a second time does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._library.g_object_unref(stream)

    def _is_whole(self, buffer: int) -> bool:
        status: int = self._library.arv_buffer_get_status(buffer)
        if status == BUFFER_SUCCESS:
            return True
        if status == BUFFER_CLEARED:
            return (
                False  # it was taken for a frame, and given up before anything was in it; Aravis counts none
            )
        self.incomplete.count(lambda: _what_is_wrong(status), any_delivered=self.delivered > 0)
        return False

    def _read(self, buffer: int, frame: Frame) -> None:
        library, layout = self._library, self._layout
        if self.delivered == 0:
            self._examine(buffer)
        if self._has_size:
            width = library.arv_buffer_get_image_width(buffer)
            height = library.arv_buffer_get_image_height(buffer)
            if width != layout.width or height != layout.height:
                raise CameraError(
                    f"the camera sends images of {width} x {height} pixels where its Width and Height are "
                    f"{layout.width} x {layout.height}"
                )
        padded = self._padded
        frame.pixels = self._images[buffer] if padded is None else padded.read(self._memory[buffer].data)
        number: int = library.arv_buffer_get_frame_id(buffer)
        frame.id = number if number or self._zero_is_an_id else None
        frame.timestamp_ns = self._stamp(buffer)
        self.delivered += 1

    def _examine(self, buffer: int) -> None:
        """Find out from the first whole buffer what this camera sends.

        Raises
        ------
        CameraError
            There is no image in it, or none that can be read.
        """
        library = self._library
        kind = library.arv_buffer_get_payload_type(buffer) & 0x3FFF  # without the flag of appended chunks
        if kind not in _WITH_IMAGE:
            raise CameraError(f"the camera sends payload of type {kind}, not plain images")
        size = ctypes.c_size_t()
        library.arv_buffer_get_data(buffer, ctypes.byref(size))
        if size.value < self._layout.nbytes:
            raise CameraError(
                f"the camera sent {size.value} bytes where {self._layout} takes {self._layout.nbytes}"
            )
        self._has_size = kind in _WITH_SIZE
        if self._has_size and library.has("arv_buffer_get_image_padding"):
            across, down = ctypes.c_int(), ctypes.c_int()
            library.arv_buffer_get_image_padding(buffer, ctypes.byref(across), ctypes.byref(down))
            if across.value:
                self._padded = PaddedRows(self._layout, across.value)

    def _stamp(self, buffer: int) -> int | None:
        """Give the camera's stamp; of a camera without a clock the library gives this computer's."""
        stamp: int = self._library.arv_buffer_get_timestamp(buffer)
        if stamp == self._library.arv_buffer_get_system_timestamp(buffer):
            return None
        return stamp or None

    def _set(self, name: str, number: int) -> None:
        library, value = self._library, GValue()
        library.g_value_init(ctypes.byref(value), G_TYPE_INT)
        library.g_value_set_int(ctypes.byref(value), number)
        library.g_object_set_property(self._stream, name.encode(), ctypes.byref(value))


def _what_is_wrong(status: int) -> str:
    return BUFFER_STATUS.get(status, f"of status {status}")
