"""When something was asked for: as a client of the same computer says, else when its request arrived.

A request is some milliseconds on its way, and a command that Python runs needs a few hundred before it sends
one. A run reaches back to when it was asked for, and a mark lies there. ``time.perf_counter_ns`` is one clock
for all processes of a computer, and nobody sets it; a client of another computer has another one, and says
nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rheed_acquire.view.interface import ASKED_HEADER
from rheed_acquire.view.server.limits import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

LONGEST_WAY_S = 300.0
"""What is said to be longer ago is of another clock; a client that asks again is done after two minutes."""


def asked_ns(request: Request) -> int:
    """Say when, as ``time.perf_counter_ns``.

    Raises
    ------
    RefusedError
        The client says something that is no time.
    """
    arrived_ns = time.perf_counter_ns()
    said = request.headers.get(ASKED_HEADER)
    if said is None:
        return arrived_ns
    if not (said.isascii() and said.isdigit() and len(said) <= 20):
        raise RefusedError(422, "invalid", f"{ASKED_HEADER}: must be a whole number of nanoseconds")
    said_ns = int(said)
    return said_ns if 0 <= arrived_ns - said_ns <= LONGEST_WAY_S * 1e9 else arrived_ns
