"""Runs that the live view's page starts and stops, with a preview in between."""

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

_GOOD_TO_BAD = (0, 3, 1, 2, 130)


def attend_with_view(setup: RunSetup, interrupts: Interrupts, *, begins_with: str) -> int:
    """Make the runs that the page asks for, with a preview in between; the exit code of the worst.

    Raises
    ------
    RheedAcquireError
        The page cannot be served; or the first run, or a preview, fails.
    """
    from rheed_acquire.view.viewed_runs import ViewedRuns

    run = setup.settings.run
    codes = [DELIVERED]
    wanted, name, is_asked = begins_with, run.stream_name, False
    with ViewedRuns(run, run.config or Path(DEFAULT_FILE)) as view:
        write_note(f"view {view.url}")
        while True:
            is_run = wanted == "run"
            recorder: RunRecorder | None
            if is_run:
                chosen = run.model_copy(update={"stream_name": name})
                acquisition, recorder = setup.acquisition(chosen, view.tap())
            else:
                acquisition, recorder = setup.preview(view.tap()), None
                write_note("preview: nothing is recorded; start a run in the page")
            view.follow(acquisition, stream_name=name, preview=not is_run)
            try:
                report, code = attend(acquisition, interrupts, is_quiet=not is_run, on_tick=view.update)
            except RheedAcquireError as error:
                # What the page has started it can start again, with the cause out of the way.
                if not (is_run and is_asked) or interrupts.count:
                    raise
                write_note(*(f"error: {line}" for line in str(error).splitlines()))
                codes.append(error.exit_code)
                view.refuse(str(error))
                wanted, name, is_asked = "preview", None, False
                continue
            if recorder is not None:
                codes.append(code)
                show_result(report, recorder.finish(report, code), run)
            then = view.next()
            if interrupts.count or then is None:
                if not is_run and not interrupts.count and report.problems:
                    raise RheedAcquireError("; ".join(map(str, report.problems)))
                return max(codes, key=_GOOD_TO_BAD.index)
            wanted, name = then
            is_asked = True
