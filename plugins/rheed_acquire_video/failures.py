"""Why FFmpeg refuses, in words without the source, which may hold a password."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """Return what an error of FFmpeg says, but for the name of what was opened.

    Those errors' own text ends with that name, so it is never shown.
    """
    import av

    if isinstance(error, av.error.ExitError):
        return "there was no answer in time"
    words = getattr(error, "strerror", None)
    return str(words) if words else type(error).__name__
