"""Keeps, while a run goes, what its report will need and nothing else will know afterwards.

`RunRecorder.notify` is called where the observers' hooks are: once when the run begins, once per chunk in
the dispatcher's thread, once at the end. Per chunk it costs some arithmetic on the chunk's stamps and, every
few seconds, one frame made small. What it keeps is bounded however long the run is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.findings import Finding, FindingCode
from rheed_acquire.frames.ring import Chunk
from rheed_acquire.recording.layout import UNNAMED, folder_name, slug
from rheed_acquire.recording.run_files import read_stream
from rheed_acquire.run.report import RunInfo, RunReport
from rheed_acquire.run_report.channels import channel_records_of_run
from rheed_acquire.run_report.record import LossRecord, MarkRecord, RunRecord, SettingRecord, ThumbnailRecord
from rheed_acquire.run_report.regions import records_of_tap
from rheed_acquire.run_report.thinning import EveryNowAndThen, RateSeries
from rheed_acquire.run_report.thumbnails import Thumbnail, shrunk
from rheed_acquire.run_report.versions import versions
from rheed_acquire.run_report.writing import report_file, write_html, write_json

if TYPE_CHECKING:
    from rheed_acquire.host.plugins import PluginHost
    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.regions.frame_tap import FrameTap
    from rheed_acquire.settings.run_settings import RunSettings
    from rheed_acquire.settings.sources import LoadedSettings

logger = logging.getLogger(__name__)

LISTED_LOSSES = 1000
RATE_STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `RunRecorder.finish` leaves.

    Attributes
    ----------
    figures
        What ``--json`` prints.
    report
        The ``report.html``, or None where it could not be written.
    """

    figures: dict[str, Any]
    report: Path | None


class RunRecorder:
    """One run's memory.

    Parameters
    ----------
    host
        Whose plugins the report names.
    settings
        As they were loaded, with their sources.
    run
        As the run has them: whoever has started it may have changed some.
    tap
        What follows the run's regions of interest, if anything does.
    modules
        That the run's camera and streamer need, for their versions.
    changed_by
        Who has: the source of those settings.
    """

    def __init__(
        self,
        host: PluginHost,
        settings: LoadedSettings,
        run: RunSettings,
        tap: FrameTap | None = None,
        modules: Iterable[str] = (),
        changed_by: str = "",
    ) -> None:
        self.tap, self._changed_by = tap, changed_by
        self._host, self._settings, self._run = host, settings, run
        self._modules = tuple(modules)
        self._rate, self._thumbnails = RateSeries(), EveryNowAndThen[Thumbnail]()
        self._losses: list[LossRecord] = []
        self._losses_left_out = 0
        self._frames = 0
        self._first_ms: float | None = None
        self._last_ms: float | None = None
        self._failure: str | None = None
        self._versions: dict[str, str] | None = None

    def notify(self, hook: str, **arguments: Any) -> None:
        """Take note of what happens: the name of an observer's hook, and its arguments. Never raises."""
        try:
            if self._failure is None:
                if hook == "rheed_run_started":
                    self._begin(**arguments)
                elif hook == "rheed_chunk_completed":
                    self._add(arguments["chunk"])
        except Exception as error:
            # A report is worth no frame: the run goes on without.
            self._failure = f"{type(error).__name__}: {error}"
            logger.debug("the run's report", exc_info=True)

    def finish(self, report: RunReport, exit_code: int) -> Outcome:
        """Write the report; where that fails, a warning in the figures says so.

        Parameters
        ----------
        exit_code
            That the command ends with.
        """
        folder = self._folder(report.info)
        html: Path | None = report_file(folder)
        for stretch in report.stretches:
            self._lose(
                LossRecord(
                    utc_ms=stretch.begun_utc.timestamp() * 1e3,
                    kind="away",
                    missing=stretch.frames,
                    seconds=stretch.seconds,
                )
            )
        # The archive has one too, so that the regions' traces are where the frames are. Its disk may be full.
        for place in self._report_places(report.info):
            try:
                self._write(place, report, self._figures(report, exit_code, html))
            except Exception as error:
                logger.debug("the run's report", exc_info=True)
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                report.warnings.append(
                    Finding(FindingCode.NO_REPORT, f"no report was written in {place}: {reason}", 0)
                )
                html = None if place == folder else html
        return Outcome(self._figures(report, exit_code, html), html)

    def folders(self, info: RunInfo) -> tuple[Path, ...]:
        """Where what is known of the run lies: with the frames, so that it is found beside them."""
        folder = self._folder(info)
        return tuple(dict.fromkeys((info.archive or folder, folder)))

    def _report_places(self, info: RunInfo) -> tuple[RunPath, ...]:
        """Where the report is written: with an archive that is in its bucket already, there."""
        folders = self.folders(info)
        if info.archive is None or info.archive_bucket is None or info.archive.is_dir():
            return folders
        return tuple(info.archive_bucket if folder == info.archive else folder for folder in folders)

    def _write(self, place: RunPath, report: RunReport, figures: dict[str, Any]) -> None:
        if self._failure is not None:
            raise RheedAcquireError(self._failure)
        if place == report.info.archive and not place.is_dir():
            raise RheedAcquireError("the archive is not there at present")
        self._versions = self._all_versions
        record = self._record(report, figures)
        write_html(place, record, self._thumbnails.items)
        write_json(place, record)

    @cached_property
    def _all_versions(self) -> dict[str, str]:
        return versions(self._host, self._modules)

    @staticmethod
    def _figures(report: RunReport, exit_code: int, html: Path | None) -> dict[str, Any]:
        return report.as_json() | {"exit_code": exit_code, "report": None if html is None else str(html)}

    def _folder(self, info: RunInfo) -> Path:
        """Where the report belongs: to the recording, or the archive, else to a folder of the run's own."""
        if info.output is not None:
            return info.output
        if info.archive is not None and info.archive_bucket is None:
            return info.archive
        # The data_id is a server's word, and becomes part of a path.
        name = folder_name(self._name(info), slug(info.data_id), info.started_utc)
        return Path(self._run.output) / name

    def _name(self, info: RunInfo) -> str:
        stream = _stream(info)
        return str((stream or {}).get("name") or self._run.stream_name or UNNAMED)

    def _begin(self, run: RunInfo) -> None:
        """Write down at once what could not be known any more if the run were killed."""
        self._versions = versions(self._host)  # finding those of SDKs takes a while: at the end
        nothing_yet = RunReport(info=run, ended_utc=run.started_utc)
        camera = nothing_yet.as_json()["camera_device"]
        try:
            write_json(self._folder(run), self._described(run, made_from="beginning", camera=camera))
        except OSError as error:
            logger.info("no report yet: %s", error)

    def _add(self, chunk: Chunk) -> None:
        """Take from a chunk what its frames' stamps say, and now and then a picture."""
        start_ms = chunk.capture_start_ms_utc
        if start_ms is None or chunk.since_ns is None:
            return
        since_s = chunk.since_ns / 1e9
        count = len(since_s)
        span_s = float(since_s[-1])
        if count > 1 and span_s > 0:
            steps = min(count - 1, max(1, round(span_s / RATE_STEP_S)))
            edges = np.linspace(0, count - 1, steps + 1).astype(int)
            for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                lasted = float(since_s[last] - since_s[first])
                if lasted > 0:
                    self._rate.add(start_ms + 1e3 * float(since_s[first]), last - first, lasted)
        for gap in chunk.gaps:
            after = int(np.searchsorted(chunk.frame_ids, gap.first_missing_id + gap.missing))
            place = min(after, count - 1)
            self._lose(LossRecord(utc_ms=start_ms + 1e3 * since_s[place], kind="gap", missing=gap.missing))
        if chunk.after_overrun:
            self._lose(LossRecord(utc_ms=start_ms, kind="overrun"))
        due = self._thumbnails.due_ms()
        wanted = 0 if due is None else min(int(np.searchsorted(since_s, (due - start_ms) / 1e3)), count - 1)
        utc_ms = start_ms + 1e3 * float(since_s[wanted])
        number = self._frames + wanted
        self._thumbnails.offer(
            utc_ms,
            lambda: Thumbnail(ThumbnailRecord(frame=number, utc_ms=utc_ms), shrunk(chunk.gray(wanted))),
        )
        self._frames += count
        self._first_ms = start_ms if self._first_ms is None else self._first_ms
        self._last_ms = start_ms + 1e3 * span_s

    def _lose(self, loss: LossRecord) -> None:
        if len(self._losses) < LISTED_LOSSES:
            self._losses.append(loss)
        else:
            self._losses_left_out += 1

    def _described(self, info: RunInfo, **more: Any) -> RunRecord:
        return RunRecord(
            written_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            name=self._name(info),
            data_id=info.data_id,
            started_utc=info.started_utc.isoformat(timespec="milliseconds"),
            fps=info.fps,
            stream=_stream(info),
            settings=self._setting_records(),
            versions=self._versions,
            height=info.camera.height,
            width=info.camera.width,
            **more,
        )

    def _setting_records(self) -> list[SettingRecord]:
        loaded = self._settings.run
        changed = {
            name for name in type(loaded).model_fields if getattr(loaded, name) != getattr(self._run, name)
        }
        rows = replace(self._settings, run=self._run).table()
        return [
            SettingRecord(key=key, value=value, source=self._changed_by if key in changed else source)
            for key, value, source in rows
        ]

    def _record(self, report: RunReport, figures: dict[str, Any]) -> RunRecord:
        return self._described(
            report.info,
            made_from="run",
            run=figures,
            camera=figures["camera_device"],
            frames=self._frames,
            first_utc_ms=self._first_ms,
            last_utc_ms=self._last_ms,
            rate=self._rate.record(),
            losses=self._losses,
            losses_left_out=self._losses_left_out,
            marks=[MarkRecord(**mark.as_json()) for mark in report.marks],
            channels=channel_records_of_run(self.folders(report.info), report.channels),
            regions=[] if self.tap is None else records_of_tap(self.tap),
            thumbnails=[thumbnail.record for thumbnail in self._thumbnails.items],
        )


def _stream(info: RunInfo) -> dict[str, Any] | None:
    return None if info.output is None else read_stream(info.output)
