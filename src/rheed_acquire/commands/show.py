"""``rheed-acquire show``: which runs there are, what one of them was, and its frames for other programs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.commands.run_choice import RunParser
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.system.terminal import stdout_console, stdout_is_terminal, styled, write_json, write_line
from rheed_acquire.text.printable_text import printable

if TYPE_CHECKING:
    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.run_report.record import RunRecord
    from rheed_acquire.settings.sources import LoadedSettings

CURVE_WIDTH = 60
LISTED_LOSSES = 20


def main(arguments: Sequence[str]) -> int:
    """List, show or export."""
    parser = RunParser(
        "show",
        "List the recorded runs; with RUN show one, or with --export write frames of it as a picture (.png), "
        "a stack (.tif) or a clip (.mp4), or the intensities of its regions in each frame (.csv).",
    )
    parser.add_argument(
        "--export", type=Path, metavar="FILE", help="write to this file: .png, .tif, .tiff, .mp4, or .csv"
    )
    parser.add_argument(
        "--frames",
        metavar="A:B",
        help="which ones, counted from 0 and without B; or one, N (default: all, for a .png the middle one)",
    )
    parser.add_argument("--every", type=_step, metavar="N", help="of these, every N-th (default: 1)")
    given, settings = parser.read(arguments)
    directory = given.output
    if given.export is None and (given.frames is not None or given.every is not None):
        raise SettingsError("--frames and --every choose what --export FILE writes; give that too")
    if given.run is None:
        if given.export is not None:
            raise SettingsError("--export of which run? rheed-acquire show lists them")
        return _list(directory, as_json=given.json)
    from rheed_acquire.run_report.runs import find_run

    folder = find_run(given.run, directory)
    if given.export is not None:
        return _export(folder, given, settings)
    return _show(folder, as_json=given.json)


def _step(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no step, which is 1 or more")
    return int(text)


def _list(directory: RunPath, *, as_json: bool) -> int:
    from rheed_acquire.commands.table import print_table
    from rheed_acquire.run_report.facts import duration, moment
    from rheed_acquire.run_report.runs import list_runs

    runs = list_runs(directory)
    if as_json:
        write_json([asdict(run) for run in runs], indent=2)
        return 0
    if not runs:
        nothing = f"nothing has been recorded in {directory} yet (--output names another directory)"
        write_line(f"no runs in {directory}" if directory.exists() else nothing)
        return 0
    rows = []
    for run in runs:
        lasted = duration(run.frames / run.fps) if run.frames is not None and run.fps else ""
        frames = "" if run.frames is None else str(run.frames)
        rate = f"{run.fps:.6g}" if run.fps else ""
        captured = moment(run.captured_utc or run.begun_utc).removesuffix(" UTC")
        rows.append((captured, run.name, run.data_id[:8], frames, rate, lasted, run.state))
    print_table(("captured (UTC)", "name", "data_id", "frames", "frames/s", "length", "state"), rows)
    return 0


def _export(folder: RunPath, given: argparse.Namespace, settings: LoadedSettings) -> int:
    from rheed_acquire.commands.long_work import progress_of
    from rheed_acquire.recording.reading import RecordedRun
    from rheed_acquire.run_report.export import export, parse_frames
    from rheed_acquire.run_report.from_recording import regions_before
    from rheed_acquire.run_report.record import read_record

    recording = RecordedRun(folder)
    frames = given.frames
    if frames is None and given.every is None and given.export.suffix.lower() == ".png":
        frames = str(len(recording) // 2)
    chosen = parse_frames(frames, len(recording))[:: given.every or 1]
    regions = regions_before(read_record(folder)) or list(settings.run.regions)
    with progress_of("exporting", len(chosen)) as on_frames:
        written = export(recording, given.export, chosen, regions, on_frames)
    if given.json:
        write_json({"files": [str(file) for file in written], "frames": len(chosen)})
    elif len(written) > 1:
        write_line(f"{len(written)} files, {written[0]} to {written[-1]}")
    else:
        write_line(f"{written[0]}: {len(chosen)} frame{'' if len(chosen) == 1 else 's'}")
    return 0


def _show(folder: RunPath, *, as_json: bool) -> int:
    from rheed_acquire.recording.run_files import has_recording, read_attributes
    from rheed_acquire.run_report.record import read_record

    record = read_record(folder)
    recorded = has_recording(folder)
    if record is None or record.made_from == "beginning":
        if not recorded:
            raise RheedAcquireError(f"{folder} holds no recording and no report that was finished")
        from rheed_acquire.recording.reading import RecordedRun
        from rheed_acquire.run_report.from_recording import record_of

        record, _, _ = record_of(RecordedRun(folder), record, (), pictures=False)
    if as_json:
        attributes = read_attributes(folder) if recorded else None
        write_json({"folder": str(folder), "recording": attributes, "report": record.model_dump()})
        return 0
    _print(record, folder)
    return 0


def _print(record: RunRecord, folder: RunPath) -> None:
    from rheed_acquire.run_report.facts import verdict

    judged = verdict(record)
    tail = f": {judged.explanation}" if judged.explanation else ""
    rows = [(printable(name), printable(text)) for name, text in _rows(record, folder)]
    if not stdout_is_terminal():
        write_line(f"{judged.word}{tail}")
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            write_line(f"  {name:<{width}}  {text}".rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    console = stdout_console()
    color = {"good": "green", "bad": "red", "unknown": "yellow"}[judged.mood]
    console.print(Text.assemble(styled(judged.word, f"bold {color}"), styled(tail)))
    table = Table.grid(padding=(0, 2, 0, 2))
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(styled(name), styled(text))
    console.print(table)


def _rows(record: RunRecord, folder: RunPath) -> Iterator[tuple[str, str]]:
    """Everything that is shown of a run, name and text; a name is empty below the one that it repeats."""
    from rheed_acquire.commands.sparkline import sparkline, takes_blocks
    from rheed_acquire.run_report import facts as words
    from rheed_acquire.run_report.plots import channel_strips, loss_text, plots, region_strips

    yield from words.facts(record)
    yield "folder", str(folder)
    figures = record.figures
    if figures is None:
        yield from (("missing", loss_text(loss)) for loss in record.losses[:LISTED_LOSSES])
    else:
        yield from (("problem", str(problem)) for problem in figures.problems)
        yield from (("warning", str(warning)) for warning in figures.warnings)
    for region in record.regions:
        yield f"region {region.name}", words.region_place(region)
        if region.mean is not None:
            yield "", f"mean {region.mean:.2f} ({region.lowest:.2f} to {region.highest:.2f})"
            period = words.period_text(region.period)
            yield "", f"period {period}  {words.growth_text(region.period)}".rstrip()
    blocks = takes_blocks()
    drawn = [(f"mean {region.name}", plot.curves[0]) for region, plot in region_strips(record)]
    drawn += [(channel.name, plot.curves[0]) for channel, plot in channel_strips(record)]
    for plot in plots(record):
        drawn += [
            ("frames/s" if plot.key == "rate" else f"{plot.key} {curve.name}", curve) for curve in plot.curves
        ]
    for name, curve in drawn:
        known = [value for value in curve.values if value is not None]
        series = [math.nan if value is None else value for value in curve.values]
        yield name, f"{sparkline(series, CURVE_WIDTH, blocks=blocks)}  {min(known):.4g} to {max(known):.4g}"
