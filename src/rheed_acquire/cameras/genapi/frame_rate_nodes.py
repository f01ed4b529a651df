"""What vendors call a camera's frame rate: the one it is set to, the switch before it, the one that results.

A vendor's node map that is not known here is met by what GenApi itself tells: a rate that is locked is not
heeded, a rate that nobody can set is one that results.
"""

from __future__ import annotations

import re

from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.nodes import Node, NodeKind, NodeRefusalError, Value
from rheed_acquire.cameras.genapi.values import NamedNumbers

FRAME_RATE = (
    "AcquisitionFrameRateAbs",
    "AcquisitionFrameRateTarget",  # IDS, beside an AcquisitionFrameRate that cannot be set
    "AcquisitionFrameRate",
    "FrameRate",  # Emergent
)

# With what makes the camera heed its frame rate, and what makes it go as fast as it can.
_SWITCHES: tuple[tuple[str, tuple[Value, ...], tuple[Value, ...]], ...] = (
    ("AcquisitionFrameRateEnable", (True, "On"), (False, "Off")),
    ("AcquisitionFrameRateEnabled", (True, "On"), (False, "Off")),  # FLIR, before Blackfly S
    ("AcquisitionFrameRateTargetEnable", (True, "On"), (False, "Off")),  # IDS
    ("AcquisitionFrameRateMode", (True, "On", "Basic"), (False, "Off")),  # Daheng, Allied Vision
    ("acquisitionFrameRateControlMode", ("Programmable",), ("MaximumSpeed",)),  # Teledyne DALSA
    ("mvAcquisitionFrameRateEnable", (True, "On"), (False, "Off")),  # Balluff, MATRIX VISION
    ("AcquisitionFrameRateAuto", ("Off",), ("Continuous", "Once")),  # FLIR, before Blackfly S
)
# Allied Vision's GigE cameras heed the rate only where it is what triggers them.
_PACED_BY, _PACED = "TriggerSource", "FixedRate"

RESULTING_FRAME_RATE = (
    "ResultingFrameRateAbs",
    "ResultingFrameRate",  # Basler, HIKROBOT
    "BslResultingAcquisitionFrameRate",
    "AcquisitionResultingFrameRate",  # FLIR
    "mvResultingFrameRate",
    "CurrentAcquisitionFrameRate",  # Daheng
)
_RESULTS = re.compile(r"(?=.*frame_?rate)(?=.*(resulting|current|actual|effective))", re.IGNORECASE)
_OTHER_RATES = re.compile(r"max|min|limit|burst|transfer|enable|mode|raw", re.IGNORECASE)
_NAMED = NamedNumbers()


def put_frame_rate(writer: FeatureWriter, fps: float) -> None:
    """Make the camera go at a frame rate; one past its limit becomes the limit, which the run judges.

    A camera that has no feature for it goes at its own rate, which is none the user has to change.
    """
    for name, on, _ in _SWITCHES:
        node = writer.nodes.find(name)
        if node is not None:
            _switch(writer, node, on)
    if any(writer.nodes.find(name) is not None for name in FRAME_RATE):
        writer.put("fps", "--fps", FRAME_RATE, fps, notation=_NAMED, clamp=True)


def release_frame_rate(writer: FeatureWriter) -> None:
    """Keep the camera's own frame rate from holding a trigger back."""
    for name, _, off in _SWITCHES:
        node = writer.nodes.find(name)
        if node is not None:
            _switch(writer, node, off)


def frame_rate_set(writer: FeatureWriter) -> float | None:
    """Read the frame rate that a free-running camera is set to; None where it heeds none, or may not."""
    for name in FRAME_RATE:
        node = writer.first(name)
        rate = None if node is None else _rate_of(node)
        if node is None or rate is None or _results(node):
            continue
        if not _is_heeded(writer, node):
            return None
        return rate
    return None


def frame_rate_resulting(writer: FeatureWriter) -> float | None:
    """Read the frame rate that comes of all settings, where the camera tells it."""
    others = [name for name in writer.nodes.names() if _RESULTS.match(name) and not _OTHER_RATES.search(name)]
    for name in (*RESULTING_FRAME_RATE, *others):
        node = writer.first(name)
        rate = None if node is None else _rate_of(node)
        if rate:
            return rate
    for name in FRAME_RATE:
        node = writer.first(name)
        if node is not None and _results(node) and (rate := _rate_of(node)):
            return rate
    return None


def _switch(writer: FeatureWriter, node: Node, wanted: tuple[Value, ...]) -> None:
    for value in wanted:
        if (node.kind is NodeKind.BOOLEAN) == isinstance(value, bool):
            choices = () if isinstance(value, bool) else node.choices()
            if (isinstance(value, bool) or value in choices) and writer.prepare(node.name, value):
                return


def _is_heeded(writer: FeatureWriter, node: Node) -> bool:
    """Say whether the camera heeds its frame rate, by the switches known here, else by the rate's lock."""
    pace = writer.first(_PACED_BY)
    if pace is not None and pace.kind is NodeKind.ENUMERATION and _PACED in pace.choices():
        return pace.read() == _PACED
    known = [(state, on, off) for name, on, off in _SWITCHES if (state := writer.value(name)) is not None]
    if any(state in off for state, _, off in known):
        return False
    return node.writable or any(state in on for state, on, _ in known)


def _results(node: Node) -> bool:
    return not node.writable and not node.lockable


def _rate_of(node: Node) -> float | None:
    if not node.readable:
        return None
    try:
        value = _NAMED.from_node(node.read())
    except NodeRefusalError:
        return None
    return None if isinstance(value, str) or value <= 0 else float(value)
