"""``rheed-acquire replay PATH``: a recording as the camera of a run, or with ``--inspect`` what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheed_acquire.commands.host import answered, load
from rheed_acquire.commands.long_work import progress_of
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.system.terminal import write_json, write_line
from rheed_acquire.text.printable_text import printable

if TYPE_CHECKING:
    from rheed_acquire.cameras.camera import CameraInfo

CAMERA, INSPECT = "replay", "--inspect"


def main(arguments: Sequence[str]) -> int:
    """Replay, or inspect."""
    description = (
        "Replay a recording: short for --camera replay --replay.path PATH. With --inspect, only say what it "
        "is: frames, size, depth, rate, times, and where each was taken from; the exit code is 2 where it "
        "cannot be played."
    )
    if answered(arguments, "replay [--inspect] PATH [FLAGS]", description, headings=(CAMERA,)):
        return 0
    flags = [argument for argument in arguments if argument != INSPECT]
    # A word that follows no flag is the path; so flags come after it, as in every other command.
    if flags and not flags[0].startswith("-"):
        flags[:1] = [f"--replay.path={flags[0]}"]
    flags = [f"--camera={CAMERA}", *flags]
    if INSPECT in arguments:
        return _inspect(flags)
    from rheed_acquire.commands import run

    return run.main(flags)


def _inspect(flags: Sequence[str]) -> int:
    host, settings = load(flags)
    from rheed_acquire.commands.run_setup import choose_camera

    backend = choose_camera(host, CAMERA)
    if backend.inspect is None:
        raise SettingsError(f"camera {CAMERA!r} cannot be inspected")
    try:
        with progress_of("looking at the recording"):
            info = backend.inspect(settings.backend(backend.name))
    except RheedAcquireError as error:
        raise SettingsError(str(error)) from None
    if settings.run.json_report:
        write_json(_as_json(info), indent=2)
        return 0
    rows = [(printable(name), printable(text)) for name, text in _rows(info)]
    width = max(len(name) for name, _ in rows)
    write_line(*(f"{name:<{width}}  {text}" for name, text in rows))
    return 0


def _rows(info: CameraInfo) -> Iterator[tuple[str, str]]:
    yield "path", info.device.address
    if info.frames is not None:
        yield "length", f"{info.frames} frame{'s' * (info.frames != 1)}"
    yield "picture", f"{info.width} x {info.height} {info.pixel_format}"
    yield from info.notes
    if info.fps is None:
        yield "rate", "not told: give it with --fps"
    yield from _dates(info)
    yield from (("warning", warning) for warning in info.warnings)


def _dates(info: CameraInfo) -> Iterator[tuple[str, str]]:
    for name, at_ns in (("first", info.captured_unix_ns), ("last", info.ended_unix_ns)):
        if at_ns is not None:
            yield name, f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def _as_json(info: CameraInfo) -> dict[str, Any]:
    return {
        "device": asdict(info.device),
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "pixel_format": info.pixel_format,
        "fps": info.fps,
        "first_unix_ns": info.captured_unix_ns,
        "last_unix_ns": info.ended_unix_ns,
        "notes": dict(info.notes),
        "warnings": list(info.warnings),
    }
