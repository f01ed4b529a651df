"""How much a client of the interface may ask: bytes of a body, seconds for it to come, requests a second."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from rheed_acquire.clocks.allowance import Allowance
from rheed_acquire.view.interface import LONGEST_BODY, ProblemCode

BODY_LIMIT_S = 10.0
MOST_ASKED_A_SECOND, MOST_ASKED_AT_ONCE = 50.0, 200.0
"""Questions of all clients together."""
MOST_COMMANDS_A_SECOND, MOST_COMMANDS_AT_ONCE = 20.0, 100.0
"""Requests that change something, which have an allowance of their own."""


class RefusedError(Exception):
    """A request is refused, before the acquisition has heard of it."""

    def __init__(self, status: int, code: ProblemCode, error: str) -> None:
        super().__init__(error)
        self.status, self.code = status, code


class RequestAllowance:
    """So many requests a second in the long run, so many at once."""

    def __init__(self, a_second: float, at_once: float) -> None:
        self._a_second, self._allowance = a_second, Allowance(a_second, at_once)

    def take(self) -> None:
        """Use one.

        Raises
        ------
        RefusedError
            There is none left.
        """
        if not self._allowance.take():
            raise RefusedError(
                429, "too-many", f"more than {self._a_second:g} requests a second: ask less often"
            )


async def body_of(request: Request) -> bytes:
    """Read a request's body.

    Raises
    ------
    RefusedError
        It is longer than `LONGEST_BODY`, or does not come.
    """
    declared = request.headers.get("content-length", "")
    too_large = RefusedError(413, "too-large", f"a request's body may have {LONGEST_BODY} bytes")
    if declared.isdecimal() and int(declared) > LONGEST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            async for piece in request.stream():
                body += piece
                if len(body) > LONGEST_BODY:
                    raise too_large
    except TimeoutError:
        raise RefusedError(408, "too-slow", f"the body has not come in {BODY_LIMIT_S:g} s") from None
    except ClientDisconnect:
        raise RefusedError(400, "invalid", "the body is not whole") from None
    return bytes(body)
