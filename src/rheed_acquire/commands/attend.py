"""A run in a thread of its own, while the user's interrupts are heeded and progress is shown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType
from typing import TYPE_CHECKING

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.system.console import call_when_closed
from rheed_acquire.system.heeded_signals import heed_signals
from rheed_acquire.system.terminal import write_json

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import CameraInfo
    from rheed_acquire.commands.progress import Display
    from rheed_acquire.run.acquisition import Acquisition
    from rheed_acquire.run.progress import Progress
    from rheed_acquire.run.report import RunReport
    from rheed_acquire.run_report.recorder import Outcome
    from rheed_acquire.settings.run_settings import RunSettings

INTERRUPTED = 130
ABANDON_PATIENCE_S = 15.0
"""How long an abandoned run may take to say good-bye to the server."""
CLOSE_PATIENCE_S = 2.5
"""How long a run may deliver whose window is closed: Windows ends it after five seconds."""


def attend(
    acquisition: Acquisition,
    interrupts: Interrupts,
    *,
    is_quiet: bool = False,
    on_tick: Callable[[], None] = lambda: None,
    news: threading.Event | None = None,
) -> tuple[RunReport, int]:
    """Make a run in a thread of its own, so that this one can take signals and show progress.

    Parameters
    ----------
    is_quiet
        Whether nothing is shown of it, because it is only looked at.
    on_tick
        Called ten times a second.
    news
        By which it is called at once.

    Returns
    -------
    report
        What became of the run.
    exit_code
        That it ends the command with.

    Raises
    ------
    RheedAcquireError
        It could not begin, or was interrupted twice.
    """
    going = Going(acquisition, news or threading.Event())
    ended = attend_going(going, interrupts, is_quiet=is_quiet, on_tick=on_tick)
    assert ended is not None
    return ended


def attend_going(
    going: Going,
    interrupts: Interrupts,
    *,
    is_quiet: bool = False,
    on_tick: Callable[[], None] = lambda: None,
    until: Callable[[], bool] = lambda: False,
) -> tuple[RunReport, int] | None:
    """Do so with one that goes on already; None where it is left to itself, as ``until`` says so.

    Raises
    ------
    RheedAcquireError
        See `attend`.
    """
    from rheed_acquire.commands.progress import QuietDisplay, progress_display

    acquisition, news = going.acquisition, going.news
    progress = acquisition.progress()
    with nullcontext(QuietDisplay()) if is_quiet else progress_display(acquisition) as display:
        handled = 0
        source = acquisition.source
        deadline: float | None = None
        while not going.is_over:
            if until():
                return None
            news.wait(0.1)
            news.clear()
            if source is not acquisition.source:
                source = acquisition.source
                _tell_of(source, display)
            display.update()
            on_tick()
            if handled < interrupts.count:
                handled += 1
                if handled == 1:
                    if not is_quiet:
                        display.say(
                            "stopping; what was captured is being delivered (interrupt again to give up)"
                        )
                    acquisition.stop()
                elif deadline is None:
                    display.say("giving up the uploads that are left")
                    progress = acquisition.progress()
                    deadline = time.monotonic() + ABANDON_PATIENCE_S
                    threading.Thread(target=acquisition.abandon, name="abandon", daemon=True).start()
            if deadline is not None and time.monotonic() > deadline:
                break
        if source is not acquisition.source:  # it was over at once
            _tell_of(acquisition.source, display)
    if deadline is not None and going.report is None:
        raise _GivenUpError(progress)
    report = going.result()
    return report, report.exit_code if deadline is None else INTERRUPTED


def _tell_of(source: CameraInfo | None, display: Display) -> None:
    """Say what the camera says of itself, before there are frames."""
    if source is not None:
        for name, text in source.notes:
            display.say(f"{name}: {text}")
        for warning in source.warnings:
            display.say(f"warning: {warning}")


def show_result(report: RunReport, outcome: Outcome, run: RunSettings) -> None:
    """Say on stdout what became of a run."""
    if run.json_report:
        write_json(outcome.figures, indent=2)
        return
    from rheed_acquire.commands.summary import print_summary

    print_summary(report, outcome.report)


class _GivenUpError(RheedAcquireError):
    """The user would wait no longer, and the run did not come to its end by itself."""

    exit_code = INTERRUPTED

    def __init__(self, progress: Progress) -> None:
        info, delivery = progress.info, progress.delivery
        left = (
            f"{delivery.chunks_queued} of {delivery.chunks_pushed} chunks of stream {info.data_id} wait in "
            "the spool (rheed-acquire recover delivers them)"
            if info is not None
            else f"the run was still {progress.phase}"
        )
        super().__init__(f"interrupted twice: {left}")


class Going:
    """A run that goes on in a thread of its own, and what became of it.

    Parameters
    ----------
    acquisition
        The run; it is begun.
    news
        Set when it is over.
    """

    def __init__(self, acquisition: Acquisition, news: threading.Event) -> None:
        self.acquisition, self.news = acquisition, news
        self.report: RunReport | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="acquisition", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.report = self.acquisition.run()
        except BaseException as error:  # noqa: BLE001
            self._error = error
        finally:
            self.news.set()

    def result(self) -> RunReport:
        """Return the report, or raise what the run raised."""
        if self._error is not None:
            raise self._error
        if self.report is None:
            raise RheedAcquireError("the run ended without a report")
        return self.report


class Interrupts:
    """How often the user has asked for the end."""

    count = 0

    def close(self, pause: Callable[[float], object] = time.sleep) -> None:
        """Ask for the end as one who does not wait: for the first interrupt a moment, then for the second.

        What could not be delivered in that moment waits in the spool. It never returns, since with it the
        process would end.
        """
        self.count = max(self.count, 1)
        pause(CLOSE_PATIENCE_S)
        self.count = max(self.count, 2)
        while True:
            pause(ABANDON_PATIENCE_S)


def count_interrupts() -> Interrupts:
    """Count Ctrl-C, SIGTERM, Ctrl-Break and the closing of a window on Windows instead of dying from them.

    So it is with SIGHUP, unless the command was started with ``nohup``.
    """
    interrupts = Interrupts()

    def note(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        interrupts.count += 1
        if interrupts.count > 2:
            os._exit(INTERRUPTED)

    if threading.current_thread() is threading.main_thread():
        heed_signals(("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"), note)
        call_when_closed(interrupts.close)
    return interrupts
