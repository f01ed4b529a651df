from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from rheed_acquire.findings import Finding, FindingCode
from rheed_acquire.run.report import Journal
from rheed_acquire.run_report.record import FindingFigures


@pytest.mark.parametrize("code", FindingCode)
def test_every_kind_has_a_code_for_programs_and_a_sentence_for_people(code: FindingCode) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code.value)
    assert code.meaning.endswith(".")
    assert not code.advice.endswith(".")


def test_a_problem_says_what_it_is_what_it_may_have_cost_and_what_to_do() -> None:
    journal = Journal()
    journal.problem(FindingCode.OVERRUNS, "7 frames came too soon", frames=7)
    (problem,) = journal.problems
    assert problem.as_json() == {
        "code": "overruns",
        "text": "7 frames came too soon",
        "frames": 7,
        "advice": FindingCode.OVERRUNS.advice,
    }
    assert str(problem) == f"7 frames came too soon ({FindingCode.OVERRUNS.advice})"
    assert [(event.text, event.level) for event in journal.events] == [("7 frames came too soon", "error")]
    assert journal.events[0].time_utc <= datetime.now(UTC)


def test_advice_of_the_moment_takes_the_place_of_the_kinds_own() -> None:
    journal = Journal()
    journal.warn(FindingCode.SLOWER, "it is slow", advice="")
    assert str(journal.warnings[0]) == "it is slow"
    assert journal.warnings[0].frames == 0


def test_a_reader_takes_the_sentences_of_older_reports_for_problems_without_a_code() -> None:
    assert str(FindingFigures.model_validate("the camera lost 3 frames")) == "the camera lost 3 frames"
    finding = Finding(FindingCode.CAMERA_LOSSES, "lost", 3, "more buffers")
    assert FindingFigures.model_validate(finding.as_json()).model_dump() == finding.as_json()
