"""A stream is created with its links, or there is none that nobody ends."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire.errors import StreamerError

if TYPE_CHECKING:
    from tests.integration.conftest import Connect
    from tests.integration.fault_server import FaultServer

    from rheed_acquire.streaming import RHEEDStreamer

LINKS = ["link_sample", "track_sample", "link_tags"]


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 10.0, "rotations_per_min": 0.0, "chunk_size": 20}
    return streamer.initialize(**arguments | changes)


def initialize_linked(streamer: RHEEDStreamer) -> str:
    return initialize(streamer, physical_sample="GaN", project_id="p 1/2", tags=["cold", "hot"])


def test_sample_and_tags_are_resolved_before_the_stream_and_linked_after_it(
    service: FaultServer, connect: Connect
) -> None:
    service.tags = [{"id": "tag-cold", "name": " Cold"}]
    data_id = initialize_linked(connect(service))
    endpoints = [request.endpoint for request in service.requests]
    assert endpoints == [
        "list_samples",
        "create_sample",
        "list_tags",
        "create_tag",
        "create_stream",
        "link_sample",
        "track_sample",
        "link_tags",
    ]
    sample_id, tag_id = service.samples[0]["id"], service.tags[1]["id"]
    link, track, tag = service.requests[-3:]
    assert link.json == {"data_ids": [data_id], "physical_sample_id": sample_id}
    assert track.path == "/projects/p%201%2F2/configuration/tracking_samples"
    assert track.json == {"physical_sample_id": sample_id, "set_active": True}
    assert tag.json == {"data_ids": [data_id], "tag_ids": ["tag-cold", tag_id]}
    assert service.ended == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            {"fps": 120, "rotations_per_min": 15, "chunk_size": 240, "stream_name": " Demo "},
            {
                "data_item_name": "Demo",
                "rotational_period": 480.0,
                "rotations_per_min": 15.0,
                "fps_capture_rate": 120.0,
            },
        ),
        (
            {"stream_name": "Demo", "project_id": " p1 ", "azimuth": " [110] "},
            {
                "data_item_name": "Demo",
                "rotational_period": None,
                "rotations_per_min": 0.0,
                "fps_capture_rate": 10.0,
                "project_id": "p1",
                "azimuth_label": "[110]",
            },
        ),
    ],
)
def test_a_stream_is_declared_as_the_wire_protocol_has_it(
    service: FaultServer, connect: Connect, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    data_id = initialize(connect(service), **given)
    assert service.streams == {data_id: sent}


def test_what_a_server_holds_against_a_stream_is_one_sentence(service: FaultServer, connect: Connect) -> None:
    against = {
        "type": "less_than_equal",
        "loc": ["body", "fps_capture_rate"],
        "msg": "Input should be less than or equal to 120",
        "input": 500.0,
        "ctx": {"le": 120.0},
    }
    service.fail("create_stream", 422, body={"detail": [against]})
    with pytest.raises(StreamerError) as failed:
        initialize(connect(service, max_fps=None), fps=500.0, chunk_size=1000)
    assert str(failed.value) == (
        f"{service.endpoint} answers POST /rheed/stream/ with HTTP 422: "
        "fps_capture_rate: at most 120, and this stream has 500"
    )


@pytest.mark.parametrize("endpoint", ["list_samples", "list_tags", *LINKS])
@pytest.mark.parametrize("fault", [{"status": 502}, {"hang_up": "in_answer"}, {"status": 429}])
def test_a_call_that_can_be_repeated_is(
    service: FaultServer, connect: Connect, endpoint: str, fault: dict[str, Any]
) -> None:
    service.fail(endpoint, times=2, **fault)
    data_id = initialize_linked(connect(service))
    assert list(service.streams) == [data_id]
    assert len(service.requests_to(endpoint)) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_too_busy_to_create_a_stream_is_asked_again(
    service: FaultServer, connect: Connect, status: int
) -> None:
    service.fail("create_stream", status, times=3)
    assert initialize(connect(service)) in service.streams
    assert len(service.requests_to("create_stream")) == 4


@pytest.mark.parametrize(
    "fault",
    [{"status": 500, "act": True}, {"status": 504}, {"hang_up": "in_answer"}, {"hang_up": "in_request"}],
)
def test_a_stream_that_may_exist_already_is_not_created_twice(
    service: FaultServer, connect: Connect, fault: dict[str, Any]
) -> None:
    service.fail("create_stream", **fault)
    with pytest.raises(StreamerError):
        initialize(connect(service))
    assert len(service.requests_to("create_stream")) == 1


@pytest.mark.parametrize("endpoint", LINKS)
@pytest.mark.parametrize("status", [404, 500])
def test_a_stream_that_cannot_be_linked_is_ended_and_named(
    service: FaultServer, connect: Connect, endpoint: str, status: int
) -> None:
    service.fail(endpoint, status, times=100, body={"detail": "no such thing"})
    service.fail("end", 503)
    with pytest.raises(StreamerError) as failed:
        initialize_linked(connect(service))
    (data_id,) = service.streams
    assert data_id in str(failed.value)
    assert "no such thing" in str(failed.value)
    assert service.ended == [data_id]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 409, "body": {"detail": {"physical_sample_id": "taken"}}},
        {"status": 409, "body": {"detail": "taken"}, "act": True},
        {"status": 500, "act": True},
        {"hang_up": "in_answer", "act": True},
        {"status": 200, "body": {"id": "made"}},
        {"status": 200, "body": {"physical_sample_id": "made"}},
    ],
)
def test_a_sample_that_somebody_else_makes_meanwhile_is_taken(
    service: FaultServer, connect: Connect, fault: dict[str, Any]
) -> None:
    service.fail("create_sample", **fault)
    initialize(connect(service), physical_sample="GaN")
    (linked,) = service.requests_to("link_sample")
    body = fault.get("body", {})
    named = body.get("id") or body.get("physical_sample_id")
    if isinstance(body.get("detail"), dict):
        named = body["detail"]["physical_sample_id"]
    assert linked.json["physical_sample_id"] == (named or service.samples[0]["id"])
    assert len(service.requests_to("create_sample")) == 1


@pytest.mark.parametrize("name", ["gan-001", "  GaN-001", "GAN-001\n"])
def test_a_sample_is_found_whatever_its_case_and_the_space_around_it(
    service: FaultServer, connect: Connect, name: str
) -> None:
    service.samples = [{"id": "1", "name": "GaN-0010"}, {"id": "2", "name": " GaN-001 "}]
    initialize(connect(service), physical_sample=name)
    assert service.requests_to("link_sample")[0].json["physical_sample_id"] == "2"
    assert service.requests_to("create_sample") == []


def test_an_id_that_no_sample_has_is_refused_and_is_no_name(service: FaultServer, connect: Connect) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(StreamerError, match=f"no physical sample has the id {unknown}"):
        initialize(connect(service), physical_sample=unknown)
    assert [request.endpoint for request in service.requests] == ["list_samples"]


@pytest.mark.parametrize(
    "fault", [{"status": 400, "act": True, "body": {"detail": "exists"}}, {"status": 500, "act": True}]
)
def test_a_tag_that_somebody_else_makes_meanwhile_is_taken(
    service: FaultServer, connect: Connect, fault: dict[str, Any]
) -> None:
    service.fail("create_tag", **fault)
    initialize(connect(service), tags=["cold"])
    assert service.requests_to("link_tags")[0].json["tag_ids"] == [service.tags[0]["id"]]
    assert len(service.requests_to("create_tag")) == 1


@pytest.mark.parametrize("endpoint", ["list_samples", "create_sample", "list_tags", "create_tag"])
@pytest.mark.parametrize("fault", [{"status": 422}, {"status": 500}, {"status": 200, "body": "<html>"}])
def test_what_cannot_be_resolved_leaves_no_stream_behind(
    service: FaultServer, connect: Connect, endpoint: str, fault: dict[str, Any]
) -> None:
    service.fail(endpoint, times=100, **fault)
    with pytest.raises(StreamerError, match=r"HTTP (422|500)|not Atomscale's"):
        initialize_linked(connect(service))
    assert service.streams == {}
