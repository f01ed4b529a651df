"""The server as a child of `LocalServer`: ``python -m rheed_acquire.server DIR HOST PORT [CLOSE_AFTER_S]``.

The API key comes as the first line of stdin; when stdin ends the parent has, and so does the server. The
answer is one line of JSON on stdout: ``{"port": ...}`` or ``{"error": ..., "cause": ...}``, the
latter without what the user can do.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.server.running import run
from rheed_acquire.server.server_folder import server_folder
from rheed_acquire.system.allocator import tune_allocator
from rheed_acquire.system.listening import CannotListenError
from rheed_acquire.system.priority import make_way

_STDIN = 0


def _read_key() -> str:
    """Read the first line of stdin, by descriptor: a thread blocked in ``sys.stdin`` hinders the exit."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(_STDIN, 1)
        if not piece:
            raise RheedAcquireError("the server was given no API key")
        line += piece
    return line.decode().strip()


def _wait_for_parents_end() -> None:
    while os.read(_STDIN, 4096):
        pass


def _answer(**content: object) -> None:
    print(json.dumps(content), flush=True)


def main() -> int:
    """Serve until the parent ends."""
    directory, host, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    close_after_s = float(sys.argv[4]) if len(sys.argv) > 4 else None
    tune_allocator()
    make_way()

    def ready(bound_port: int) -> None:
        logging.basicConfig(
            filename=server_folder(directory) / "server.log",
            level=logging.WARNING,
            format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s",
            encoding="utf-8",
        )
        _answer(port=bound_port)

    try:
        run(directory, host, port, _read_key(), ready, close_after_s, _wait_for_parents_end)
    except RheedAcquireError as error:
        _answer(error=str(error), cause=error.cause if isinstance(error, CannotListenError) else None)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
