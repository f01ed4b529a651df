"""The view's server as a child of `ViewProcess`: ``python -P -m rheed_acquire.view``.

See `rheed_acquire.view.messages` for what comes on stdin and goes to stdout. When stdin ends the parent has,
and so does the server.
"""

from __future__ import annotations

import io
import json
import logging
import sys

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.view.messages import read_message

_STDIN = 0


def main() -> int:
    """Serve until the parent ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    # By descriptor: a thread blocked in sys.stdin hinders the exit.
    messages = io.FileIO(_STDIN, closefd=False)
    first = read_message(messages)
    if first is None:
        return 0
    begin, _ = first
    try:
        from rheed_acquire.view.server.running import run

        run(begin["host"], begin["port"], begin["token"], begin["ticket"], messages)
    except RheedAcquireError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
