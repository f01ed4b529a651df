"""What chambers' programs do: they write numbered frames, piece by piece, and may be killed in between.

``python -m tests.hardware.growing.writers FORMAT PATH FRAMES FPS`` writes so many frames and a half, says so,
and waits to be killed.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import time
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 48, 64
BEGAN_S = 1_767_225_600
DONE = "a half is written"


@cache
def _noise(bits: int) -> NDArray[np.uint16]:
    random = np.random.default_rng(11)
    values: NDArray[np.uint16] = random.integers(0, 1 << bits, (97, HEIGHT, WIDTH)).astype(np.uint16)
    return values


def frame(number: int, bits: int = 8) -> NDArray[Any]:
    """Make a frame that no other one is like; its number is in its first four pixels, low byte first."""
    pixels: NDArray[Any] = _noise(bits)[number % 97].copy()
    pixels[0, :4] = [number >> shift & 255 for shift in (0, 8, 16, 24)]
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)


def number_of(pixels: NDArray[Any]) -> int:
    """Read a frame's number."""
    return sum(int(value) << shift for value, shift in zip(pixels[0, :4], (0, 8, 16, 24), strict=True))


class Writer(ABC):
    """Writes frames of one format below a path."""

    bits: ClassVar[int] = 8

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Make what there is before the first frame."""

    @abstractmethod
    def write(self, number: int) -> None:
        """Write a frame."""

    def close(self) -> None:  # noqa: B027
        """Let the file go."""

    @abstractmethod
    def half(self, number: int) -> None:
        """Write a part of a frame, as far as it comes before the program is killed."""

    def expected(self, number: int) -> NDArray[Any]:
        """Give what a reader has to see of a frame."""
        return frame(number, self.bits)


class ImageFolder(Writer):
    """A file for each frame."""

    suffix: ClassVar[str] = ".png"

    def begin(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def encoded(self, number: int) -> bytes:
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(frame(number)).save(content, "PNG", compress_level=1)
        return content.getvalue()

    def named(self, number: int) -> Path:
        return self.path / f"growth_{number:06d}{self.suffix}"

    def write(self, number: int) -> None:
        content = self.encoded(number)
        with self.named(number).open("wb", buffering=0) as file:
            for begin in range(0, len(content), 1500):
                file.write(content[begin : begin + 1500])

    def half(self, number: int) -> None:
        content = self.encoded(number)
        self.named(number).write_bytes(content[: len(content) // 2])


class TiffFolder(ImageFolder):
    """Sixteen bits, as most cameras' programs write them."""

    suffix: ClassVar[str] = ".tif"
    bits: ClassVar[int] = 16

    def encoded(self, number: int) -> bytes:
        import tifffile

        content = io.BytesIO()
        tifffile.imwrite(content, frame(number, 16), metadata=None)
        return content.getvalue()


class Appender(Writer):
    """One file that grows."""

    def begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("wb", buffering=0)
        self.file.write(self.head())

    def head(self) -> bytes:
        return b""

    def close(self) -> None:
        self.file.close()

    @abstractmethod
    def record(self, number: int) -> bytes:
        """Make what a frame is in the file."""

    def write(self, number: int) -> None:
        content = self.record(number)
        for begin in range(0, len(content), 1500):
            self.file.write(content[begin : begin + 1500])

    def half(self, number: int) -> None:
        content = self.record(number)
        self.file.write(content[: len(content) * 2 // 3])


class Imm(Appender):
    """kSA 400."""

    bits: ClassVar[int] = 12

    def record(self, number: int) -> bytes:
        header = bytearray(640)
        header[39:45] = b"KSA00F"
        struct.pack_into(">H", header, 49, WIDTH)
        struct.pack_into(">H", header, 321, HEIGHT)
        milliseconds = number * 10
        struct.pack_into(">IH", header, 323, BEGAN_S + milliseconds // 1000, milliseconds % 1000)
        struct.pack_into(">H", header, 333, 12)
        return bytes(header) + frame(number, 12).astype("<u2").tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """Make a chunk of a RIFF file."""
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


class AviGray(Appender):
    """Bitmaps with a palette, the lowest row first, in a file whose sizes are written when it is closed."""

    code: ClassVar[bytes] = b"\0\0\0\0"

    def head(self) -> bytes:
        palette = np.repeat(np.arange(256, dtype=np.uint8), 4).reshape(256, 4)
        palette[:, 3] = 0
        bitmap = struct.pack("<IiiHH4sIiiII", 40, WIDTH, HEIGHT, 1, 8, self.code, 0, 0, 0, 256, 0)
        stream = b"vids" + self.code + struct.pack("<4I2I5I4h", *(0,) * 4, 1, 100, *(0,) * 9)
        lists = chunk(b"strh", stream) + chunk(b"strf", bitmap + palette.tobytes())
        main = chunk(b"avih", struct.pack("<14I", 10_000, *(0,) * 5, 1, 0, WIDTH, HEIGHT, *(0,) * 4))
        header = chunk(b"LIST", b"hdrl" + main + chunk(b"LIST", b"strl" + lists)) + chunk(b"JUNK", bytes(500))
        return b"RIFF\0\0\0\0AVI " + header + b"LIST\0\0\0\0movi"

    def record(self, number: int) -> bytes:
        content = self.picture(number)
        return chunk(b"00dc", content)

    def picture(self, number: int) -> bytes:
        return frame(number)[::-1].tobytes()


class AviJpeg(AviGray):
    """Motion JPEG."""

    code: ClassVar[bytes] = b"MJPG"

    def picture(self, number: int) -> bytes:
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(self.pattern(number)).save(content, "JPEG", quality=95)
        return content.getvalue()

    @staticmethod
    def pattern(number: int) -> NDArray[np.uint8]:
        """Make a picture whose number survives JPEG: 32 blocks, black or white, above a slope."""
        pixels = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH) + number % 50).astype(np.uint8)
        for bit in range(32):
            row, column = divmod(bit, 8)
            pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 255 if number >> bit & 1 else 0
        return pixels

    def expected(self, number: int) -> NDArray[Any]:
        import av

        decoder: Any = av.CodecContext.create("mjpeg", "r")
        (picture,) = decoder.decode(av.Packet(self.picture(number)))
        return np.asarray(picture.to_ndarray(format="gray"))


class TiffStack(Appender):
    """Pages as libtiff writes them: samples, tags, and then the place of the tags in the page before."""

    big: ClassVar[bool] = False
    bits: ClassVar[int] = 16

    def head(self) -> bytes:
        self.next_at = 8 if self.big else 4
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if self.big else struct.pack("<2sHI", b"II", 42, 0)

    def record(self, number: int) -> bytes:
        begin = self.file.tell()
        data = frame(number, 16).astype("<u2").tobytes()
        tags = [
            *((254, 4, 0), (256, 3, WIDTH), (257, 3, HEIGHT), (258, 3, 16), (259, 3, 1), (262, 3, 1)),
            *((273, 4, begin), (277, 3, 1), (278, 3, HEIGHT), (279, 4, len(data))),
        ]
        form, count = ("<HHQQ", "<Q") if self.big else ("<HHII", "<H")
        listed = struct.pack(count, len(tags)) + b"".join(
            struct.pack(form, code, kind, 1, value) for code, kind, value in tags
        )
        self.page = begin + len(data)
        self.end = self.page + len(listed)
        return data + listed + bytes(8 if self.big else 4)

    def write(self, number: int) -> None:
        super().write(number)
        self.file.seek(self.next_at)
        self.file.write(struct.pack("<Q" if self.big else "<I", self.page))
        self.file.seek(0, io.SEEK_END)
        self.next_at = self.end


class BigTiffStack(TiffStack):
    big = True


class TiffStackAhead(TiffStack):
    """Tells the place of a page before its samples are written, which are zero until then."""

    def write(self, number: int) -> None:
        self.fill(*self.announce(number))

    def announce(self, number: int) -> tuple[int, bytes]:
        """Write all of a page but its samples: where they belong, and what they are."""
        content = self.record(number)
        size = HEIGHT * WIDTH * 2
        begin = self.file.tell()
        self.file.seek(begin + size)
        self.file.write(content[size:])
        self.file.seek(self.next_at)
        self.file.write(struct.pack("<I", self.page))
        self.next_at = self.end
        self.file.seek(0, io.SEEK_END)
        return begin, content[:size]

    def fill(self, begin: int, samples: bytes) -> None:
        """Write the samples, a piece at a time."""
        self.file.seek(begin)
        for place in range(0, len(samples), 1500):
            self.file.write(samples[place : place + 1500])
        self.file.seek(0, io.SEEK_END)

    def half(self, number: int) -> None:
        content = self.record(number)
        size = HEIGHT * WIDTH * 2
        begin = self.file.tell()
        self.file.seek(begin + size)
        self.file.write(content[size:])
        self.file.seek(begin)
        self.file.write(content[: size // 2])


class Hdf5(Writer):
    """A dataset that others may read meanwhile, with the times of areaDetector."""

    bits: ClassVar[int] = 16

    def begin(self) -> None:
        import h5py

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file: Any = h5py.File(self.path, "w", libver="latest")
        shape, chunks = (0, HEIGHT, WIDTH), (1, HEIGHT, WIDTH)
        self.frames = self.file.create_dataset(
            "entry/data/data", shape, np.uint16, maxshape=(None, HEIGHT, WIDTH), chunks=chunks
        )
        self.times = self.file.create_dataset(
            "entry/NDArrayTimeStamp", (0,), np.float64, maxshape=(None,), chunks=(256,)
        )
        self.file.swmr_mode = True

    def close(self) -> None:
        self.file.close()

    def write(self, number: int) -> None:
        count = len(self.times)
        self.times.resize((count + 1,))
        self.times[count] = BEGAN_S - 631_152_000 + number / 100
        self.times.flush()
        self.frames.resize((count + 1, HEIGHT, WIDTH))
        self.frames[count] = frame(number, 16)
        self.frames.flush()

    def half(self, number: int) -> None:
        self.frames.resize((len(self.frames) + 1, HEIGHT, WIDTH))
        self.frames.flush()


FORMATS: dict[str, tuple[type[Writer], str]] = {
    "png": (ImageFolder, "growth"),
    "tif": (TiffFolder, "growth"),
    "tiff-stack": (TiffStack, "growth.tif"),
    "bigtiff-stack": (BigTiffStack, "growth.tif"),
    "tiff-stack-ahead": (TiffStackAhead, "growth.tif"),
    "avi": (AviGray, "growth.avi"),
    "avi-jpeg": (AviJpeg, "growth.avi"),
    "imm": (Imm, "growth.imm"),
    "hdf5": (Hdf5, "growth.h5"),
}
"""By name: the writer, and what it writes is called."""


def main() -> None:
    name, path, frames, fps = sys.argv[1:]
    writer = FORMATS[name][0](Path(path))
    begun_s = time.perf_counter()
    for number in range(int(frames)):
        time.sleep(max(0.0, begun_s + number / float(fps) - time.perf_counter()))
        writer.write(number)
    writer.half(int(frames))
    print(DONE, f"{time.perf_counter() - begun_s:.3f}", flush=True)
    time.sleep(3600)
    os._exit(1)


if __name__ == "__main__":
    main()
