"""The camera that a growing file or folder is."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheed_acquire import (
    CameraEndedError,
    CameraError,
    CameraInfo,
    CameraLostError,
    CameraNotFoundError,
    CameraSettingError,
    CaptureRequest,
    DeviceInfo,
    Frame,
    GrabLoopCamera,
    SettingReadback,
)
from rheed_acquire_growing.follower import Follower, Taken
from rheed_acquire_growing.hdf5_swmr import GrowingHdf5
from rheed_acquire_growing.settings import GrowingSettings
from rheed_acquire_replay.samples import Samples, SamplesError, Scale
from rheed_acquire_replay.settings import parse_scale

logger = logging.getLogger("rheed_acquire.growing")

POLL_S, MOST_POLL_S = 0.02, 1.0
"""How often it is looked at, where a look is cheap and where it is dear."""
LOOKING = 0.25
"""How much of the time looking may take: on a network drive, and in a large folder, it is dear."""
SECOND_NAME_S = 1.5
"""How long to wait for a second picture, by whose name the counter is known."""
TOLD_AFTER_S = 10.0
"""After so long it is told that nothing has come to be followed, or nothing that can be read."""
BEHIND_S = 5.0
"""When frames have waited all the time for so long, it is told that they come faster than they are taken."""
FOREIGN_IN_A_ROW = 10

_LEAST_STEP_NS = 1000
"""From frame to frame: files' times are as coarse as 4 or 16 ms, or 2 s."""
_DIM_BITS = 12

_lost: dict[str, GrowingCamera] = {}
"""Those whose file or folder was lost, by its path: the next one that is opened goes on where it was."""


class GrowingCamera(GrabLoopCamera):
    """Delivers the frames that another program writes, each once it is whole.

    `Frame.id` is the counter in the names of pictures, None for files of many frames. `Frame.timestamp_ns` is
    when the frame was captured, as its format tells, or else when it was written; in UTC.

    Each start begins where the camera was opened, unless very much has been taken since: what was taken to
    find the frame rate comes once more.

    Parameters
    ----------
    request
        ``fps`` dates frames that are there already and tell no time.

    Raises
    ------
    CameraNotFoundError
        It was lost before, and is not there again.
    CameraSettingError
        The settings do not suit it.
    CameraError
        It cannot be read, or nobody waits for it any more.
    """

    _follower: Follower
    _info: CameraInfo
    _samples: Samples
    _stored: tuple[tuple[int, ...], str]

    def __init__(self, settings: GrowingSettings, request: CaptureRequest, device: DeviceInfo) -> None:
        if settings.path is None:
            raise CameraSettingError(
                "--growing.path is needed: the file or folder that another program writes"
            )
        self._settings, self._path = settings, settings.path
        self._looked_s, self._next_look_s, self._begun_s = 0.0, 0.0, time.monotonic()
        self._frame = Frame(np.empty(0, np.uint8), None, None)
        self._latest_ns = self._lost_before = self._foreign = 0
        self._came_s: float | None = None
        self._behind_s: float | None = None
        self._told_behind = self._most_waiting = 0
        self._told_of_nothing = False
        before = _lost.get(str(self._path))
        if before is not None:
            self._go_on(before)
        else:
            self._begin(request, device)

    @property
    def info(self) -> CameraInfo:
        """What is followed."""
        return self._info

    def begin_grabbing(self) -> None:
        """Begin where the camera was opened."""
        self._follower.rewind()
        self._latest_ns = self._most_waiting = 0
        self._came_s = self._behind_s = None
        self._lost_before = self._follower.lost

    def grab(self, timeout_s: float) -> Frame | None:
        """Return the next whole frame.

        Raises
        ------
        CameraEndedError
            No frame has come for ``idle`` seconds.
        CameraLostError
            The file or folder is there no more.
        CameraError
            It cannot be followed any further.
        """
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._look(now_s)
        taken = self._follower.take()
        if taken is None:
            self._wait(now_s, timeout_s)
            return None
        if not self._fits(taken):
            return None
        self._came_s = now_s
        frame = self._frame
        frame.pixels, frame.id = self._as_delivered(taken), taken.id
        # Coarse times are the same for several frames, and a file's own may be set back.
        self._latest_ns = frame.timestamp_ns = max(taken.time_ns, self._latest_ns + _LEAST_STEP_NS)
        return frame

    def statistics(self) -> Mapping[str, int]:
        """Count frames that are lost, that wait, the most that ever did, and those above their depth."""
        return {
            "frames_lost": self._follower.lost - self._lost_before,
            "frames_waiting": self._follower.waiting,
            "frames_waiting_at_most": self._most_waiting,
            "frames_above_depth": self._samples.above,
        }

    def disconnect(self) -> None:
        """Let the files go."""
        self._follower.close()

    # ---- opening ---------------------------------------------------------------------------------------

    def _go_on(self, before: GrowingCamera) -> None:
        if not self._path.exists():
            raise CameraNotFoundError(f"{self._path} is not there again")
        del _lost[str(self._path)]
        self._follower, self._info = before._follower, before._info
        self._samples, self._stored = before._samples, before._stored
        self._follower.mark()

    def _begin(self, request: CaptureRequest, device: DeviceInfo) -> None:
        settings = self._settings
        self._follower = Follower(
            self._path, from_start=settings.from_start, dataset=settings.dataset, rate=request.fps
        )
        try:
            taken = self._first_frame(request)
            self._samples = self._samples_of(taken)
            self._stored = taken.pixels.shape, taken.pixels.dtype.name
            self._info = self._describe(taken, device)
        except BaseException:
            self._follower.close()
            raise

    def _first_frame(self, request: CaptureRequest) -> Taken:
        """Wait for a frame that can be read, which stays to be taken.

        Raises
        ------
        CameraError
            Nobody waits for it any more, or it cannot be followed.
        """
        came_s: float | None = None
        told = False
        follower = self._follower
        while True:
            now_s = time.monotonic()
            if now_s >= self._next_look_s:
                self._look(now_s)
            # A picture's number is known by that of the next one.
            files = list(follower.files())
            if came_s is None and follower.waiting:
                came_s = now_s
            has_second = len(files) > 1 or not files or not files[0].has_one or not self._path.is_dir()
            if came_s is not None and (has_second or now_s - came_s > SECOND_NAME_S):
                follower.learn_counter()
                taken = follower.take()
                if taken is not None:
                    break
            if request.given_up():
                raise CameraError(f"{self._path}: nobody waits any more for its first frame")
            if not told and now_s - self._begun_s > 2 * POLL_S:
                told = True
                logger.warning("waiting for the first frame: %s", self._awaited())
            self._tell_of_nothing(now_s)
            time.sleep(POLL_S)
        is_undated = taken.file.is_undated and taken.file.dated_by is None
        if self._settings.from_start and is_undated:
            raise CameraSettingError(
                f"--growing.from-start: {taken.file.path} does not tell when its frames were taken, nor at "
                "which rate: give --fps"
            )
        follower.rewind()
        return taken

    def _awaited(self) -> str:
        """What is waited for, in words."""
        follower, path = self._follower, self._path
        if not path.exists():
            return f"{path} is not there yet"
        return f"{path} is there{_left_out(follower)}"

    def _samples_of(self, taken: Taken) -> Samples:
        settings, pixels = self._settings, taken.pixels
        scale = None if settings.scale is None else Scale(*parse_scale(settings.scale))
        bits = (
            8
            if pixels.dtype.kind == "b" or pixels.dtype == np.uint8
            else settings.bits or taken.file.bits or 16
        )
        try:
            samples = Samples(pixels.shape, pixels.dtype, bits, scale)
            samples.of(pixels[np.newaxis])
        except SamplesError as error:
            raise CameraSettingError(f"{taken.file.path} {_in_our_words(error)}") from None
        return samples

    def _describe(self, taken: Taken, device: DeviceInfo) -> CameraInfo:
        file, samples, settings = taken.file, self._samples, self._settings
        asked = settings.model_dump(mode="json", include=settings.model_fields_set)
        begins = "with the first frame that is there"
        if not settings.from_start:
            begins = f"with what comes from now on{_left_out(self._follower)}"
        depth = f"{samples.bits} bits"
        notes = [
            ("begins", begins),
            ("files", f"{file.kind}, the first is {file.path.name}"),
            ("times", file.dated_by or "of each frame, by the time at which its file was written"),
        ]
        if file.fps is not None:
            notes.append(("rate", f"{file.fps:.6g} frames/s, as {file.path.name} says"))
        if taken.id is not None:
            notes.append(("numbers", "of each frame, by the files' names"))
        warnings = []
        greatest = int(taken.pixels.max()) if taken.pixels.dtype.kind == "u" else 0
        if samples.bits == 16 and settings.scale is None and not (settings.bits or file.bits):
            depth += ", as the files do not tell it"
            if greatest < 1 << _DIM_BITS:
                warnings.append(
                    f"samples are taken for 16 bits, and none of the first frame is above {greatest}: where "
                    "they have fewer, say so with --growing.bits"
                )
        return CameraInfo(
            device=device,
            width=samples.shape[1],
            height=samples.shape[0],
            pixel_format=samples.pixel_format,
            fps=None,
            utc_timestamps=True,
            waits=True,
            settings=tuple(SettingReadback(name, value, value) for name, value in asked.items()),
            notes=(*notes, ("depth", depth)),
            warnings=tuple(warnings),
        )

    # ---- following -------------------------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        try:
            self._follower.look()
        except CameraLostError:
            _lost[str(self._path)] = self
            raise
        except CameraError as error:
            raise type(error)(_in_our_words(error)) from None
        self._most_waiting = max(self._most_waiting, self._follower.waiting)
        spent_s = time.monotonic() - now_s
        self._looked_s = now_s
        self._next_look_s = now_s + max(POLL_S, min(spent_s / LOOKING, MOST_POLL_S))
        self._tell_if_behind(now_s)

    def _wait(self, now_s: float, timeout_s: float) -> None:
        """Wait for more, and see whether it is over."""
        if not self._follower.waiting:
            self._behind_s = None
        self._tell_of_nothing(now_s)
        idle_s = self._settings.idle
        # By the latest look: one may have taken long, on a computer that has more to do.
        if idle_s is not None and self._came_s is not None and self._looked_s - self._came_s > idle_s:
            raise CameraEndedError(f"{self._path} has not grown for {idle_s:g} s")
        time.sleep(max(0.0, min(timeout_s, self._next_look_s - time.monotonic())))

    def _tell_if_behind(self, now_s: float) -> None:
        """Say that frames come faster than they are taken: once, and again when twice as many wait."""
        waiting = self._follower.waiting
        if not waiting:
            return
        if self._behind_s is None:
            self._behind_s = now_s
        if now_s - self._behind_s > BEHIND_S and waiting > 2 * self._told_behind:
            self._told_behind = waiting
            logger.warning(
                "%s: %d whole frames wait to be taken; none is lost, but what is shown is older by so many",
                self._path,
                waiting,
            )

    def _tell_of_nothing(self, now_s: float) -> None:
        """Say once that something is written, and that no frame can be had of it."""
        since_s = self._came_s if self._came_s is not None else self._begun_s
        if self._told_of_nothing or now_s - since_s < TOLD_AFTER_S:
            return
        for file in self._follower.files():
            if isinstance(file, GrowingHdf5) and file.kept_out is not None:
                self._told_of_nothing = True
                logger.warning(
                    "%s cannot be read while its program has it open (%s): have the program write it so that "
                    "others can read (SWMR), or follow a folder of images",
                    *(file.path, file.kept_out),
                )
            elif not file.waiting and file.unchanged_s < BEHIND_S:
                self._told_of_nothing = True
                logger.warning(
                    "%s is written to, but holds no whole frame more: a program that lists frames only when "
                    "it closes the file cannot be followed; have it write a file for each frame",
                    file.path,
                )

    def _fits(self, taken: Taken) -> bool:
        """Whether a frame is one of this stream."""
        if (taken.pixels.shape, taken.pixels.dtype.name) == self._stored:
            self._foreign = 0
            return True
        self._foreign += 1
        shape, name = self._stored
        what = (
            f"{taken.file.path} holds a frame of {taken.pixels.shape} and {taken.pixels.dtype.name}, but the "
            f"first was of {shape} and {name}: all frames of a stream have one size"
        )
        if self._foreign > FOREIGN_IN_A_ROW:
            raise CameraError(what)
        self._follower.lose(what, 1)
        return False

    def _as_delivered(self, taken: Taken) -> NDArray[Any]:
        try:
            delivered: NDArray[Any] = self._samples.of(taken.pixels[np.newaxis])[0]
        except SamplesError as error:
            raise CameraError(f"{taken.file.path} {_in_our_words(error)}") from None
        return delivered


def _left_out(follower: Follower) -> str:
    """Say what was there already and is not taken."""
    parts = []
    if follower.frames_left_out:
        parts.append(f"{follower.frames_left_out} frames")
    if follower.left_out:
        parts.append(f"{follower.left_out} files")
    if not parts:
        return ""
    return f"; {' and '.join(parts)} that are there already are left out (--growing.from-start takes them)"


def _in_our_words(error: Exception) -> str:
    """What the readers of `replay` say, with the names of this camera's settings."""
    return str(error).replace("--replay.", "--growing.")
