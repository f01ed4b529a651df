"""Which commands there are, and what they end with."""

from __future__ import annotations

COMMANDS = {
    "view": "show the camera in a browser, and start runs there",
    "start": "have the station, which view or --view is, begin a run",
    "stop": "have it end its run",
    "mark": "note in its run what is done: shutter open, a temperature",
    "set": "have it change its camera's exposure or gain while it runs",
    "status": "say what it does just now",
    "replay": "replay a recording, or say what it is",
    "plugins": "list the plugins, their cameras, and whether each can be used",
    "cameras": "list the devices that can be opened now",
    "config": "show the effective settings, each with its source",
    "spool": "show what waits to be delivered",
    "recover": "deliver what earlier runs left, or write it to disk",
    "show": "list the recorded runs, show one, export frames of it",
    "report": "write a run's report again, from its recording",
    "serve": "run the local server in the foreground",
    "shortcut": "put the live view on the desktop, for a settings file",
    "new-plugin": "write the package of a camera of your own, to start from",
}

_TITLE = "Commands, in the place of the flags (each has --help):"
_EXIT_CODES = """\
Exit codes:
  0    every frame that the camera delivered has arrived, and none is missing
  1    the run failed
  2    a flag, variable or file is wrong
  3    it ran, but frames were lost; the report says which
  130  interrupted twice: uploads were left undone
"""


def module_of(name: str) -> str:
    """The module whose `main` is the command of that name."""
    return f"rheed_acquire.commands.{name.replace('-', '_')}"


def commands() -> str:
    """Every command with what it is for."""
    width = max(map(len, COMMANDS)) + 2
    return "\n".join([_TITLE, *(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())])


def epilog() -> str:
    """The end of all the help that there is."""
    return f"{commands()}\n\n{_EXIT_CODES}"
