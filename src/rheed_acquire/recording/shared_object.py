"""An object in a bucket that several processes change at once, none of which overwrites another's change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.bucket import ChangedMeanwhileError
from rheed_acquire.recording.zarr_metadata import encode_document

if TYPE_CHECKING:
    from rheed_acquire.recording.bucket_path import BucketPath

TRIES = 50


def change_object(path: BucketPath, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change a JSON object as if nobody else did; what it is then.

    Parameters
    ----------
    change
        Given what is there, which it changes; called again where another process was faster.

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
        data, tag = path.tagged()
        content: dict[str, Any] = json.loads(data)
        before = json.dumps(content)
        change(content)
        if json.dumps(content) == before:
            return content
        try:
            path.replace(encode_document(content), tag)
        except ChangedMeanwhileError:
            continue
        return content
    raise ChangedMeanwhileError(f"{path} is written to by too many at once")
