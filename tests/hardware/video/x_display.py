"""An X server without a screen: its picture is a file that the test writes, its windows are made by hand."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
_CREATE_WINDOW, _DESTROY_WINDOW, _MAP_WINDOW = 1, 4, 8
_INPUT_OUTPUT = 1


class XDisplay:
    """Xvfb with a screen of `WIDTH` x `HEIGHT`.

    Attributes
    ----------
    name
        As in ``DISPLAY``.
    screen
        (HEIGHT, WIDTH, 4) uint8: blue, green, red, and one that does not count.
    """

    def __init__(self, folder: Path) -> None:
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-ac"]
        self._process = subprocess.Popen(
            [*command, "-nolisten", "tcp", "-noreset", "-fbdir", str(folder)],
            pass_fds=(write,),
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as told:
            self._number = told.readline().strip()
        assert self._number, "Xvfb did not start"
        self.name = f":{self._number}"
        file = np.memmap(folder / "Xvfb_screen0", np.uint8, "r+")
        # The header of a window dump (X11/XWDFile.h): its size, then twelve numbers on, the bytes of a row,
        # and seven further on, how many colours of twelve bytes come before the pixels.
        header = np.frombuffer(file[:100].tobytes(), ">u4")
        start, row = int(header[0] + 12 * header[19]), int(header[12])
        pixels = file[start : start + row * HEIGHT].reshape(HEIGHT, row)[:, : 4 * WIDTH]
        self.screen: NDArray[np.uint8] = pixels.reshape(HEIGHT, WIDTH, 4)

    def window(self, width: int, height: int) -> XWindow:
        """Show a window at the upper left corner."""
        return XWindow(self._number, width, height)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class XWindow:
    """A window of another program: a connection of its own, in the X protocol, version 11."""

    def __init__(self, number: str, width: int, height: int) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(30)
        self._connection.connect(f"/tmp/.X11-unix/X{number}")
        self._connection.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        status, _, _, _, words = struct.unpack("<BBHHH", self._read(8))
        answer = self._read(4 * words)
        assert status == 1, answer
        _, first, _, _, vendor = struct.unpack_from("<IIIIH", answer)
        formats = answer[21]
        root = struct.unpack_from("<I", answer, 32 + (vendor + 3) // 4 * 4 + 8 * formats)[0]
        self.id = int(first)
        create = struct.pack(
            "<BBHIIhhHHHHII", _CREATE_WINDOW, 0, 8, self.id, root, 0, 0, width, height, 0, _INPUT_OUTPUT, 0, 0
        )
        self._connection.sendall(create + struct.pack("<BxHI", _MAP_WINDOW, 2, self.id))
        # An answer means that what was asked before is done: what has the input focus?
        self._connection.sendall(struct.pack("<BxH", 43, 1))
        self._read(32)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._connection.recv(size - len(data))
            assert more, "the X server has gone"
            data += more
        return data

    def close(self) -> None:
        self._connection.sendall(struct.pack("<BxHI", _DESTROY_WINDOW, 2, self.id))
        self._connection.close()
