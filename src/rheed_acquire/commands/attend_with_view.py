"""Runs that the live view's page and the station's clients start and stop, with a preview in between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.commands.attend import Interrupts, attend, show_result
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.run.report import DELIVERED
from rheed_acquire.settings.sources import DEFAULT_FILE
from rheed_acquire.system.terminal import write_note

if TYPE_CHECKING:
    from rheed_acquire.commands.run_setup import RunSetup
    from rheed_acquire.run_report.recorder import RunRecorder
    from rheed_acquire.view.desk import AskedRun

_GOOD_TO_BAD = (0, 3, 1, 2, 130)


def attend_with_view(setup: RunSetup, interrupts: Interrupts, *, begins_with: str) -> int:
    """Make the runs that are asked for, with a preview in between; the exit code of the worst.

    It goes on until the user interrupts it, the camera of a preview fails, or the run that the command began
    with has ended by itself.

    Raises
    ------
    RheedAcquireError
        The page cannot be served; or the first run, or a preview, fails.
    """
    from rheed_acquire.view.viewed_runs import ViewedRuns

    settings = setup.settings.run
    codes = [DELIVERED]
    with ViewedRuns(settings, settings.config or Path(DEFAULT_FILE), setup.channels) as view:
        write_note(f"view {view.url}")
        run: AskedRun | None = view.desk.first_run() if begins_with == "run" else None
        while True:
            recorder: RunRecorder | None = None
            if run is not None:
                acquisition, recorder = setup.acquisition(run.settings, view.tap())
            else:
                acquisition = setup.preview(view.tap())
                write_note("preview: nothing is recorded; start a run in the page")
            view.follow(acquisition, run)
            try:
                report, code = attend(
                    acquisition, interrupts, is_quiet=run is None, on_tick=view.update, news=view.news
                )
            except RheedAcquireError as error:
                # A preview was ended while its camera was being opened: by the user, or for a run.
                if run is None and interrupts.count == 1:
                    return max(codes, key=_GOOD_TO_BAD.index)
                if run is None and view.desk.has_stopped and not interrupts.count:
                    run = view.next()
                    continue
                # What was asked for can be asked for again, with the cause out of the way.
                if run is None or run.origin is None or interrupts.count:
                    raise
                write_note(*(f"error: {line}" for line in str(error).splitlines()))
                codes.append(error.exit_code)
                view.desk.fail(str(error))
                view.refuse(str(error))
                run = view.next()
                continue
            if run is not None and recorder is not None:
                codes.append(code)
                outcome = recorder.finish(report, code)
                view.desk.end(report, code, outcome.report)
                show_result(report, outcome, settings)
            then = view.next()
            was_asked_for = run is not None and run.origin is not None
            goes_on = then is not None or was_asked_for or view.desk.has_stopped
            if interrupts.count or not goes_on:
                if run is None and not interrupts.count and report.problems:
                    raise RheedAcquireError("; ".join(map(str, report.problems)))
                return max(codes, key=_GOOD_TO_BAD.index)
            run = then
