"""What a user can cause, each with the exit code that the command ends with.

A message says what was wrong, where it came from and what to do about it; whoever raises one of these
writes it for the person at the instrument. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations


class RheedAcquireError(Exception):
    """The run failed; the message is shown to the user as it stands."""

    exit_code = 1


class SettingsError(RheedAcquireError):
    """A flag, environment variable or file holds something that cannot be used."""

    exit_code = 2


class StreamerError(RheedAcquireError):
    """The server refused, or could not be reached, where nothing can go on without it."""
