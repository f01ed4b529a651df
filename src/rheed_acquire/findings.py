"""What a run can have to say about itself: each kind with a code that stays, what it means, and what to do.

The codes are part of the JSON report's format: a program may look for one, so that none changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class FindingCode(StrEnum):
    """A kind of problem or warning.

    Attributes
    ----------
    meaning
        What it says of the run, whatever the figures are.
    advice
        What the reader can do about it; empty where there is nothing to do.
    """

    meaning: str
    advice: str

    def __new__(cls, code: str, meaning: str, advice: str = "") -> Self:  # noqa: D102
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.advice = meaning, advice
        return member

    NO_FRAME = (
        "no-frame",
        "The camera delivered no frame at all.",
        "look at its trigger and its cable, and try rheed-acquire view",
    )
    CAMERA_REFUSED = ("camera-refused", "The camera was opened, but would not begin to deliver frames.")
    CAMERA_AWAY = (
        "camera-away",
        "The camera was lost in the middle of the run and came back; what it saw meanwhile is missing.",
        "check its cable, its power supply and the network card's settings",
    )
    CAMERA_NOT_BACK = (
        "camera-not-back",
        "The camera was lost and had not come back when the run ended.",
        "check its cable and power supply; --reconnect-timeout says how long to try",
    )
    SILENT_END = (
        "silent-end",
        "The camera gave no frame in the last seconds of the run, which nothing explains.",
        "check its cable and its trigger; where the trigger may rest so long, allow it by --gap-tolerance",
    )
    LATE_START = (
        "late-start",
        "For long no frame came to a run that was to begin; its duration counts from the first.",
        "look at its trigger, and what else uses its network or bus",
    )
    CAMERA_CALL = ("camera-call", "A call into the camera's backend failed.")
    CAMERA_LOSSES = (
        "camera-losses",
        "Frames that the camera took never reached this program, by its frame ids or its driver's counters.",
        "give the driver more buffers, or lower the frame rate or the size of the frames",
    )
    UNEXPLAINED_PAUSES = (
        "unexplained-pauses",
        "For a while no frame came, by one of the clocks: neither frame ids nor later frames explain it.",
        "where the camera is triggered and may wait so long, allow it by --gap-tolerance",
    )
    LATE_FRAMES = (
        "late-frames",
        "Frames came ever later: fewer had come at the end than the declared rate promises.",
        "lower the rate or the size of the frames; of a camera slower than its clock give the rate by --fps",
    )
    OVERRUNS = (
        "overruns",
        "Frames came while all chunk buffers waited to be encoded, and were dropped.",
        "more buffers: --ring-chunks or --memory-limit",
    )
    FRAME_UNUSABLE = ("frame-unusable", "A frame came that could not be used, and the run was ended.")
    FRAMES_REJECTED = ("frames-rejected", "Frames were received that could not be used.")
    RECORDING_BROKEN = ("recording-broken", "The recording that was replayed could not be read to its end.")
    ENDED_EARLY = ("ended-early", "The run was ended before its time, so that nothing captured was lost.")
    CHUNK_NOT_TAKEN = ("chunk-not-taken", "The streamer did not take chunks, and their frames are lost.")
    CHUNKS_NOT_UPLOADED = ("chunks-not-uploaded", "Chunks of frames have not arrived at the server.")
    END_NOT_CONFIRMED = (
        "end-not-confirmed",
        "The server has not confirmed the end of the stream.",
        "rheed-acquire recover tries again",
    )
    SERVER_LOST = (
        "server-lost",
        "The run's own server ended by itself and could not be started again.",
        "what it did not get waits in the spool: rheed-acquire recover delivers it",
    )
    NOT_FINALIZED = ("not-finalized", "The streamer failed when the stream was to be ended.")
    BOOKS = (
        "books",
        "Frames received are not the sum of those pushed, reduced, overrun, rejected and not taken: a bug.",
    )

    SETTING_DIFFERS = ("setting-differs", "The camera took another value of a setting than was asked for.")
    SOURCE = ("source", "The camera, or the recording that is replayed, has something to say of itself.")
    REGIONS = ("regions", "A region of interest does not lie in the picture as it was asked for.")
    ABOVE_DEPTH = (
        "above-depth",
        "Frames had samples above the depth that their source tells, and were cut there.",
        "say how deep they really are, by --replay.bits or --growing.bits",
    )
    RECORDING_PAUSES = ("recording-pauses", "The recording that was replayed has pauses of its own.")
    SERVER_RESTARTED = (
        "server-restarted",
        "The run's own server ended by itself and was started again.",
        "look into .server/server.log in the folder of the runs, and at the computer's memory",
    )
    SLOWER = (
        "slower-than-declared",
        "The camera delivered fewer frames a second than the run declares.",
        "give the rate that the camera reaches by --fps",
    )
    FEWER_FRAMES = (
        "fewer-frames",
        "The run was ended before it had the number of frames that was asked for.",
    )
    SHORT_PRE_ROLL = (
        "short-pre-roll",
        "The run begins later than it was to: the preview has no frames from before.",
        "start the station with a longer --pre-roll",
    )
    CAMERA_SILENT = (
        "camera-silent",
        "The camera's backend failed to answer a question that costs no frame, such as its temperature.",
    )
    STREAMER_SILENT = ("streamer-silent", "The streamer could not tell how far its uploads were.")
    STREAMER_CALL = ("streamer-call", "The streamer failed when it was to give back what it held.")
    OBSERVER_FAILED = (
        "observer-failed",
        "A plugin that looks at the run failed; the run does not depend on it.",
        "--disable-plugin leaves it out",
    )
    OBSERVER_SLOW = (
        "observer-slow",
        "A plugin that looks at the run took longer in a hook than its chunks last, and was not shown all.",
        "give its long work a thread of its own",
    )
    OBSERVER_HANGS = (
        "observer-hangs",
        "A plugin that looks at the run did not return from a hook, and was left behind.",
        "--disable-plugin leaves it out",
    )
    FASTER = (
        "faster-than-declared",
        "The camera delivered more frames a second than the run declares.",
        "give the rate that the camera reaches by --fps",
    )
    CAMERA_CLOCK = (
        "camera-clock",
        "Stamps of the camera's clock contradict each other or the frames' arrivals, and were not believed.",
        "look for newer firmware; where PTP sets the clock, begin the run when it is locked",
    )
    FRAME_IDS = (
        "frame-ids",
        "The camera's frame ids do not count frames: they repeat, go back, or fit to none around them.",
        "look for the camera's block or frame id among its chunk data, and for newer firmware",
    )
    NOT_ARCHIVED = (
        "not-archived",
        "Frames are missing from the archive. The stream does not depend on it.",
        "look at the archive's disk: is it full, slow, or gone?",
    )
    ARCHIVE_OPEN = (
        "archive-open",
        "The archive could not be closed. What is in it can be read as it is.",
        "look at the archive's disk; rheed-acquire recover completes it then",
    )
    ARCHIVE_AWAY = (
        "archive-away",
        "The archive's bucket could not be reached when the run began: it waited on this computer's disk.",
        "look at the store, and at AWS_ENDPOINT_URL",
    )
    ARCHIVE_WAITS = (
        "archive-waits",
        "Part of the archive is not in its bucket yet. It waits on this computer's disk; nothing is lost.",
        "rheed-acquire recover brings it there, and so does the next run with the same bucket",
    )
    MOSTLY_BLACK = (
        "mostly-black",
        "The stream's 8 bits leave most of the picture black: the camera does not use its highest bits.",
        "say by --bit-shift how far samples are shifted right, or choose another pixel format",
    )
    CHANNEL_FAILED = (
        "channel-failed",
        "An instrument beside the camera could not be read for a while, or at all. It cost no frame.",
        "look at its cable, its address and the channel's settings",
    )
    READINGS_NOT_KEPT = (
        "readings-not-kept",
        "Readings of an instrument beside the camera could not be kept. It cost no frame.",
        "look at the disk of the runs: is it full, slow, or gone?",
    )
    NO_REPORT = ("no-report", "The run's report could not be written.")


ABSENCES = frozenset(
    {
        FindingCode.CAMERA_AWAY,
        FindingCode.CAMERA_NOT_BACK,
        FindingCode.SILENT_END,
        FindingCode.LATE_START,
        FindingCode.UNEXPLAINED_PAUSES,
        FindingCode.LATE_FRAMES,
    }
)
"""Kinds whose frames are an estimate by the declared rate: nobody has counted them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a warning of one run.

    Attributes
    ----------
    code
        Its kind.
    text
        What was found, with the figures: one sentence for a person.
    frames
        How many frames it may have cost; None where nobody can tell, 0 where none.
    advice
        What to do about it; empty where there is nothing to do.
    """

    code: FindingCode
    text: str
    frames: int | None = None
    advice: str = ""

    def __str__(self) -> str:
        """Say all of it in one line."""
        return f"{self.text} ({self.advice})" if self.advice else self.text

    def as_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {"code": self.code.value, "text": self.text, "frames": self.frames, "advice": self.advice}
