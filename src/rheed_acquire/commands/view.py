"""``rheed-acquire view``: the camera in a browser, without a run until the page starts one."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.host import answered, load


def main(arguments: Sequence[str]) -> int:
    """Show the camera until Ctrl-C; runs are started and stopped in the page."""
    description = (
        "Show the camera in a browser, at the URL that is printed, without recording anything: to align the "
        "beam and to draw regions of interest. A run is started in the page."
    )
    if answered(arguments, "view --camera NAME [FLAGS]", description, headings=("camera", "view")):
        return 0
    host, settings = load(arguments)
    from rheed_acquire.commands.attend_with_view import attend_with_view
    from rheed_acquire.commands.run_setup import set_up

    with set_up(host, settings) as (setup, interrupts):
        return attend_with_view(setup, interrupts, begins_with="preview")
