"""What pages are told of the growth: computed about once a second for all that ask for the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rheed_acquire.regions.growth import latest_oscillations, monolayers_since
from rheed_acquire.regions.oscillation import Oscillation, dominant_period
from rheed_acquire.view.server.history import Trace, TraceHistory

INTERVAL_S = 1.0
REST = 4.0
"""Times what a computation took before the next one: many regions must not keep a processor busy."""
KEPT_QUESTIONS = 16
MOST_AT_ONCE = 2
"""Of computations, whatever pages ask for."""


class GrowthQuestion(NamedTuple):
    """What a page wants to know.

    Attributes
    ----------
    window_s
        Of how many seconds of the traces; 0 for all.
    oscillations
        Of the latest how many of these; 0 for all.
    since_ms
        Since when monolayers are counted, in ms since 1970, UTC; None for not at all.
    """

    window_s: int
    oscillations: int
    since_ms: float | None


class _Answer:
    def __init__(self) -> None:
        self.version = -1
        self.due_s = 0.0
        self.text = ""
        self.renewal: asyncio.Task[str] | None = None


class GrowthFigures:
    """Answers pages' questions from the traces.

    Parameters
    ----------
    history
        The traces.
    compute
        Does work in a thread of its own.
    """

    def __init__(self, history: TraceHistory, compute: Callable[[Callable[[], str]], Awaitable[str]]) -> None:
        self._history, self._compute = history, compute
        self._answers: OrderedDict[GrowthQuestion, _Answer] = OrderedDict()
        self._renewing = 0

    def message(self, question: GrowthQuestion) -> str:
        """Return the newest answer, empty before the first; the same object as long as nothing is new.

        Nobody waits for one: a newer one is begun where it is time for it, and is there when asked again.
        """
        answer = self._answers.setdefault(question, _Answer())
        self._answers.move_to_end(question)
        if len(self._answers) > KEPT_QUESTIONS:
            self._answers.popitem(last=False)
        if answer.renewal is not None and answer.renewal.done():
            renewal, answer.renewal = answer.renewal, None
            answer.text = renewal.result()
        is_due = answer.version != self._history.version and time.monotonic() >= answer.due_s
        if answer.renewal is None and is_due and self._renewing < MOST_AT_ONCE:
            self._renewing += 1
            answer.version = self._history.version
            answer.renewal = asyncio.get_running_loop().create_task(self._renew(answer, question))
        return answer.text

    async def _renew(self, answer: _Answer, question: GrowthQuestion) -> str:
        begun_s = time.monotonic()
        try:
            text = await self._compute(lambda: growth_message(self._history, question))
        finally:
            self._renewing -= 1
        answer.due_s = begun_s + max(INTERVAL_S, REST * (time.monotonic() - begun_s))
        return text


def growth_message(history: TraceHistory, question: GrowthQuestion) -> str:
    """Make the message that tells what the traces say."""
    trace, _ = history.window(question.window_s or None)
    since = None if question.since_ms is None else history.since(question.since_ms)[0]
    return json.dumps(
        {
            "type": "growth",
            **question._asdict(),
            "regions": [
                {
                    "region": region.model_dump(mode="json"),
                    "oscillation": _oscillation(trace, row, question.oscillations),
                    "monolayers": None if since is None else _monolayers(since, region.name, question),
                }
                for row, region in enumerate(trace.regions)
            ],
        },
        allow_nan=False,
    )


def _oscillation(trace: Trace, row: int, latest: int) -> dict[str, float] | None:
    times_s, mean = trace.utc_ms / 1000, trace.mean[row]
    found: tuple[Oscillation, float] | None
    if latest:
        found = latest_oscillations(times_s, mean, latest)
    else:
        whole = dominant_period(times_s, mean)
        found = None if whole is None else (whole, (times_s[-1] - times_s[0]) / whole.period_s)
    if found is None:
        return None
    oscillation, periods = found
    return {
        "period_s": oscillation.period_s,
        "uncertainty_s": oscillation.uncertainty_s,
        "strength": oscillation.strength,
        "growth_rate": oscillation.growth_rate,
        "growth_uncertainty": oscillation.growth_uncertainty,
        "periods": float(periods),
    }


def _monolayers(trace: Trace, name: str, question: GrowthQuestion) -> dict[str, Any] | None:
    rows = [row for row, region in enumerate(trace.regions) if region.name == name]
    if not rows or question.since_ms is None:
        return None
    grown = monolayers_since(trace.utc_ms / 1000, trace.mean[rows[0]], question.since_ms / 1000)
    return None if grown is None else {"count": grown.count, "uncertainty": grown.uncertainty}
