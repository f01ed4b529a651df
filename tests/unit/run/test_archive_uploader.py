"""An archive for a bucket, at the end of its run: waited for as long as its store takes anything."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.run import archive_uploader
from rheed_acquire.run.archive_uploader import ArchiveUploader
from rheed_acquire.run.report import Journal

LONG_S = 100_000.0


class Store:
    """What an archive is brought to: it fails so many times, from the n-th attempt on."""

    def __init__(self, first: int, failures: float) -> None:
        self.attempts, self._first, self._failures = 0, first, failures
        self.is_complete = False

    def go_on(self, given_up: object) -> None:
        self.attempts += 1
        if self._first <= self.attempts < self._first + self._failures:
            raise OSError(5, "the store is away")
        self.is_complete = self.attempts >= self._first + self._failures

    def waiting(self) -> tuple[int, int]:
        return (0, 0) if self.is_complete else (3, 3_000_000)


def bring(store: Store, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[ArchiveUploader, Journal]:
    monkeypatch.setattr(archive_uploader, "ArchiveUpload", lambda archive: store)
    monkeypatch.setattr(archive_uploader, "catch_up", lambda *arguments: ())
    archive: Any = SimpleNamespace(
        folder=folder, target="s3://growth/run", release=lambda: None, remove=lambda: None
    )
    journal = Journal()
    uploader = ArchiveUploader(archive, folder, journal, Patience())
    uploader.start()
    uploader.finish(LONG_S)
    return uploader, journal


@pytest.mark.parametrize("first", [1, 3])
def test_a_store_that_is_away_is_not_waited_for_and_it_is_told_what_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: int
) -> None:
    monkeypatch.setattr(archive_uploader, "AWAY_S", 0.05)
    uploader, journal = bring(Store(first, float("inf")), monkeypatch, tmp_path)
    assert not uploader.is_complete
    (problem,) = journal.problems
    assert problem.code == "archive-waits"
    assert "3 chunks, 3.0 MB wait for s3://growth/run: the store is away" in problem.text


def test_a_store_that_fails_for_a_moment_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(archive_uploader, "LOOK_EVERY_S", 0.01)
    uploader, journal = bring(Store(2, 3), monkeypatch, tmp_path)
    assert uploader.is_complete
    assert journal.problems == []
