"""Which request meets which fault."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

ENDPOINTS = {
    "time": re.compile(r"GET /gateway/time"),
    "samples": re.compile(r"(GET|POST) /physical_samples/"),
    "tags": re.compile(r"(GET|POST) /tags/"),
    "create": re.compile(r"POST /rheed/stream/"),
    "link": re.compile(r"POST /(data_entries/physical_sample|tags/data-items/|projects/.*)"),
    "presign": re.compile(r"POST /data_entries/raw_data/staged/upload_urls/"),
    "upload": re.compile(r"PUT /uploads/.*"),
    "end": re.compile(r"POST /rheed/stream/[^/]+/end"),
    "any": re.compile(r".*"),
}


class Kind(StrEnum):
    """What happens; the table in README.md says what the client sees and what the real server does."""

    STATUS = "status"
    STATUS_LATE = "status-late"
    DELAY = "delay"
    RESET_REQUEST = "reset-request"
    RESET_ANSWER = "reset-answer"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    WRONG_URL = "wrong-url"
    SLOW_LORIS = "slow-loris"
    CLOSE_STREAM = "close-stream"
    SKEW = "skew"
    PAGE = "page"
    BARE = "bare"
    OTHER_SUM = "other-sum"
    BOMB = "bomb"
    ENDLESS = "endless"
    SLOW_HEAD = "slow-head"


@dataclass(slots=True)
class Rule:
    """One fault and the requests that meet it.

    Attributes
    ----------
    endpoint
        A key of `ENDPOINTS`.
    value
        The status, the seconds: whatever the kind takes.
    times
        How many requests meet it, or None for all.
    after
        How many requests that fit are let through first.
    chance
        With which a request that fits meets it.
    """

    endpoint: str
    kind: Kind
    value: float = 0.0
    times: int | None = None
    after: int = 0
    chance: float = 1.0

    def __post_init__(self) -> None:
        if self.endpoint not in ENDPOINTS:
            raise ValueError(f"there is no endpoint {self.endpoint!r}; there are {', '.join(ENDPOINTS)}")


TRANSIENT = (
    (Kind.STATUS, 500.0),
    (Kind.STATUS, 503.0),
    (Kind.STATUS, 429.0),
    (Kind.STATUS, 408.0),
    (Kind.STATUS_LATE, 502.0),
    (Kind.DELAY, 0.3),
    (Kind.RESET_REQUEST, 0.0),
    (Kind.RESET_ANSWER, 0.0),
    (Kind.TRUNCATED, 0.0),
    (Kind.GARBAGE, 0.0),
    (Kind.WRONG_URL, 0.0),
    (Kind.SLOW_LORIS, 0.5),
)
"""What a random failure may be: a correct client gets over each of them by trying again."""


class Plan:
    """The rules in force. Safe to use from any thread; with one seed and one order of requests the same.

    Parameters
    ----------
    seed
        Of everything that is left to chance.
    failure_rate
        Fraction of all requests that meet one of `TRANSIENT` at random.
    spared
        Endpoints that the failure rate leaves alone.
    """

    def __init__(self, seed: int = 0, failure_rate: float = 0.0, spared: tuple[str, ...] = ()) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.failure_rate, self.spared = failure_rate, spared
        self._rules: list[Rule] = []
        self.faults: list[tuple[str, Rule]] = []
        """What happened: each request that met a fault, as ``METHOD path``, and its rule."""
        self.requests: list[str] = []
        """Every request that came, as ``METHOD path``."""
        self.arrivals: list[tuple[float, str]] = []
        """When each of them came, by ``time.monotonic``, and its query."""
        self._under_way = 0
        self.most_at_once = 0
        """How many requests have been under way at the same time, at most."""

    def add(self, rule: Rule) -> None:
        """Put a rule in force; of several that fit a request the oldest counts."""
        with self._lock:
            self._rules.append(rule)

    def heal(self) -> None:
        """Let everything through from now on."""
        with self._lock:
            self._rules.clear()
            self.failure_rate = 0.0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request for the time of a ``with``."""
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def fault_of(self, request: str, query: str = "") -> Rule | None:
        """Decide what a request, given as ``METHOD path``, meets; None where it is let through."""
        with self._lock:
            self.requests.append(request)
            self.arrivals.append((time.monotonic(), query))
            rule = self._matching(request) or self._by_chance(request)
            if rule is not None:
                self.faults.append((request, rule))
            return rule

    def _matching(self, request: str) -> Rule | None:
        for rule in self._rules:
            if not ENDPOINTS[rule.endpoint].fullmatch(request) or rule.times == 0:
                continue
            if rule.after > 0:
                rule.after -= 1
            elif rule.chance >= 1.0 or self._random.random() < rule.chance:
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def _by_chance(self, request: str) -> Rule | None:
        if not self.failure_rate or self._random.random() >= self.failure_rate:
            return None
        if any(ENDPOINTS[name].fullmatch(request) for name in self.spared):
            return None
        kind, value = self._random.choice(TRANSIENT)
        return Rule("any", kind, value)


def parse_rule(text: str) -> Rule:
    """Read a rule as the command line spells it (README.md).

    Raises
    ------
    ValueError
        It is none.
    """
    endpoint, _, rest = text.partition(":")
    kind, *parts = rest.split(":")
    rule = Rule(endpoint, Kind(kind))
    for part in parts:
        name, has_name, number = part.partition("=")
        if not has_name:
            rule.value = float(part)
        elif name in ("times", "after"):
            setattr(rule, name, int(number))
        elif name == "chance":
            rule.chance = float(number)
        else:
            raise ValueError(f"{part!r} is none of times=N, after=N, chance=P")
    return rule
