"""Frames that a program appends to an AVI file, found chunk by chunk as long as there is no index.

Sources: Microsoft's "AVI RIFF File Reference" and "DIBs and Their Use", and the OpenDML AVI extensions (files
of several RIFF lists). The sizes of lists are written when a file is closed, and are not needed.
"""

from __future__ import annotations

import io
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError, open_shared
from rheed_acquire_growing.growing_file import GrowingBytes, NotWholeError
from rheed_acquire_replay.recording import MOST_PIXELS, reading
from rheed_acquire_replay.video import as_array

if TYPE_CHECKING:
    import av

_GRAY_8, _GRAY_16 = ("Y800", "GREY", "Y8  "), ("Y16 ",)
_JPEG = ("MJPG", "JPEG", "LJPG", "DMB1", "AVRN")
_DIB = ("", "DIB ", "RGB ", "RAW ")
_JPEG_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Picture:
    """How the pictures of a file are stored.

    Attributes
    ----------
    code
        FourCC in capitals; empty for a bitmap of Windows.
    bits
        Of a pixel.
    is_upright
        Whether the upper row comes first, which is not so in most bitmaps of Windows.
    palette
        (N, 3) uint8 red, green, blue; or (N,) where all are gray.
    """

    code: str
    width: int
    height: int
    bits: int
    is_upright: bool
    palette: NDArray[np.uint8]

    @classmethod
    def parse(cls, content: bytes) -> Picture:
        """Read a ``BITMAPINFOHEADER`` and what follows it."""
        width, height = struct.unpack_from("<ii", content, 4)
        (bits,) = struct.unpack_from("<H", content, 14)
        code = content[16:20]
        colours = np.frombuffer(content[40 : 40 + (len(content) - 40) // 4 * 4], np.uint8).reshape(-1, 4)
        palette = colours[:, 2::-1]
        if len(palette) and (palette == palette[:, :1]).all():
            palette = palette[:, 0]
        name = "" if not any(code) else code.decode("latin-1").upper()
        return cls(name, width, abs(height), bits, height < 0, palette)


class GrowingAvi(GrowingBytes):
    """The pictures of the first video stream: bitmaps, gray, motion JPEG, and others that stand alone."""

    kind: ClassVar[str] = "an AVI file"

    def __init__(self, path: Path, since_ns: int | None = None) -> None:
        super().__init__(path, since_ns)
        self._picture: Picture | None = None
        self._streams = 0
        self._stream: int | None = None
        self._is_video = False
        self._at = 0
        self._offsets, self._sizes = array("q"), array("q")
        self._decoder: av.VideoCodecContext | None = None

    def read(self, number: int) -> NDArray[Any]:
        """See `GrowingFile.read`."""
        size = self._sizes[number]
        with open_shared(self.path) as file:
            file.seek(self._offsets[number])
            content = file.read(size)
        if len(content) < size:
            raise NotWholeError
        picture = self._picture
        assert picture is not None
        with reading(self.path, f"{self.kind}, frame {number}"):
            if picture.code in _GRAY_8 or picture.code in _GRAY_16:
                dtype = np.dtype("<u2" if picture.code in _GRAY_16 else "u1")
                return _rows(content, picture.height, picture.width * dtype.itemsize).view(dtype)
            if picture.code in _DIB and picture.bits in (8, 24, 32):
                return _bitmap(content, picture)
            return self._decoded(content)

    def close(self) -> None:
        """Let the decoder go."""
        self._decoder = None

    def _walk(self, file: io.BufferedReader, size: int) -> int:
        last = 0
        while True:
            file.seek(self._at)
            head = file.read(8)
            if len(head) < 8 or not _is_name(head[:4]):
                return last
            name = head[:4].decode()
            (length,) = struct.unpack_from("<I", head, 4)
            if name in ("RIFF", "LIST"):
                # What is inside counts, and not how long the list says that it is.
                self._at += 12
                continue
            begin, end = self._at + 8, self._at + 8 + length
            is_frame = self._stream is not None and name in (f"{self._stream:02d}db", f"{self._stream:02d}dc")
            if length and not self._is_written(file, begin, end, size):
                return last
            if is_frame and length:
                if not self._is_whole_jpeg(file, begin, end):
                    return last
                self._offsets.append(begin)
                self._sizes.append(length)
                self.count += 1
                last = end
            elif not length and not _is_name(file.read(4)):
                return last  # its size may not have been written yet; else it is a frame that was dropped
            else:
                self._take(name, file, begin, length)
            self._at = end + length % 2

    def _take(self, name: str, file: io.BufferedReader, begin: int, length: int) -> None:
        """Take what the head of the file says."""
        if name not in ("strh", "strf"):
            return
        file.seek(begin)
        content = file.read(length)
        if name == "strh":
            self._is_video = content[:4] == b"vids" and self._stream is None
            if self._is_video:
                self._stream = self._streams
                scale, rate = struct.unpack_from("<II", content, 20)
                self.fps = rate / scale if scale and rate else None
            self._streams += 1
        elif self._is_video and self._picture is None:
            self._picture = picture = Picture.parse(content)
            if not (picture.width > 0 and picture.height) or picture.width * picture.height > MOST_PIXELS:
                raise CameraError(f"{self.path} holds pictures of {picture.width} x {picture.height} pixels")

    def _is_whole_jpeg(self, file: io.BufferedReader, begin: int, end: int) -> bool:
        """Whether a JPEG has its end, which a part of one has not; of other pictures nothing is known."""
        if self._picture is None or self._picture.code not in _JPEG:
            return True
        file.seek(max(begin, end - 64))
        return file.read(end - max(begin, end - 64)).rstrip(b"\0").endswith(_JPEG_END)

    def _decoded(self, content: bytes) -> NDArray[Any]:
        import av

        if self._decoder is None:
            self._decoder = self._make_decoder()
        (frame,) = self._decoder.decode(av.Packet(content))
        return as_array(frame)

    def _make_decoder(self) -> av.VideoCodecContext:
        """Make a decoder that gives each picture at once.

        Raises
        ------
        CameraError
            Pictures depend on others, so that one that is written is not one that can be seen.
        """
        import av

        picture = self._picture
        assert picture is not None
        if picture.code in _JPEG:
            name, extradata, tag = "mjpeg", None, None
        else:
            with av.open(str(self.path), format="avi", options={"protocol_whitelist": "file"}) as container:
                context = container.streams.video[0].codec_context
                name, extradata, tag = context.name, context.extradata, context.codec_tag
        decoder = av.CodecContext.create(name, "r")
        assert isinstance(decoder, av.VideoCodecContext)
        if name != "rawvideo" and not decoder.codec.intra_only:
            raise CameraError(
                f"{self.path} holds {name}, in which most pictures depend on those before; have its program "
                "write them uncompressed, or as motion JPEG"
            )
        decoder.thread_type = "NONE"
        decoder.width, decoder.height = picture.width, picture.height
        if extradata:
            decoder.extradata = extradata
        if tag is not None:
            decoder.codec_tag = tag
        return decoder


def _is_name(content: bytes) -> bool:
    """Whether this can be the name of a chunk."""
    return len(content) == 4 and content.isascii() and content.decode().isprintable()


def _rows(content: bytes, height: int, row_bytes: int) -> NDArray[np.uint8]:
    """View rows that follow each other, or that are padded to whole groups of four bytes."""
    padded = (row_bytes + 3) // 4 * 4
    stride = padded if len(content) >= height * padded else row_bytes
    if len(content) < height * stride:
        raise ValueError(f"{len(content)} bytes are too few for {height} rows of {stride}")
    rows = np.frombuffer(content, np.uint8, height * stride).reshape(height, stride)
    return np.ascontiguousarray(rows[:, :row_bytes])


def _bitmap(content: bytes, picture: Picture) -> NDArray[Any]:
    """Read a bitmap of Windows: (H, W), or (H, W, 3) red, green, blue."""
    pixel_bytes = picture.bits // 8
    rows = _rows(content, picture.height, picture.width * pixel_bytes)
    if not picture.is_upright:
        rows = rows[::-1]
    if pixel_bytes > 1:
        return rows.reshape(picture.height, picture.width, pixel_bytes)[..., 2::-1]
    if not len(picture.palette):
        return rows
    if len(picture.palette) < 256:
        filled = np.zeros((256, *picture.palette.shape[1:]), np.uint8)
        filled[: len(picture.palette)] = picture.palette
        return np.asarray(filled[rows])
    return np.asarray(picture.palette[rows])
