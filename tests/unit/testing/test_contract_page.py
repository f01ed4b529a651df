"""The rules, their page in the docs, and the docstrings that they are of."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from rheed_acquire import Camera, CameraBackend, CameraInfo, Frame, hookspecs
from rheed_acquire.testing import Rule
from rheed_acquire.testing.rules import PAGE

ROOT = Path(__file__).parents[3]
SECTIONS = dict(
    re.findall(r"^### (\S+)\n\n> (.*)$", (ROOT / PAGE).read_text(encoding="utf-8"), flags=re.MULTILINE)
)


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_has_a_paragraph_that_quotes_it(rule: Rule) -> None:
    assert SECTIONS[rule.anchor] == rule.value


def test_each_paragraph_is_of_a_rule() -> None:
    headings = re.findall(r"^### (.*)$", (ROOT / PAGE).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(rule.anchor for rule in Rule)


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_is_quoted_as_the_contract_has_it(rule: Rule) -> None:
    hook = hookspecs.rheed_register_cameras
    calls = (
        *(Camera.statistics, Camera.temperature_c, Camera.adjustable),
        *(Camera.line_is_high, Camera.close),
    )
    contract = (Camera, CameraInfo, Frame, CameraBackend, *calls, hook, hookspecs)
    text = " ".join(" ".join(inspect.getdoc(part) or "" for part in contract).split())
    assert rule.value in text
