"""What lies at a path, told apart from what cannot be told."""

from __future__ import annotations

from pathlib import Path


def mode_of(path: Path) -> int:
    """Return the mode of what lies at a path, as `os.stat` tells it; 0 where nothing does.

    `Path.is_file` and its like raise on Python up to 3.13 what they say no to on later ones: a file in a
    folder that this user may not enter would be none there.

    Raises
    ------
    OSError
        It cannot be told: the folder may not be entered, or the name is too long.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except ValueError:  # a name that no file can have, with a NUL in it
        return 0
