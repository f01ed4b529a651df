"""Frames of kSA 400 that a program appends to an ``.imm`` file, or writes as ``.img``."""

from __future__ import annotations

import io
from array import array
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError, open_shared
from rheed_acquire_growing.growing_file import GrowingBytes, NotWholeError
from rheed_acquire_replay.ksa import HEADER_BYTES, MAGIC, MAGIC_AT, KsaHeader, read_header, read_pixels

_GRAY, _COLOUR = 2, 12
"""Bytes of a pixel."""


class GrowingKsa(GrowingBytes):
    """Frames one behind another, each with its header, which tells its time."""

    kind: ClassVar[str] = "a kSA 400 file"
    singles: ClassVar[tuple[str, ...]] = (".img",)

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        super().__init__(path, since_ns)
        self._first: KsaHeader | None = None
        self._pixel_bytes = 0
        self._offsets, self._captured = array("q"), array("q")
        self._at = 0

    def read(self, number: int) -> NDArray[Any]:
        """See `GrowingFile.read`."""
        first = self._first
        assert first is not None
        size = first.height * first.width * self._pixel_bytes
        with open_shared(self.path) as file:
            file.seek(self._offsets[number])
            content = file.read(size)
        if len(content) < size:
            raise NotWholeError
        pixels = read_pixels(content, first, self._pixel_bytes)
        if self.bits is not None and self._pixel_bytes == _GRAY:
            # Saturated samples of 12 bits are 4096.
            pixels = np.minimum(pixels, np.uint16((1 << self.bits) - 1))
        return pixels

    def time_ns(self, number: int) -> int:
        """By its header, else by the file's time."""
        return self._captured[number] if self.dated_by is not None else super().time_ns(number)

    def _walk(self, file: io.BufferedReader, size: int) -> int:
        last = self._at
        while (header := self._header_at(file, self._at, size)) is not None:
            first = self._first
            if first is None:
                self._pixel_bytes = self._told_pixel_bytes(file, header, size)
                if not self._pixel_bytes:
                    break
                first = self._first = header
                self.bits = header.bits
                if header.captured_ns is not None:
                    self.dated_by = "of each frame, by its header (inferred)"
            if (header.height, header.width) != (first.height, first.width):
                raise CameraError(
                    f"{self.path} changes at frame {self.count} from {first.width} x {first.height} pixels "
                    f"to {header.width} x {header.height}: all frames of a stream have one size"
                )
            end = self._at + header.frame_bytes(self._pixel_bytes)
            if not self._is_written(file, self._at + header.header_bytes, end, size):
                break
            self._offsets.append(self._at + header.header_bytes)
            before_ns = self._captured[-1] if self._captured else 0
            self._captured.append(header.captured_ns or before_ns)
            self._at = last = end
            self.count += 1
        return last

    @staticmethod
    def _header_at(file: io.BufferedReader, at: int, size: int) -> KsaHeader | None:
        """Read the header of a frame; None where it is not whole yet."""
        if at + HEADER_BYTES > size:
            return None
        file.seek(at)
        try:
            return read_header(file.read(HEADER_BYTES))
        except ValueError:
            return None

    def _told_pixel_bytes(self, file: io.BufferedReader, first: KsaHeader, size: int) -> int:
        """Tell gray from colour by where the next header stands; 0 as long as that cannot be told."""
        for pixel_bytes in (_GRAY, _COLOUR):
            file.seek(first.frame_bytes(pixel_bytes) + MAGIC_AT)
            if file.read(len(MAGIC)) == MAGIC:
                return pixel_bytes
        if self.has_settled:
            for pixel_bytes in (_GRAY, _COLOUR):
                if size == first.frame_bytes(pixel_bytes):
                    return pixel_bytes
        return 0
