"""``rheed-acquire --camera NAME``: the main job."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.host import answered, load


def main(arguments: Sequence[str]) -> int:
    """Capture, deliver, and report."""
    description = "Stream a RHEED camera to Atomscale with AS_API_KEY set, else to a local server."
    if answered(arguments, "--camera NAME [FLAGS]  |  COMMAND [FLAGS]", description, lists_commands=True):
        return 0
    host, settings = load(arguments)
    from rheed_acquire.commands.attend import attend, show_result
    from rheed_acquire.commands.run_setup import set_up

    run = settings.run
    with set_up(host, settings) as (setup, interrupts):
        if run.view:
            from rheed_acquire.commands.attend_with_view import attend_with_view

            return attend_with_view(setup, interrupts, begins_with="run")
        tap = None
        if run.regions:
            from rheed_acquire.regions.frame_tap import FrameTap

            tap = FrameTap(run.regions)
        acquisition, recorder = setup.acquisition(run, tap)
        report, exit_code = attend(acquisition, interrupts)
        show_result(report, recorder.finish(report, exit_code), run)
        return exit_code
