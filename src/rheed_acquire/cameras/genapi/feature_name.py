"""How a user names a feature of a device, and which of its values where a selector chooses among several."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"(?P<name>[^\[\]]+)(?P<selected>(?:\[[^\[\]]+\])*)")


@dataclass(frozen=True, slots=True)
class FeatureName:
    """A feature, and what its selectors have to be.

    Attributes
    ----------
    name
        As the user spells it.
    selected
        One pair for each ``[VALUE]`` or ``[SELECTOR:VALUE]`` behind the name: the selector, empty where the
        user leaves it to the device's description, and its value.
    """

    name: str
    selected: tuple[tuple[str, str], ...] = ()


def parse_feature_name(text: str) -> FeatureName:
    """Read ``Gain``, ``ChunkEnable[Timestamp]`` or ``ChunkEnable[ChunkSelector:Timestamp]``.

    Raises
    ------
    ValueError
        It has another form.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError("is spelled NAME, or NAME[VALUE] for one value of its selector")
    selected = []
    for part in re.findall(r"\[([^\[\]]+)\]", form["selected"]):
        selector, colon, value = part.rpartition(":")
        selected.append((selector.strip(), value.strip()) if colon else ("", part.strip()))
    return FeatureName(form["name"].strip(), tuple(selected))
