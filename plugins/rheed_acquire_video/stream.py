"""A source that FFmpeg has opened: its pictures, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import av

from rheed_acquire import (
    CameraEndedError,
    CameraError,
    CameraLostError,
    CameraSettingError,
    CaptureRequest,
)
from rheed_acquire_video.deinterlacing import Deinterlacer
from rheed_acquire_video.failures import reason
from rheed_acquire_video.settings import Deinterlace, VideoSettings
from rheed_acquire_video.sources import Kind, Source

OPEN_S, SILENT_S = 10.0, 10.0
"""How long FFmpeg may take to open a stream, and how long a stream may be silent."""
FIRST_PICTURE_S = 15.0
"""How long to wait for a picture that can be decoded: a stream may begin between two that can."""
SCREEN_FPS = 30.0
"""Where no rate is asked for: FFmpeg's own choice, 29.97, is one that Apple's cameras do not have."""

_POLL_S = 0.002
_NO_TIMES = 0x0080
"""FFmpeg's flag for formats without times (``AVFMT_NOTIMESTAMPS``), for which it makes some up."""
_NON_BLOCKING = "+4"
"""FFmpeg's flag, without a name, for devices that are not waited for (``AVFMT_FLAG_NONBLOCK``)."""
_SPEAKS_IN_FORMATS = {"v4l2": "input_format", "dshow": "pixel_format", "avfoundation": "pixel_format"}
_CODECS = ("mjpeg", "h264", "hevc", "dvvideo")


class VideoStream:
    """One source, open.

    Attributes
    ----------
    container, video
        PyAV's objects for the source and for its pictures.
    damaged
        Pictures that could not be decoded whole.

    Raises
    ------
    CameraSettingError
        The source does not take the settings.
    CameraError
        It cannot be opened.
    """

    def __init__(self, source: Source, settings: VideoSettings, request: CaptureRequest) -> None:
        self.source = source
        self.damaged = 0
        options = input_options(source, settings, request)
        try:
            self.container: Any = av.open(
                source.target, format=source.input_name, options=options, timeout=(OPEN_S, SILENT_S)
            )
        except ValueError as error:
            if isinstance(error, av.FFmpegError):
                raise _refused(source, settings, request, reason(error)) from None
            raise CameraError(f"{source.device}: this PyAV has no input {source.input_name}") from None
        except (av.FFmpegError, OSError) as error:
            raise _refused(source, settings, request, reason(error)) from None
        try:
            self.video = _pictures_of(self.container, source)
            # Threads for whole pictures would each hold one back.
            self.video.thread_type = "SLICE"
            if self.video.codec_context.name == "mjpeg":
                # Else a damaged picture is filled up and passes for a whole one.
                self.video.codec_context.options = {"err_detect": "explode"}
            if settings.low_latency:
                self.video.codec_context.flags |= av.codec.context.Flags.low_delay
            self._deinterlacer: Deinterlacer | None = None
            if settings.deinterlace is not Deinterlace.OFF:
                self._deinterlacer = Deinterlacer(self.video, settings.deinterlace, settings.field_order)
        except BaseException:
            self.close()
            raise

    @property
    def has_times(self) -> bool:
        """Whether the source itself dates its pictures."""
        return not self.container.format.flags & _NO_TIMES

    @property
    def fps(self) -> float | None:
        """The rate that a device has promised, in pictures per second.

        A stream's is measured: what its header says is often FFmpeg's guess.
        """
        rate = self.video.average_rate
        return None if self.source.kind is Kind.NETWORK or not rate else float(rate)

    def first_picture(self, is_unwanted: Callable[[], bool]) -> av.VideoFrame:
        """Wait for a picture.

        Raises
        ------
        CameraError
            None has come.
        """
        limit = time.monotonic() + FIRST_PICTURE_S
        for frame in self.pictures(lambda: time.monotonic() > limit or is_unwanted()):
            return frame
        raise CameraError(f"{self.source.device} gave no picture within {FIRST_PICTURE_S:g} s")

    def pictures(self, is_over: Callable[[], bool]) -> Iterator[av.VideoFrame]:
        """Decode pictures until it is over; damaged ones are left out and counted.

        Raises
        ------
        CameraEndedError
            Test pictures have come to their end.
        CameraLostError
            The source has ended, is silent, or is gone.
        """
        while not is_over():
            try:
                for packet in self.container.demux(self.video):
                    for frame in self._decoded(packet):
                        yield frame
                        if is_over():
                            return
                    if is_over():
                        return
            except av.error.BlockingIOError:
                # Nothing yet, of a device that is not waited for.
                time.sleep(_POLL_S)
                continue
            except av.error.ExitError:
                raise CameraLostError(f"{self.source.device} is silent: no data for {SILENT_S:g} s") from None
            except (av.FFmpegError, OSError) as error:
                raise CameraLostError(f"{self.source.device} is gone: {reason(error)}") from None
            if self.source.kind is Kind.PICTURES:
                raise CameraEndedError(f"{self.source.device} has come to its end")
            raise CameraLostError(f"{self.source.device} is gone: its stream has ended")

    def close(self) -> None:
        """Let the source go."""
        self.container.close()

    def _decoded(self, packet: Any) -> Iterator[av.VideoFrame]:
        try:
            frames = packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            self.damaged += packet.size > 0
            return
        for frame in frames:
            if frame.is_corrupt:
                self.damaged += 1
            elif self._deinterlacer is None:
                yield frame
            else:
                yield from self._deinterlacer.pictures(frame)


def _pictures_of(container: Any, source: Source) -> Any:
    if not container.streams.video:
        raise CameraError(f"{source.device} has no pictures in it")
    video = container.streams.video[0]
    if video.codec_context is None:
        raise CameraError(f"{source.device} sends pictures that FFmpeg cannot decode")
    return video


def input_options(source: Source, settings: VideoSettings, request: CaptureRequest) -> dict[str, str]:
    """What FFmpeg's input is told.

    Raises
    ------
    CameraSettingError
        The source has no such setting.
    """
    options = dict(source.options)
    if source.kind is not Kind.DEVICE:
        for name, value in (("size", settings.size), ("input-format", settings.input_format)):
            if value is not None:
                raise CameraSettingError(
                    f"--video.{name} {value}: {source.device} is no capture device, and sends what it sends"
                )
    if source.kind is Kind.DEVICE:
        options["fflags"] = _NON_BLOCKING
        if settings.size is not None:
            options["video_size"] = settings.size
        if settings.input_format is not None:
            options.update(_input_format(source, settings.input_format))
        if request.fps is not None or source.input_name == "avfoundation":
            options["framerate"] = f"{request.fps or SCREEN_FPS:g}"
    elif source.kind is Kind.SCREEN:
        if source.input_name != "x11grab":
            options["fflags"] = _NON_BLOCKING
        options["framerate"] = f"{request.fps or SCREEN_FPS:g}"
    elif source.kind is Kind.NETWORK and settings.low_latency:
        options.update(max_delay="0", reorder_queue_size="0")
    return {**options, **settings.options}


def _input_format(source: Source, name: str) -> dict[str, str]:
    if source.input_name == "dshow" and name in _CODECS:
        return {"vcodec": name}
    return {_SPEAKS_IN_FORMATS[source.input_name or ""]: name}


def _refused(source: Source, settings: VideoSettings, request: CaptureRequest, why: str) -> CameraError:
    """Say that the source cannot be opened, and what may be in the way."""
    given = [
        f"--video.{name.replace('_', '-')} {getattr(settings, name)}"
        for name in ("size", "input_format")
        if getattr(settings, name) is not None
    ]
    if request.fps is not None and source.kind in (Kind.DEVICE, Kind.SCREEN):
        given.append(f"--fps {request.fps:g}")
    given += [f"--video.options.{name}={value}" for name, value in settings.options.items()]
    hints = {
        Kind.DEVICE: "close any other program that uses it",
        Kind.SCREEN: "see that it is there, and that this program may look at it",
        Kind.NETWORK: "see that it is switched on, and that address, user and password are right",
        Kind.PICTURES: "see that FFmpeg knows the filter graph",
    }
    also = f"; or it does not take {', '.join(given)}" if given and source.kind is not Kind.NETWORK else ""
    return CameraError(f"{source.device} cannot be opened: {why}. {hints[source.kind].capitalize()}{also}")
