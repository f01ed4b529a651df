"""Opening a page in the user's browser, by the means of each system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import PureWindowsPath

from rheed_acquire.system.child_process import child_environment


def open_in_browser(url: str) -> bool:
    """Open a URL in the browser that the user has chosen, and wait for nothing; whether there is one.

    The URL is in a command line, which other users may read for a moment: let it hold no secret that lasts.
    """
    command = browser_command(url)
    if command is None:
        return False
    try:
        opener = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),  # a browser lives on, and may start whatever
            start_new_session=True,
        )
    except OSError:
        return False
    # Some end at once, some with the browser.
    threading.Thread(target=opener.wait, name="browser", daemon=True).start()
    return True


def browser_command(
    url: str, *, system: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> list[str] | None:
    """The command that opens a URL; None on a system without a desktop, where a browser would be one of text.

    Parameters
    ----------
    system
        As ``sys.platform`` names it.
    environment
        Of this process.
    """
    if system == "win32":
        # What os.startfile does too, which takes no environment: this one's may hold keys.
        rundll32 = PureWindowsPath(environment.get("SYSTEMROOT", r"C:\Windows"), "System32", "rundll32.exe")
        return [str(rundll32), "url.dll,FileProtocolHandler", url]
    if system == "darwin":
        return ["/usr/bin/open", url]
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    found = shutil.which("xdg-open", path=environment.get("PATH"))
    return None if found is None else [found, url]
