"""How a request is refused."""

from __future__ import annotations

from typing import Any

from rheed_acquire.view.interface import ProblemCode


class RefusedRequestError(Exception):
    """A request is refused as things stand; the message says why."""

    def __init__(self, status: int, code: ProblemCode, error: str) -> None:
        super().__init__(error)
        self.status, self.code = status, code

    @property
    def body(self) -> dict[str, Any]:
        """As a `rheed_acquire.view.interface.Problem`."""
        return {"code": self.code, "error": str(self)}
