"""The mocks do what they say, and whoever judges a run notices frames missing, doubled or altered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware_mocks.faulty_server import FaultyServer
    from numpy.typing import NDArray


def get_tags(server: FaultyServer) -> requests.Response:
    return requests.get(f"{server.endpoint}/tags/", headers={"X-API-KEY": server.api_key}, timeout=10)


def test_what_meets_no_rule_passes_to_the_real_server_and_back(faulty_server: FaultyServer) -> None:
    assert get_tags(faulty_server).json() == []
    assert requests.get(f"{faulty_server.endpoint}/tags/", timeout=10).status_code == 401


@pytest.mark.parametrize("kind", ["reset-request", "reset-answer", "truncated"])
def test_a_connection_can_break_in_the_middle(faulty_server: FaultyServer, kind: str) -> None:
    from hardware_mocks.faulty_server import parse_rule

    faulty_server.add(parse_rule(f"tags:{kind}:times=1"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        get_tags(faulty_server)
    assert get_tags(faulty_server).ok


def test_an_answer_can_be_another_status_garbage_or_slow(faulty_server: FaultyServer) -> None:
    from hardware_mocks.faulty_server import parse_rule

    for text in ("tags:status:418:times=1", "tags:garbage:times=1", "tags:slow-loris:0.2:times=1"):
        faulty_server.add(parse_rule(text))
    assert get_tags(faulty_server).status_code == 418
    with pytest.raises(requests.JSONDecodeError):
        get_tags(faulty_server).json()
    assert get_tags(faulty_server).json() == []


def test_an_answer_can_be_a_portals_page_a_bomb_or_come_slowly_from_its_first_byte(
    faulty_server: FaultyServer,
) -> None:
    from hardware_mocks.faulty_server import parse_rule

    for text in ("page:511", "bare:204", "bomb:200", "slow-head:0.2", "other-sum"):
        faulty_server.add(parse_rule(f"tags:{text}:times=1"))
    page = get_tags(faulty_server)
    assert (page.status_code, page.headers["Content-Type"], b"<html>" in page.content) == (
        511,
        "text/html",
        True,
    )
    assert (get_tags(faulty_server).status_code, len(get_tags(faulty_server).content)) == (204, 100_000_000)
    assert get_tags(faulty_server).json() == []
    assert get_tags(faulty_server).json() == []
    assert len(faulty_server.plan.faults) == 5


def test_it_can_be_used_as_a_proxy_for_a_name_that_nobody_knows(faulty_server: FaultyServer) -> None:
    answer = requests.get(
        "http://nowhere.invalid/tags/",
        headers={"X-API-KEY": faulty_server.api_key},
        proxies={"http": faulty_server.endpoint},
        timeout=10,
    )
    assert answer.json() == []


def test_the_clock_can_be_an_hour_ahead(faulty_server: FaultyServer) -> None:
    from hardware_mocks.faulty_server import parse_rule

    url = f"{faulty_server.endpoint}/gateway/time"
    before = requests.get(url, timeout=10).json()["receivedAtUnixMs"]
    faulty_server.add(parse_rule("time:skew:3600"))
    skewed = requests.get(url, timeout=10).json()["receivedAtUnixMs"]
    assert 3_600_000 <= skewed - before < 3_700_000


def test_it_refuses_connections_while_it_is_down_and_comes_back_on_the_same_port(
    faulty_server: FaultyServer,
) -> None:
    endpoint = faulty_server.endpoint
    with faulty_server.down(), pytest.raises(requests.ConnectionError):
        get_tags(faulty_server)
    assert faulty_server.endpoint == endpoint
    assert get_tags(faulty_server).ok


def test_chance_is_the_same_for_the_same_seed() -> None:
    from hardware_mocks.faulty_server import Plan

    def decide(seed: int) -> list[bool]:
        plan = Plan(seed, 0.3)
        return [plan.fault_of("GET /tags/") is not None for _ in range(200)]

    assert decide(1) == decide(1) != decide(2)
    assert 30 < sum(decide(1)) < 90


@pytest.mark.parametrize("text", ["nowhere:status:500", "tags:explode", "tags:status:500:often=2"])
def test_a_rule_that_makes_no_sense_is_refused(text: str) -> None:
    from hardware_mocks.faulty_server import parse_rule

    with pytest.raises(ValueError, match=r"."):
        parse_rule(text)


def _without_one(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.delete(frames, 5, axis=0)


def _with_one_doubled(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.insert(frames, 5, frames[5], axis=0)


def _with_two_exchanged(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frames[[0, 2, 1, *range(3, len(frames))]]


def _with_one_bit_changed(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    frames[7, -1, -1] ^= 1
    return frames


@pytest.mark.parametrize(
    "harm", [_without_one, _with_one_doubled, _with_two_exchanged, _with_one_bit_changed]
)
def test_whoever_judges_a_run_notices_harm(harm: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    from hardware_mocks.faulty_camera.rheed_acquire_faulty.pattern import expected_frame
    from tests.faults.rig import expect_frames

    frames = np.stack([expected_frame(number, 8, 16) for number in range(10)])
    expect_frames(frames, 8, 16)
    with pytest.raises(AssertionError):
        expect_frames(harm(frames), 8, 16)
