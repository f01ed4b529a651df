"""What the frames of a camera are held to: layout, ids and stamps, by what `CameraInfo` says of them."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

from rheed_acquire.cameras.camera import CameraInfo, CameraSettingError
from rheed_acquire.cameras.pixel_formats import find_pixel_format, frame_layout
from rheed_acquire.frames.frame_ids import whole_number
from rheed_acquire.testing.observer import TakenFrame
from rheed_acquire.testing.rules import Rule, broken

SHORTEST_CYCLE = 256
"""No counter is narrower than eight bits."""
NEAR = 64
"""So many ids before and after it a counter may be caught starting again."""
DECLARED = 1.5
"""Stamps that keep the declared rate to this factor are in nanoseconds."""
ARRIVED = 4.0
"""Arrivals are late and come in bursts: only a factor beyond this tells of another unit."""
CERTAIN = 1.5
"""A ratio so near to that of a unit names it."""

_UNITS = {1e-3: "microseconds", 1e-6: "milliseconds", 1e-9: "seconds"}


def check_frames(info: CameraInfo, kept: list[TakenFrame]) -> None:
    """Judge frames by what needs no knowledge of the picture."""
    try:
        shape, dtype = frame_layout(info.pixel_format, info.height, info.width)
    except (CameraSettingError, ValueError) as error:
        broken(Rule.PIXELS, f"info says {info.width} x {info.height} {info.pixel_format}: {error}")
    known = find_pixel_format(info.pixel_format)
    for taken in kept:
        if taken.pixels.shape != shape or taken.pixels.dtype != dtype:
            broken(
                Rule.PIXELS,
                f"frame {taken.id} has shape {taken.pixels.shape} and dtype {taken.pixels.dtype}, but "
                f"{info.width} x {info.height} {info.pixel_format} is {shape}, {dtype}",
            )
        if not known.is_packed and int(taken.pixels.max()) >> known.bits:
            broken(
                Rule.PIXELS,
                f"a pixel of frame {taken.id} is {int(taken.pixels.max())}, and {info.pixel_format} has "
                f"{known.bits} bits",
                "put the value into the lower bits, as PFNC has it, or name the format that the frames have",
            )
        _check_kinds(taken)
    for before, after in pairwise(kept):
        _check_ids(info, before.id, after.id)
        _check_stamps(info, before, after)


def _check_kinds(taken: TakenFrame) -> None:
    for rule, value, name in ((Rule.ID, taken.id, "id"), (Rule.STAMP, taken.timestamp_ns, "timestamp_ns")):
        try:
            whole_number(value, f"Frame.{name}")
        except TypeError as error:
            broken(rule, str(error))


def _check_ids(info: CameraInfo, before: int | None, after: int | None) -> None:
    if before is None or after is None:
        if before is not after:
            broken(Rule.ID, f"a frame with id {after} follows one with id {before}: all have one or none has")
        return
    cycle = info.frame_id_cycle
    if cycle is not None and max(before, after) > cycle:
        broken(Rule.CYCLE, f"frame id {max(before, after)} came, and info.frame_id_cycle is {cycle}")
    if after == before:
        broken(Rule.ID, f"two frames in a row have the id {after}")
    step = id_step(info, before, after)
    # With a counter that wraps, half of its cycle is the line between a jump ahead and one back.
    if step <= 0 or (cycle is not None and step > cycle // 2):
        if after < NEAR and _is_near_an_end(before):
            broken(
                Rule.CYCLE,
                f"frame id {after} follows {before}: the counter starts again, and info.frame_id_cycle is "
                f"{cycle}",
            )
        broken(Rule.ONE_THREAD, f"frame id {after} follows {before}: out of order")


def _is_near_an_end(number: int) -> bool:
    """Say whether a counter of whole bytes would soon be at its end."""
    return any(end - NEAR <= number <= end for end in (2**8, 2**16, 2**24, 2**32))


def id_step(info: CameraInfo, before: int, after: int) -> int:
    """By how much the id has grown, over the counter's beginning."""
    return after - before if info.frame_id_cycle is None else (after - before) % info.frame_id_cycle


def _check_stamps(info: CameraInfo, before: TakenFrame, after: TakenFrame) -> None:
    first, second = before.timestamp_ns, after.timestamp_ns
    if first is None or second is None:
        if first is not second:
            broken(Rule.STAMP, f"frame {after.id} and the one before it do not both have a time stamp")
        return
    wraps = info.timestamp_wraps_ns
    if second < first and (wraps is None or (second - first) % wraps > wraps // 2):
        broken(Rule.STAMP, f"the stamp of frame {after.id} is {first - second} ns before that of {before.id}")


def doubt_of_stamps(info: CameraInfo, kept: list[TakenFrame]) -> tuple[Rule, str, str] | None:
    """Hold the stamps of frames in a row against the declared rate and against their arrivals.

    Returns
    -------
    The rule, what was seen, and what to do; None where the stamps may be right. One finding is no proof: a
    busy computer takes frames late, and many at once.
    """
    stamps = [taken.timestamp_ns for taken in kept if taken.timestamp_ns is not None]
    if info.can_wait or len(stamps) < 2 or len(stamps) < len(kept):
        return None
    wraps = info.timestamp_wraps_ns
    steps = [
        (second - first) if wraps is None else (second - first) % wraps for first, second in pairwise(stamps)
    ]
    span_ns = sum(steps)
    if not span_ns:
        return Rule.STAMP, f"all of {len(stamps)} frames have the stamp {stamps[0]}", ""
    of_declared = statistics.median(steps) * info.fps / 1e9 if info.fps is not None else None
    if of_declared is not None and 1 / DECLARED <= of_declared <= DECLARED:
        return None
    arrived_ns = kept[-1].arrived_ns - kept[0].arrived_ns
    of_arrivals = span_ns / max(arrived_ns, 1)
    seen = (
        f"{len(kept)} frames came within {arrived_ns / 1e9:.3g} s, and by their stamps within "
        f"{span_ns / 1e9:.3g} s"
    )
    if 1 / ARRIVED <= of_arrivals <= ARRIVED:
        if of_declared is not None and of_declared < 1 / ARRIVED:
            return (
                Rule.INFO,
                f"{seen}, where info.fps is {info.fps:g}",
                "tell the rate that the device will keep",
            )
        return None
    unit = _unit(of_arrivals, of_declared)
    return (
        Rule.STAMP,
        f"{seen}" + ("" if info.fps is None else f" (info.fps is {info.fps:g})"),
        f"they look like {unit}: make nanoseconds of them" if of_arrivals < 1 else "give them in nanoseconds",
    )


def _unit(*ratios: float | None) -> str:
    """Name the unit by which stamps would be right, from what they are of the time that they should tell."""
    distances = {
        abs(math.log(size / ratio)): name
        for size, name in _UNITS.items()
        for ratio in ratios
        if ratio is not None
    }
    return distances[min(distances)] if min(distances) < math.log(CERTAIN) else "ticks"
