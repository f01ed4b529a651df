"""Puts ``report.html`` and ``report.json`` into a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rheed_acquire.run_report.record import REPORT_HTML, REPORT_JSON, RunRecord
from rheed_acquire.run_report.thumbnails import Thumbnail
from rheed_acquire.system.durable_files import write_atomically
from rheed_acquire.text.json_text import json_text
from rheed_acquire.text.printable_text import well_formed


def report_file(folder: Path) -> Path:
    """Where a run's report is, or will be."""
    return folder / REPORT_HTML


def write_html(folder: Path, record: RunRecord, thumbnails: Sequence[Thumbnail]) -> None:
    """Write the page.

    Raises
    ------
    OSError
        The folder cannot be made or written to.
    """
    from rheed_acquire.run_report.page import render

    write_atomically(
        folder / REPORT_HTML, well_formed(render(record, thumbnails)).encode(), folder, durable=False
    )


def write_json(folder: Path, record: RunRecord) -> None:
    """Write the data; the pictures are in the recording, and in the page.

    Raises
    ------
    OSError
        As `write_html`.
    """
    write_atomically(folder / REPORT_JSON, json_text(record.model_dump()).encode(), folder, durable=False)
