"""Video files, through PyAV (FFmpeg). What is lossy stays lossy; colour becomes gray as FFmpeg makes it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import CameraError
from rheed_acquire_replay.frame_times import plain_rate
from rheed_acquire_replay.moments import naive_moment_ns
from rheed_acquire_replay.orientation import oriented, turned
from rheed_acquire_replay.recording import MOST_PIXELS, Block, Recording, reading

SLACK_PERIODS = 2.0
"""By how many frames' time a file's own duration may be wrong, in which containers round and pad."""

SUFFIXES = (
    *(
        ".mp4",
        ".m4v",
        ".mov",
        ".avi",
        ".mkv",
        ".webm",
        ".wmv",
        ".asf",
        ".mpg",
        ".mpeg",
        ".mpe",
        ".m2v",
        ".ts",
    ),
    *(".m2ts", ".mts", ".vob", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".ogg", ".mxf", ".dv", ".y4m", ".nut"),
    *(".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".hevc", ".rm", ".rmvb", ".wtv", ".gif", ".apng", ".amv"),
    *(".cine", ".ivf", ".qt", ".divx", ".mj2", ".m1v", ".ogm"),
)
_LOOKED_AT = 2000
"""Packets whose times are looked at to find the rate."""
_UNEVEN = 0.02
_REFERRING = {
    "hls",
    "applehttp",
    "concat",
    "concatf",
    "dash",
    "imf",
    "rtsp",
    "sdp",
    "lavfi",
    "tty",
    "rtp",
    "vapoursynth",
}
"""Containers that only name others, by which a file could have others read."""
_EXACT = ("gray", "pal8", "rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr")
"""Pixel formats that are taken as they are: to bring them to gray FFmpeg goes through video levels."""
_DEEP_GRAY = re.compile(r"gray(9|1[0-6])(le|be)")
_NAMELESS = ("", "\0\0\0\0")
"""The code of a container for pixels that it only tells the bits of."""
_MOST_REORDERED = 16
"""Frames that a codec may keep back, so that later ones are decoded before (H.264 and H.265)."""


class Video(Recording):
    """The first video stream of a file, with its presentation times, the way up that the file says.

    Raises
    ------
    CameraError
        It cannot be opened, or has no picture.
    """

    kind: ClassVar[str] = "a video"
    path: Path

    is_read_anywhere: ClassVar[bool] = False

    def __init__(self, path: Path, *, skip_bad: bool = False) -> None:
        self._skips = skip_bad
        with reading(path, self.kind), _opened(path) as container:
            import av

            if not container.streams.video:
                raise CameraError(f"{path} has no pictures in it")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context.format is None:
                raise CameraError(f"{path} cannot be read as a video: its pictures cannot be decoded")
            if context.width * context.height > MOST_PIXELS:
                raise CameraError(f"{path} holds pictures of {context.width} x {context.height} pixels")
            self._deep = _is_deep(context.format)
            rate, count = stream.average_rate or stream.guessed_rate, stream.frames or None  # 0 for unknown
            # Sound may go on for longer than the pictures.
            duration = container.duration if len(container.streams) == 1 else None
            self._duration_s = None if duration is None else duration / av.time_base
            created = stream.metadata.get("creation_time") or container.metadata.get("creation_time")
            first = next(iter(container.decode(stream)), None)
            if first is None:
                raise CameraError(f"{path} holds no frame")
            orientation = _orientation(first)
            self._orientation = orientation or 1
            picture = self._picture(first)
            codec = f"{context.name}, {context.format.name}"
        super().__init__(path, picture.shape, picture.dtype, count)
        self.notes["format"] = codec + (", turned as it says" if self._orientation != 1 else "")
        if orientation is None:
            self.warnings.append(
                "it says that it is turned, but by no quarter turn: its frames stay as they are stored"
            )
        if context.codec_tag in _NAMELESS and context.format.name.startswith("rgb555"):
            self.warnings.append(
                "its 16 bits a pixel are taken for colours of 5 bits each, as a file without a code for its "
                "pixels means them; gray of 16 bits looks the same"
            )
        self._take_depth(context.format)
        self._take_rate(float(rate) if rate else None)
        moment = naive_moment_ns((created or "").replace("T", " "))
        if moment is not None:
            self.captured_ns = moment
            self.notes["captured"] = "by the file's creation_time"

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """Decode from the beginning on, as frames depend on those before; see `Recording.blocks`."""
        number, origin_s, latest_s = 0, None, 0.0
        with reading(self.path, f"{self.kind} (only in part)"), _opened(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for picture, time_s in _dated(container.decode(stream), stream.codec_context):
                if number == end:
                    return
                if picture.is_corrupt and self._skips:
                    self.skipped.append(f"frame {number} of {self.path} is damaged")
                    number += 1
                    continue
                if picture.is_corrupt:
                    raise CameraError(f"{self.path} is damaged: frame {number} cannot be decoded")
                if time_s is not None:
                    origin_s = time_s if origin_s is None else origin_s
                    latest_s = time_s - origin_s
                if number >= first:
                    times_ns = None if time_s is None else [round(latest_s * 1e9)]
                    pixels = self.checked(self._picture(picture), f"frame {number} of {self.path}")
                    yield Block([number], pixels, times_ns)
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

    def _picture(self, picture: Any) -> NDArray[Any]:
        """(H, W), or (H, W, 3) where the file keeps red, green and blue."""
        return oriented(as_array(picture), self._orientation)

    def _take_depth(self, pixel_format: Any) -> None:
        """Take what its samples tell: 16 bits tell nothing, as they may be filled in part."""
        bits = pixel_format.components[0].bits
        if not self._deep:
            self.bits = 8
        elif not _DEEP_GRAY.fullmatch(pixel_format.name):
            self.bits = 16
            self.notes["depth"] = "16 bits, as FFmpeg spreads what there is"
        elif bits < 16:
            self.bits = bits
            self.notes["depth"] = f"{bits} bits, by the file"

    def _take_rate(self, average: float | None) -> None:
        """Take the rate of the frames; where they are uneven, that at which most follow each other."""
        self.fps = average
        if average is not None:
            self.notes["rate"] = f"{average:.6g} frames/s, by the file"
        self.notes["times"] = "of each frame, by the file"
        with reading(self.path, self.kind), _opened(self.path) as container:
            stamps = []
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is not None and packet.time_base is not None:
                    stamps.append(float(packet.pts * packet.time_base))
                if len(stamps) >= _LOOKED_AT:
                    break
        steps = np.diff(np.sort(stamps))
        steps = steps[steps > 0]
        if not len(steps):
            return
        usual = plain_rate(1.0 / float(np.median(steps)))
        if average is None or abs(usual / average - 1) > _UNEVEN:
            self.fps = usual
            self.notes["rate"] = f"{usual:.6g} frames/s mostly, by the times of its frames, which are uneven"


def as_array(picture: Any) -> NDArray[Any]:
    """Make an array of a decoded picture: (H, W), or (H, W, 3) where it has red, green and blue."""
    name = picture.format.name
    if name == "pal8":
        return _by_palette(picture)
    if _DEEP_GRAY.fullmatch(name):
        return _deep_gray(picture)
    if name in _EXACT and name != "gray":
        return np.asarray(picture.to_ndarray(format="rgb24"))
    return np.asarray(picture.to_ndarray(format="gray16le" if _is_deep(picture.format) else "gray"))


def _is_deep(pixel_format: Any) -> bool:
    return bool(max(component.bits for component in pixel_format.components) > 8)


def _dated(pictures: Iterable[Any], context: Any) -> Iterator[tuple[Any, float | None]]:
    """Give each picture its time in s, rising; some containers keep them in the order of decoding."""
    held: deque[Any] = deque()
    times: list[float] = []
    for picture in pictures:
        if picture.time is None or not context.has_b_frames:
            yield picture, picture.time
            continue
        held.append(picture)
        heappush(times, picture.time)
        if len(held) > _MOST_REORDERED:
            yield held.popleft(), heappop(times)
    for picture in held:
        yield picture, heappop(times)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": _containers()}
    with av.open(str(path), options=options) as container:
        yield container


@cache
def _containers() -> str:
    """Every container that FFmpeg reads, but for those that have it read other files."""
    import av

    return ",".join(sorted(set(av.formats_available) - _REFERRING))


def _orientation(picture: Any) -> int | None:
    """As `turned` finds it."""
    for side_data in picture.side_data:
        if side_data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = np.frombuffer(side_data, np.int32).tolist()
            return turned((a, b, c, d))
    return 1


def _deep_gray(picture: Any) -> NDArray[Any]:
    """Samples of 9 to 16 bits as they are: FFmpeg would spread them over 16."""
    plane = picture.planes[0]
    dtype = np.dtype(">u2" if picture.format.is_big_endian else "<u2")
    rows = np.frombuffer(plane, dtype, count=picture.height * plane.line_size // 2)
    return rows.reshape(picture.height, -1)[:, : picture.width].astype(np.uint16)


def _by_palette(picture: Any) -> NDArray[Any]:
    """Look a picture up in its palette: gray where all of that is."""
    numbers, palette = picture.to_ndarray(format="pal8")
    # Four bytes a colour: opacity, red, green, blue.
    colours = np.asarray(palette)[:, 1:4]
    used = colours[np.unique(numbers)]
    gray = bool((used == used[:, :1]).all())
    return np.asarray(colours[:, 0][numbers] if gray else colours[numbers])
