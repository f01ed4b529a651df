"""Runs that the live view's page and the station's clients start and stop, with a preview in between.

The preview goes on behind every run, so that the camera stays open, and the frames that come after one run
and before the next are kept for that (see `rheed_acquire.run.held_camera`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.commands.attend import Going, Interrupts, attend_going, show_result
from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.run.held_camera import HeldCamera
from rheed_acquire.run.lent_camera import CameraTurn, RunStart
from rheed_acquire.run.report import DELIVERED
from rheed_acquire.settings.sources import DEFAULT_FILE
from rheed_acquire.system.terminal import write_note

if TYPE_CHECKING:
    from rheed_acquire.commands.run_setup import RunSetup
    from rheed_acquire.view.asked_runs import AskedRun
    from rheed_acquire.view.viewed_runs import ViewedRuns

_GOOD_TO_BAD = (0, 3, 1, 2, 130)
RETRY_S = 2.0
"""Between a preview that could not go on and the next."""
_TICK_S = 0.1


def attend_with_view(setup: RunSetup, interrupts: Interrupts, *, begins_with: str) -> int:
    """Make the runs that are asked for, with a preview in between; the exit code of the worst.

    It goes on until the user interrupts it, the source of a preview comes to its end, or the run that the
    command began with has ended by itself.

    Raises
    ------
    RheedAcquireError
        The page cannot be served; the first run fails; or a preview does before the camera has given a frame.
    """
    from rheed_acquire.view.viewed_runs import ViewedRuns

    settings = setup.settings.run
    file = settings.config or Path(DEFAULT_FILE)
    with ViewedRuns(settings, file, setup.channels, setup.adjustments) as view:
        write_note(f"view {view.url}")
        attending = _Attending(setup, interrupts, view)
        run = view.desk.first_run() if begins_with == "run" else None
        try:
            while True:
                goes_on = attending.show_preview() if run is None else attending.make(run)
                run = view.next()
                if interrupts.count or not (goes_on or run is not None):
                    return max(attending.codes, key=_GOOD_TO_BAD.index)
        finally:
            attending.end_preview()


class _Attending:
    """The preview and the runs, one of which is attended at a time."""

    def __init__(self, setup: RunSetup, interrupts: Interrupts, view: ViewedRuns) -> None:
        self._setup, self._interrupts, self._view = setup, interrupts, view
        self._held = HeldCamera(setup.open_camera)
        self._preview: Going | None = None
        self._has_worked = False
        self.codes = [DELIVERED]

    def show_preview(self) -> bool:
        """Show what the camera sees until a run is asked for; whether the station goes on then."""
        view, interrupts = self._view, self._interrupts
        going = self._preview
        if going is None or going.is_over:
            turn = CameraTurn(self._held)
            going = self._preview = Going(self._setup.preview(view.tap(), turn), view.news)
        write_note("preview: nothing is recorded; start a run in the page")
        view.follow(going.acquisition, None)
        try:
            ended = attend_going(
                going, interrupts, is_quiet=True, on_tick=view.update, until=lambda: view.desk.is_called
            )
        except RheedAcquireError as error:
            self._preview = None
            if interrupts.count == 1:  # while the camera was being opened
                return False
            if interrupts.count or not self._has_worked:
                raise
            self._wait_for_camera(str(error))
            return True
        self._has_worked |= going.acquisition.progress().frames_received > 0
        if ended is None:
            return True
        self._preview = None
        problems = ended[0].problems
        if not problems or interrupts.count:  # the source has come to its end, or the user wants it
            return False
        why = "; ".join(map(str, problems))
        if not self._has_worked:
            raise RheedAcquireError(why)
        self._wait_for_camera(why)
        return True

    def make(self, run: AskedRun) -> bool:
        """Make a run; whether the station goes on after it."""
        view, settings = self._view, self._setup.settings.run
        turn = None
        if run.origin is not None:
            start = RunStart(run.begin_ns, run.pre_roll_s, run.settings.reconnect_timeout)
            turn = CameraTurn(self._held, start)
        info = self._held.info
        has_preview = self._preview is not None and not self._preview.is_over
        if has_preview and info is not None and info.can_wait:
            self.end_preview()  # a recording begins with its first frame
        acquisition, recorder = self._setup.acquisition(run.settings, view.tap(), turn, "interface")
        if turn is not None and not self._held.is_well:
            text = "the camera is opened for this run, or waited for, and it reaches back to no frame"
            acquisition.journal.event(text)
        going = Going(acquisition, view.news)
        view.follow(acquisition, run)
        try:
            ended = attend_going(going, self._interrupts, on_tick=view.update)
        except RheedAcquireError as error:
            # What was asked for can be asked for again, with the cause out of the way.
            if run.origin is None or self._interrupts.count:
                raise
            write_note(*(f"error: {line}" for line in str(error).splitlines()))
            self.codes.append(error.exit_code)
            view.desk.fail(str(error))
            view.refuse(str(error))
            return True
        assert ended is not None
        report, code = ended
        self._has_worked |= report.frames_received > 0
        self.codes.append(code)
        outcome = recorder.finish(report, code)
        view.desk.end(report, code, outcome.report)
        show_result(report, outcome, settings)
        return run.origin is not None or view.desk.has_stopped

    def end_preview(self) -> None:
        """Have the preview let go of the camera, which is closed by that."""
        preview, self._preview = self._preview, None
        if preview is None or preview.is_over:
            return
        preview.acquisition.stop()
        try:
            attend_going(preview, self._interrupts, is_quiet=True)
        except RheedAcquireError as error:  # nothing is lost by a preview
            write_note(f"preview: {error}")

    def _wait_for_camera(self, why: str) -> None:
        """Say that the camera is away, and wait a moment before the next preview tries to open it."""
        view = self._view
        write_note(*(f"error: {line}" for line in why.splitlines()))
        view.camera_is_away(why)
        until_s = time.monotonic() + RETRY_S
        while time.monotonic() < until_s and not self._interrupts.count and not view.desk.is_called:
            view.news.wait(_TICK_S)
            view.news.clear()
            view.update()
