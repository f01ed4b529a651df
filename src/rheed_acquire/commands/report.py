"""``rheed-acquire report``: a run's report, made again from its recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rheed_acquire.commands.long_work import progress_of
from rheed_acquire.commands.progress import shown_path
from rheed_acquire.commands.run_choice import RunParser
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.system.terminal import write_json, write_line, write_note


def main(arguments: Sequence[str]) -> int:
    """Make it, and say where it is."""
    parser = RunParser(
        "report",
        "Write report.html and report.json of a run again, from its recording, with the regions of interest "
        "that are set now, else those that the run had. What only the run itself knew is taken from the "
        "report.json that it has left.",
    )
    parser.add_argument(
        "--region",
        action="append",
        metavar="NAME=WxH+X+Y",
        help="region of interest, as of a run; can be repeated",
    )
    given, settings = parser.read(arguments)
    if given.run is None:
        raise SettingsError("which run? rheed-acquire show lists them: rheed-acquire report RUN")
    from rheed_acquire.recording.reading import RecordedRun
    from rheed_acquire.run_report import writing
    from rheed_acquire.run_report.from_recording import record_of
    from rheed_acquire.run_report.record import read_record
    from rheed_acquire.run_report.runs import find_run

    folder = find_run(given.run, given.output)
    recording = RecordedRun(folder)
    before, regions = read_record(folder), settings.run.regions or None
    with progress_of("following the regions", len(recording)) as on_frames:
        record, thumbnails, notes = record_of(recording, before, regions, on_frames=on_frames)
    for note in notes:
        write_note(f"warning: {note}")
    try:
        writing.write_html(folder, record, thumbnails)
        writing.write_json(folder, record)
    except OSError as error:
        raise RheedAcquireError(f"the report cannot be written in {folder}: {error.strerror}") from None
    if given.json:
        write_json({"report": str(writing.report_file(folder)), "frames": record.frames})
    else:
        report = writing.report_file(folder).absolute()
        write_line(shown_path(report) if isinstance(report, Path) else str(report))
    return 0
