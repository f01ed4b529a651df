"""Each request is done once for its idempotency key, and answered again as things stand then."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

KEPT_ANSWERS = 1_000

Again: TypeAlias = Callable[[], tuple[int, dict[str, Any]]]
"""Says what has become of what was done: a status as of HTTP, and a body as JSON has it."""


class ReusedKeyError(Exception):
    """A key belongs to another request."""


class Answers:
    """Knows by the latest 1,000 keys what was done."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, tuple[str, Again]] = OrderedDict()

    def once(
        self, key: str | None, asked: Mapping[str, Any], do: Callable[[], Again]
    ) -> tuple[int, dict[str, Any], bool]:
        """Do something, unless that was done for this key.

        Parameters
        ----------
        key
            None for something that is done each time.
        asked
            What is asked for: the same under the same key.
        do
            Does it; where it raises, nothing was done, and the key is free.

        Returns
        -------
        status, body
            What has become of it.
        is_replayed
            Whether it was done before, and nothing now.

        Raises
        ------
        ReusedKeyError
            Something else was asked for with this key.
        """
        fingerprint = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key is not None and key in self._done:
            before, again = self._done[key]
            if before != fingerprint:
                raise ReusedKeyError("this idempotency key was used for another request")
            return *again(), True
        again = do()
        if key is not None:
            self._done[key] = fingerprint, again
            if len(self._done) > KEPT_ANSWERS:
                self._done.popitem(last=False)
        return *again(), False
