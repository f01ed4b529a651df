"""The camera that a source is."""

from __future__ import annotations

import queue
from collections.abc import Mapping

import numpy as np

from rheed_acquire import (
    CameraInfo,
    CameraSettingError,
    CaptureRequest,
    Frame,
    GrabLoopCamera,
    SettingReadback,
)
from rheed_acquire_video.pictures import PictureForm, View, picture_form
from rheed_acquire_video.reader import WAITING, Picture, Reader
from rheed_acquire_video.settings import Deinterlace, VideoSettings
from rheed_acquire_video.sources import Source
from rheed_acquire_video.stream import VideoStream

_NOTHING = np.empty(0, np.uint8)
_LOSSLESS = ("rawvideo", "wrapped_avframe", "bitpacked", "v210", "ffv1", "huffyuv", "png", "bmp")


class VideoCamera(GrabLoopCamera):
    """Delivers the pictures of a source that FFmpeg opens.

    FFmpeg counts no frames, so that `Frame.id` is None. `Frame.timestamp_ns` is the time that the source
    gives a picture (the driver's, the sender's, this computer's for a screen), None where it gives none.

    Parameters
    ----------
    request
        ``fps`` is asked of a capture device or a screen; a stream has its own.

    Raises
    ------
    CameraSettingError
        The source does not take the settings, or the region of interest lies outside of its pictures.
    CameraError
        It cannot be opened, or gives no picture.
    """

    def __init__(self, source: Source, settings: VideoSettings, request: CaptureRequest) -> None:
        self._stream = VideoStream(source, settings, request)
        try:
            first = self._stream.first_picture(request.given_up)
            form = picture_form(first)
            region = _region(settings, first.width, first.height, form)
            self._info = _describe(self._stream, settings, form, region)
            self._reader = Reader(self._stream, _cut(form.view, region), (first.height, first.width))
        except BaseException:
            self._stream.close()
            raise
        self._frame = Frame(_NOTHING, None, None)
        self._damaged_before = 0
        self._reader.start()

    @property
    def info(self) -> CameraInfo:
        """The source as it was opened."""
        return self._info

    def begin_grabbing(self) -> None:
        """Have pictures handed over.

        Raises
        ------
        CameraError
            The source has failed meanwhile.
        """
        if self._reader.failure is not None:
            raise self._reader.failure
        self._pictures: queue.Queue[Picture] = queue.Queue(WAITING)
        self._damaged_before = self._stream.damaged
        self._reader.deliver_to(self._pictures)

    def grab(self, timeout_s: float) -> Frame | None:
        """Return the next picture.

        Raises
        ------
        CameraError
            The source is gone, or has come to its end.
        """
        frame = self._frame
        try:
            frame.pixels, frame.timestamp_ns = self._pictures.get(timeout=timeout_s)
        except queue.Empty:
            failure = self._reader.failure
            # What came before it is handed over first.
            if failure is not None and self._pictures.empty():
                raise failure from None
            return None
        return frame

    def release(self, frame: Frame) -> None:
        """Give a picture's memory back to FFmpeg."""
        frame.pixels = _NOTHING

    def end_grabbing(self) -> None:
        """Have no more pictures handed over."""
        self._reader.deliver_to(None)

    def statistics(self) -> Mapping[str, int]:
        """Count the pictures that came and could not be decoded whole, which are left out."""
        return {"frames_lost": self._stream.damaged - self._damaged_before}

    def disconnect(self) -> None:
        """Let the source go."""
        self._reader.close()


def _region(settings: VideoSettings, width: int, height: int, form: PictureForm) -> tuple[slice, slice]:
    """Give the rows and columns of the region of interest."""
    left, top = settings.offset_x or 0, settings.offset_y or 0
    right = left + settings.width if settings.width is not None else width
    bottom = top + settings.height if settings.height is not None else height
    if left >= width or top >= height or right > width or bottom > height:
        raise CameraSettingError(
            f"--video.width, --video.height, --video.offset-x, --video.offset-y: columns {left} to {right} "
            f"and rows {top} to {bottom} are not within pictures of {width} x {height}"
        )
    if form.pixel_format.startswith("Bayer") and (left % 2 or top % 2):
        raise CameraSettingError(
            "--video.offset-x, --video.offset-y: must be even, as the mosaic of colours repeats itself every "
            "two pixels"
        )
    return slice(top, bottom), slice(left, right)


def _cut(view: View, region: tuple[slice, slice]) -> View:
    return lambda frame: view(frame)[region]


def _describe(
    stream: VideoStream, settings: VideoSettings, form: PictureForm, region: tuple[slice, slice]
) -> CameraInfo:
    rows, columns = region
    context = stream.video.codec_context
    codec, came_as = context.name, str(context.pix_fmt)
    fps = stream.fps
    if fps is not None and settings.deinterlace is Deinterlace.FIELDS:
        fps *= 2
    height, width = rows.stop - rows.start, columns.stop - columns.start
    is_lossy = codec not in _LOSSLESS
    held = {
        "size": f"{context.width}x{context.height}",
        "input_format": codec if settings.input_format == codec else came_as,
        "width": width,
        "height": height,
    }
    asked = settings.model_dump(mode="json", include=settings.model_fields_set - {"url", "options"})
    return CameraInfo(
        device=stream.source.device,
        width=width,
        height=height,
        pixel_format=form.pixel_format,
        fps=fps,
        settings=(
            *(SettingReadback(name, value, held.get(name, value)) for name, value in asked.items()),
            *(SettingReadback(f"options.{name}", value, value) for name, value in settings.options.items()),
        ),
        notes=(
            ("pictures", f"{codec}, {context.width} x {context.height}, {came_as}"),
            *((("compression", "with loss: small changes of intensity may be the codec's"),) * is_lossy),
            ("levels", form.levels),
            ("times", "of each frame, by the source" if stream.has_times else "of each frame's arrival"),
        ),
    )
