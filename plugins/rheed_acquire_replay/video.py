"""Video files, through PyAV (FFmpeg). What is lossy stays lossy; colour becomes gray as FFmpeg makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rheed_acquire import CameraError
from rheed_acquire_replay.recording import Block, Recording, reading

SLACK_PERIODS = 2.0
"""By how many frames' time a file's own duration may be wrong, in which containers round and pad."""


class Video(Recording):
    """The first video stream of a file, with its presentation times.

    Raises
    ------
    CameraError
        It cannot be opened, or has no picture.
    """

    kind: ClassVar[str] = "a video"

    def __init__(self, path: Path) -> None:
        with reading(path, self.kind):
            import av

            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise CameraError(f"{path} has no pictures in it")
                stream = container.streams.video[0]
                format_ = stream.codec_context.format
                if format_ is None:
                    raise CameraError(f"{path} cannot be read as a video: its pictures cannot be decoded")
                deep = max(component.bits for component in format_.components) > 8
                shape = (stream.codec_context.height, stream.codec_context.width)
                rate = stream.average_rate or stream.guessed_rate
                # 0 stands for unknown.
                count = stream.frames or None
                if count is None and next(iter(container.decode(stream)), None) is None:
                    count = 0
                # Sound may go on for longer than the pictures.
                duration = container.duration if len(container.streams) == 1 else None
                self._duration_s = None if duration is None else duration / av.time_base
        super().__init__(path, shape, np.dtype(np.uint16 if deep else np.uint8), count)
        self.fps = float(rate) if rate else None
        self._format = "gray16le" if deep else "gray"

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Decode from the beginning on, as frames depend on those before; see `Recording.blocks`."""
        import av

        number, origin_s, latest_s = 0, None, 0.0
        with reading(self.path, f"{self.kind} (only in part)"), av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for picture in container.decode(stream):
                if number == end:
                    return
                if picture.is_corrupt:
                    raise CameraError(f"{self.path} is damaged: frame {number} cannot be decoded")
                time_s = picture.time
                if time_s is not None:
                    origin_s = time_s if origin_s is None else origin_s
                    latest_s = time_s - origin_s
                if number >= first:
                    pixels: Any = picture.to_ndarray(format=self._format)
                    times_ns = None if time_s is None else [round(latest_s * 1e9)]
                    yield Block([number], self.checked(pixels, f"frame {number} of {self.path}"), times_ns)
                number += 1
        expected = self._expected(first, end)
        if number < expected:
            raise CameraError(
                f"{self.path} ends after {number} frames, where there should be {expected}: is it cut off?"
            )
        if end is None and self._duration_s is not None and self.fps is not None:
            missing_s = self._duration_s - latest_s - 1 / self.fps
            if missing_s > SLACK_PERIODS / self.fps:
                raise CameraError(
                    f"{self.path} ends after {number} frames, {missing_s:.3g} s before it should: "
                    "is it cut off?"
                )

    def _expected(self, first: int, end: int | None) -> int:
        """How many frames have to be there, at the least."""
        if end is not None:
            return end
        return first + 1 if self.count is None else self.count
