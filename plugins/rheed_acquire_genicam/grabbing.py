"""Buffers from the producer: what they hold, how many come, and why none does.

harvesters' own `fetch` and callback thread are not used because of what the binding does while it waits for
a buffer: it keeps Python's lock. harvesters waits 1 ms at a time, so that both stop every other thread of the
program while no frame is there. Here the producer is asked without waiting, with sleeps between. As measured
by ``python -m benchmarks genicam_rate`` it takes 1.6 to 2.7 times the frames of a plain `fetch` loop, and 2
to 5 times those of harvesters' callback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rheed_acquire import CameraError, Frame
from rheed_acquire.cameras.genapi.image_layout import ImageLayout, PaddedRows, Pixels
from rheed_acquire.cameras.genapi.incomplete import IncompleteBuffers
from rheed_acquire_genicam.sdk import gentl

POLL_S = 0.001
EVENTS_ASKED_S = 0.05
"""With no frame for so long, the device's error events are looked at."""
DEVICE_ASKED_S = 1.0
"""With no frame for so long, the device is asked whether it is there."""

_INVALID_ID = 2**64 - 1
NOTHING: Pixels = np.empty(0, np.uint8)
_WITH_IMAGE = (
    gentl.PAYLOADTYPE_INFO_IDS.PAYLOAD_TYPE_IMAGE,
    gentl.PAYLOADTYPE_INFO_IDS.PAYLOAD_TYPE_CHUNK_DATA,
    gentl.PAYLOADTYPE_INFO_IDS.PAYLOAD_TYPE_UNKNOWN,
)


class BufferReader:
    """Reads what a buffer tells, knowing from the first one what the producer tells at all.

    Parameters
    ----------
    layout
        Of the images.
    line_pitch
        From the beginning of one row to that of the next in bytes, as the camera tells it, for producers that
        do not tell of bytes behind each row; 0 where neither does.
    zero_is_an_id
        False for GigE Vision 1, where 0 says that the camera does not count.
    tick_hz
        Of the camera's clock, for stamps that are not in nanoseconds.
    chunk_ticks
        Reads the stamp from chunk data instead; None to take the buffer's.
    """

    def __init__(
        self,
        layout: ImageLayout,
        *,
        line_pitch: int = 0,
        zero_is_an_id: bool,
        tick_hz: int,
        chunk_ticks: Callable[[Any], int] | None = None,
    ) -> None:
        self._layout = layout
        self._line_pitch = line_pitch
        self._padded: PaddedRows | None = None
        self._zero_is_an_id = zero_is_an_id
        self._tick_hz = tick_hz
        self._chunk_ticks = chunk_ticks
        self._told: dict[str, bool] = {}
        self._offset = 0

    def examine(self, buffer: Any) -> None:
        """Find out from the first buffer what this producer tells.

        Raises
        ------
        CameraError
            There is no image in it, or none that can be read.
        """
        kind = _info(buffer, "payload_type")
        if kind is not None and kind not in _WITH_IMAGE:
            raise CameraError(f"the camera sends payload of type {kind}, not plain images")
        names = ("frame_id", "timestamp_ns", "timestamp", "width", "height", "size_filled", "padding_x")
        self._told = {name: _info(buffer, name) is not None for name in names}
        self._offset = int(_info(buffer, "image_offset") or 0)
        if _received_more(buffer):
            raise CameraError(
                f"the camera sends more than the {len(buffer.raw_buffer)} bytes that its PayloadSize tells"
            )
        padding = int(_info(buffer, "padding_x") or 0) or self._untold_padding(buffer)
        if padding:
            self._padded = PaddedRows(self._layout, padding)

    def _untold_padding(self, buffer: Any) -> int:
        """Tell the bytes behind each row where the camera does and the buffer is of that size."""
        layout, pitch = self._layout, self._line_pitch
        row = layout.nbytes // layout.height
        filled = int(_info(buffer, "size_filled") or 0) - self._offset
        padded = (pitch * layout.height, pitch * (layout.height - 1) + row)
        return pitch - row if pitch > row and filled in padded else 0

    def what_is_missing(self, buffer: Any) -> str:
        """Say in words why a buffer holds no whole image."""
        filled = _info(buffer, "size_filled")
        takes = f"where {self._layout} takes {self._offset + self._layout.nbytes}"
        if not buffer.is_complete():
            arrived = "" if filled is None else f", with {filled} bytes {takes}"
            return f"incomplete, as the driver says{arrived}"
        return f"too small, with {filled} bytes {takes}"

    def is_whole(self, buffer: Any) -> bool:
        """Say whether all of an image has arrived."""
        if not buffer.is_complete():
            return False
        return not self._told.get("size_filled") or buffer.size_filled >= self._offset + self._layout.nbytes

    def read(self, buffer: Any, frame: Frame) -> None:
        """Fill ``frame``; its pixels are the buffer's own memory.

        Raises
        ------
        CameraError
            The image has another size than the camera's settings say.
        """
        layout, told = self._layout, self._told
        if (
            told["width"]
            and told["height"]
            and (buffer.width, buffer.height) != (layout.width, layout.height)
        ):
            raise CameraError(
                f"the camera sends images of {buffer.width} x {buffer.height} pixels where its Width and "
                f"Height are {layout.width} x {layout.height}"
            )
        raw = buffer.raw_buffer
        if self._padded is not None:
            frame.pixels = self._padded.read(memoryview(raw)[self._offset :])
        else:
            frame.pixels = np.ndarray(layout.shape, layout.dtype, raw, self._offset)
        frame.id = self._id(buffer) if told["frame_id"] else None
        frame.timestamp_ns = self._timestamp_ns(buffer)

    def _id(self, buffer: Any) -> int | None:
        number: int = buffer.frame_id
        return number if number != _INVALID_ID and (number or self._zero_is_an_id) else None

    def _timestamp_ns(self, buffer: Any) -> int | None:
        if self._chunk_ticks is not None:
            ticks = self._chunk_ticks(buffer)
        elif self._told["timestamp_ns"]:
            return buffer.timestamp_ns or None
        elif self._told["timestamp"]:
            ticks = buffer.timestamp
        else:
            return None
        # In whole numbers: a float would lose digits after some months.
        return (ticks if self._tick_hz == 1_000_000_000 else ticks * 1_000_000_000 // self._tick_hz) or None


def _info(buffer: Any, name: str) -> Any:
    try:
        return getattr(buffer, name)
    except gentl.GenericException:
        return None


def _received_more(buffer: Any) -> bool:
    try:
        return bool(buffer.has_received_larger_payload())
    except gentl.GenericException:
        return False


class BufferWatch:
    """Counts the buffers of one run, and finds out why none comes.

    Parameters
    ----------
    errors
        Manager of the device's error events, or None.
    is_there
        Asks the device; raises what the SDK raises where it does not answer.

    Attributes
    ----------
    delivered
        Buffers so far.
    last_s
        When the last one came, on `time.monotonic`.
    """

    def __init__(self, errors: Any, is_there: Callable[[], object]) -> None:
        self.delivered = 0
        self._incomplete = IncompleteBuffers()
        self._errors, self._is_there = errors, is_there
        self.last_s = self._events_s = self._device_s = time.monotonic()

    @property
    def incomplete(self) -> int:
        """Buffers that were left out so far."""
        return self._incomplete.number

    def nothing_came(self) -> None:
        """After a while without a buffer, look at the device's events, and later ask the device."""
        now = time.monotonic()
        if now - max(self.last_s, self._events_s) > EVENTS_ASKED_S:
            self._events_s = now
            if self._has_errors():
                self._device_s = 0.0
        if now - max(self.last_s, self._device_s) > DEVICE_ASKED_S:
            self._device_s = now
            self._is_there()

    def count_incomplete(self, why: Callable[[], str]) -> None:
        """Count a buffer that was left out; see `IncompleteBuffers.count`.

        Raises
        ------
        CameraError
            There has been no other for a while.
        """
        self._incomplete.count(why, any_delivered=self.delivered > 0)

    def _has_errors(self) -> bool:
        """Whether the producer has told of an error of the device since the last time."""
        errors = self._errors
        try:
            if errors is None or not errors.num_in_queue:
                return False
            errors.flush_event_queue()
        except gentl.GenericException:
            return False  # whether the device is there is asked anyway
        return True
