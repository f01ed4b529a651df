"""What the local server and the view are told of this process's environment."""

from __future__ import annotations

import pytest

from rheed_acquire.system.child_process import child_environment


@pytest.mark.parametrize(
    "name",
    ["AS_API_KEY", "ATOMSCALE_API_KEY", "RHEED_API_KEY", "rheed_api_key", "Rheed_MyCamera__Password"],
)
def test_no_key_and_no_setting_goes_to_another_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "s3cret")
    assert "s3cret" not in child_environment().values()


def test_the_rest_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG_OF_THE_LAB", "de")
    assert child_environment()["LANG_OF_THE_LAB"] == "de"
