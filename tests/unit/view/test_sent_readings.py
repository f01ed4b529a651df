"""Readings that a client sends together, which are taken as those that it sends one after another."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rheed_acquire.run.channels import Channels
from rheed_acquire.settings.run_settings import RunSettings
from rheed_acquire.view.desk import Desk
from rheed_acquire.view.refusal import RefusedRequestError

ORIGIN = "through the interface, from 127.0.0.1:1"


def send(desk: Desk, *sent: tuple[float, str | None]) -> int:
    readings: list[dict[str, Any]] = [{"channel": "T", "value": value, "unit": unit} for value, unit in sent]
    question = {"do": "readings", "readings": readings, "at_ns": time.perf_counter_ns()}
    return desk.answer(question, ORIGIN)[0]


@pytest.mark.parametrize("known", [None, "°C", "K"])
def test_two_units_of_a_channel_in_one_request_are_refused_and_nothing_of_it_is_taken(
    known: str | None,
) -> None:
    channels = Channels()
    desk = Desk(RunSettings(camera="simulated"), channels)
    if known is not None:
        assert send(desk, (1.0, known)) == 201
    before = [(one.unit, list(one.recent)) for one in channels.states]
    with pytest.raises(RefusedRequestError, match="in two units, °C and K") as refused:
        send(desk, (20.0, "°C"), (21.0, None), (293.0, "K"))
    assert (refused.value.status, refused.value.code) == (409, "channel-taken")
    assert [(one.unit, list(one.recent)) for one in channels.states] == before


def test_a_unit_that_only_some_of_a_request_tell_is_that_of_all() -> None:
    channels = Channels()
    desk = Desk(RunSettings(camera="simulated"), channels)
    assert send(desk, (20.0, ""), (21.0, "°C"), (22.0, None), (23.0, "")) == 201
    assert send(desk, (24.0, "")) == 201
    (state,) = channels.states
    assert (state.unit, [one.value for one in state.recent]) == ("°C", [20.0, 21.0, 22.0, 23.0, 24.0])
