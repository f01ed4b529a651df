"""Puts ``report.html`` and ``report.json`` into a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rheed_acquire.recording.run_path import RunPath, SomePath
from rheed_acquire.run_report.record import REPORT_HTML, REPORT_JSON, RunRecord
from rheed_acquire.run_report.thumbnails import Thumbnail
from rheed_acquire.system.durable_files import write_atomically
from rheed_acquire.text.json_text import json_text
from rheed_acquire.text.printable_text import well_formed


def report_file(folder: SomePath) -> SomePath:
    """Where a run's report is, or will be."""
    return folder / REPORT_HTML


def write_html(folder: RunPath, record: RunRecord, thumbnails: Sequence[Thumbnail]) -> None:
    """Write the page.

    Raises
    ------
    OSError
        The folder cannot be made or written to.
    """
    from rheed_acquire.run_report.page import render

    _write(folder, REPORT_HTML, well_formed(render(record, thumbnails)).encode())


def write_json(folder: RunPath, record: RunRecord) -> None:
    """Write the data; the pictures are in the recording, and in the page.

    Raises
    ------
    OSError
        As `write_html`.
    """
    _write(folder, REPORT_JSON, json_text(record.model_dump()).encode())


def _write(folder: RunPath, name: str, data: bytes) -> None:
    if isinstance(folder, Path):
        write_atomically(folder / name, data, folder, durable=False)
    else:
        (folder / name).write_bytes(data)
