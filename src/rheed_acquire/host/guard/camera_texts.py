"""The texts and truth values of a `CameraInfo` as a plugin gives them: made plain, or refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rheed_acquire.cameras.camera import CameraInfo


def plain_texts(info: CameraInfo) -> CameraInfo:
    """Make Python's own texts and truth values of those of a camera.

    Raises
    ------
    ValueError
        One cannot be what it is said to be; the message names it, and says what it must be.
    """
    limit: object = info.fps_limited_by
    firmware: object = info.firmware
    if not _is_several(info.notes) or not all(_is_several(note) and len(note) == 2 for note in info.notes):
        raise _wrong("notes", info.notes, "a tuple of pairs of texts")
    if not _is_several(info.warnings):
        raise _wrong("warnings", info.warnings, "a tuple of texts")
    return replace(
        info,
        pixel_format=_text(info.pixel_format),
        fps_limited_by=None if limit is None else _text(limit),
        firmware="" if firmware is None else _text(firmware),
        notes=tuple((_text(name), _text(text)) for name, text in info.notes),
        warnings=tuple(map(_text, info.warnings)),
        ptp_synchronized=_truth(info.ptp_synchronized, "ptp_synchronized"),
        utc_timestamps=_truth(info.utc_timestamps, "utc_timestamps"),
        recorded=_truth(info.recorded, "recorded"),
        waits=_truth(info.waits, "waits"),
    )


def _text(value: object) -> str:
    # An enumeration of texts is told by its value, and not by its name.
    return str.__str__(value) if isinstance(value, str) else str(value)


def _is_several(values: object) -> bool:
    # A text is a sequence too: of its letters.
    return isinstance(values, Sequence) and not isinstance(values, str | bytes)


def _truth(value: object, name: str) -> bool:
    # A text or a list is true for its length, which says nothing.
    if not hasattr(value, "__bool__"):
        raise _wrong(name, value, "True or False")
    return bool(value)


def _wrong(name: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"CameraInfo.{name} is {value!r:.80}, and must be {wanted}")
