"""What the server says when it cannot do what a request asks."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of the server
    """A request that is not granted.

    Attributes
    ----------
    status
        The HTTP status that says so. The protocol's client takes a 4xx as final and tries again after 5xx.
    detail
        For the answer's ``{"detail": ...}``: a sentence, or what the protocol prescribes.
    """

    def __init__(self, status: int, detail: str | dict[str, Any]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
