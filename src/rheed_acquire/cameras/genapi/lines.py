"""The lines of a GenICam camera, its inputs and outputs, as it tells of them."""

from __future__ import annotations

from rheed_acquire.cameras.camera import CameraError, CameraSettingError
from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.nodes import NodeMap, NodeRefusalError

SELECTOR, STATUS = "LineSelector", "LineStatus"


def line_is_high(nodes: NodeMap, device: str, line: str) -> bool:
    """Read the level of a line, whatever line is selected; see `Camera.line_is_high`.

    ``LineStatusAll`` would tell of all lines at once, and is not used: in which bit a line is, the SFNC says
    and cameras do otherwise.

    Parameters
    ----------
    nodes
        The device's features.
    device
        As messages name it.

    Raises
    ------
    CameraSettingError
        The camera has no such line, or does not tell of it.
    CameraError
        It does not answer.
    """
    try:
        writer = FeatureWriter(nodes)
        selector = writer.first(SELECTOR)
        lines = () if selector is None else selector.choices()
        if not lines:
            raise CameraSettingError(f"{device} tells of no line: it has no feature {SELECTOR}")
        found = next((name for name in lines if name.casefold() == line.casefold()), None)
        if found is None:
            raise CameraSettingError(f"{device} has no line {line}: it has {', '.join(lines)}")
        with writer.at(((SELECTOR, found),)):
            level = writer.value(STATUS)
    except NodeRefusalError as error:
        raise CameraError(f"{device} does not tell of line {line}: {error}") from error
    if level is None:
        raise CameraSettingError(f"{device} does not tell of line {found}: its {STATUS} cannot be read")
    return bool(level)
