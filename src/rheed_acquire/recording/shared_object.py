"""An object in a bucket that several processes change at once, none of which overwrites another's change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from rheed_acquire.recording.bucket import ChangedMeanwhileError
from rheed_acquire.recording.zarr_metadata import encode_document

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath

TRIES = 50


Tagged: TypeAlias = tuple[str, dict[str, Any]]
"""A JSON object with the tag by which the store knows it to be as it was."""


def change_object(path: BucketPath, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change a JSON object as if nobody else did; what it is then. Raises as `change_known`."""
    return change_known(path, change, None)[1]


def change_known(path: BucketPath, change: Callable[[dict[str, Any]], None], known: Tagged | None) -> Tagged:
    """Change a JSON object as if nobody else did; what it is then.

    Parameters
    ----------
    change
        Given what is there, which it changes; called again where another process was faster.
    known
        What it was when somebody has looked: it is not read where it is so still, and changes. None where
        nobody has.

    Raises
    ------
    ChangedMeanwhileError
        Others have been faster each time.
    FileNotFoundError
        It is not there.
    OSError
        The store does not answer.
    """
    for _ in range(TRIES):
        is_read = known is None
        if known is None:
            data, tag = path.tagged()
            known = tag, json.loads(data)
        before = json.dumps(known[1])
        content: dict[str, Any] = json.loads(before)
        change(content)
        if json.dumps(content) != before:
            try:
                return path.replace(encode_document(content), known[0]), content
            except ChangedMeanwhileError:
                pass
        elif is_read:
            return known
        known = None
    raise ChangedMeanwhileError(f"{path} is written to by too many at once")
