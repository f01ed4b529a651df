from __future__ import annotations

from rheed_acquire.run.presence import KEPT_ABSENCES, Presence


def test_a_camera_is_away_from_its_last_frame_before_to_its_first_frame_after() -> None:
    presence = Presence()
    presence.started(1.0)
    assert presence.frame_came(2.0) is None
    assert presence.lost(7.0, "no frame came for 5 s")
    assert presence.absence is not None
    assert (presence.absence.since_s, presence.absence.noticed_s) == (2.0, 7.0)
    assert presence.absence.lasted_s(10.0) == 8.0
    ended = presence.frame_came(12.0)
    assert ended is not None
    assert ended.lasted_s(99.0) == 10.0
    assert presence.absence is None
    assert presence.past == [ended]


def test_a_camera_that_opens_and_gives_no_frame_has_not_come_back() -> None:
    presence = Presence()
    presence.frame_came(2.0)
    presence.lost(3.0, "the cable is out")
    presence.attempted()
    presence.failed("it is not there")
    presence.attempted()
    assert not presence.lost(9.0, "the payload is too short")
    absence = presence.run_ended(10.0)
    assert absence is not None
    assert (absence.since_s, absence.attempts) == (2.0, 2)
    assert absence.reason == "the cable is out; at last: the payload is too short"


def test_a_camera_that_never_gave_a_frame_is_away_since_it_was_started() -> None:
    presence = Presence()
    presence.started(4.0)
    presence.lost(5.0, "no")
    assert presence.absence is not None
    assert presence.absence.lasted_s(6.0) == 2.0
    assert presence.absence.reason == "no"


def test_a_run_that_ends_with_its_camera_there_ends_no_absence() -> None:
    presence = Presence()
    presence.frame_came(1.0)
    assert presence.run_ended(2.0) is None


def test_what_is_kept_of_a_camera_that_comes_and_goes_is_bounded() -> None:
    presence = Presence()
    for second in range(2 * KEPT_ABSENCES):
        presence.frame_came(float(second))
        presence.lost(second + 0.5, "again")
    assert len(presence.past) == KEPT_ABSENCES


def test_a_reason_that_differs_in_its_figures_alone_is_the_same() -> None:
    presence = Presence()
    presence.lost(1.0, "every one of the first 202 buffers was too small")
    presence.lost(2.0, "every one of the first 201 buffers was too small")
    assert presence.absence is not None
    assert presence.absence.reason == "every one of the first 202 buffers was too small"
