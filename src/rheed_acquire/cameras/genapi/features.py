"""Setting a GenICam device's features by name, with the device's own limits and what it made of the value."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from rheed_acquire.cameras.camera import CameraSettingError, SettingReadback
from rheed_acquire.cameras.genapi.nodes import Node, NodeKind, NodeMap, NodeRefusalError, Value
from rheed_acquire.cameras.genapi.values import PLAIN, Notation, allowed, as_kind, converted, within_limits

Place: TypeAlias = tuple[tuple[str, Value], ...]
"""The selectors of a feature and their values, the outermost first; empty for most features."""


@dataclass(slots=True)
class _Setting:
    """One setting that a device has taken."""

    name: str
    asked: Value
    taken: Value
    node: Node
    place: Place
    notation: Notation
    is_feature: bool
    clamped: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the user asks of a feature by its own name."""

    flag: str
    asked: Value
    value: Value


class FeatureWriter:
    """Sets features, keeps what became of each, and keeps what was refused until all have been tried.

    A setting can be put again, as settings that depend on others are: the last outcome counts. What the user
    asks of a feature by its own name is claimed: no `prepare` overrides it, and a setting that asks for
    something else of the same feature is refused.

    Parameters
    ----------
    nodes
        The device's features.
    """

    def __init__(self, nodes: NodeMap) -> None:
        self.nodes = nodes
        self._settings: dict[str, _Setting] = {}
        self._problems: dict[str, str] = {}
        self._places: dict[tuple[str, str], Place] = {}
        self._claims: dict[tuple[str, Place], _Claim] = {}
        self._withheld: list[str] = []

    @property
    def problems(self) -> list[str]:
        """One line for each value that was refused, for the user."""
        return list(self._problems.values())

    def first(self, *names: str) -> Node | None:
        """Give the first of the named features that the device has now."""
        for name in names:
            node = self.nodes.find(name)
            if node is not None and (node.readable or node.writable):
                return node
        return None

    def value(self, *names: str) -> Value | None:
        """Read the first of the named features that can be read."""
        for name in names:
            node = self.nodes.find(name)
            if node is not None and node.readable:
                try:
                    return node.read()
                except NodeRefusalError:
                    continue
        return None

    def number(self, *names: str) -> float | None:
        """Read the first of the named features that can be read and holds a number."""
        value = self.value(*names)
        return None if value is None or isinstance(value, str) else float(value)

    def force(self, name: str, value: Value) -> bool:
        """Set a feature, whoever wants it otherwise; say whether the device has it and took it."""
        node = self.nodes.find(name)
        if node is None or not node.writable:
            return False
        try:
            node.write(value)
        except NodeRefusalError:
            return False
        return True

    def prepare(self, name: str, value: Value) -> bool:
        """Set what some other setting depends on; say whether the device has it and has it so now.

        Where the user asks for something else by the feature's own name, that stands, and a setting that is
        refused for it says so.
        """
        node = self.nodes.find(name)
        claim = None if node is None else self._claims.get((node.name, self._place_now(node)))
        if claim is None:
            return self.force(name, value)
        if claim.value != value:
            self._withheld.append(
                f"{name} {value} is needed for that, and {claim.flag} asks for {claim.asked}"
            )
        return claim.value == value

    def claimed(self, name: str) -> bool:
        """Say whether the user asks for a value of this feature by its own name."""
        return any(node.casefold() == name.casefold() for node, _ in self._claims)

    @contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Set selectors for the time of a block, and set them back.

        Raises
        ------
        NodeRefusalError
            A selector does not take its value.
        """
        before: list[tuple[Node, Value]] = []
        try:
            for name, value in place:
                node = self.nodes.find(name)
                if node is None:
                    raise NodeRefusalError(f"needs a feature {name}, which the camera does not have")
                present = node.read()
                if present != value:
                    before.append((node, present))
                    node.write(value)
            yield
        finally:
            for node, present in reversed(before):
                with suppress(NodeRefusalError):
                    node.write(present)

    def begin(self, settings: Sequence[str]) -> None:
        """Forget why these settings were refused: they are tried again."""
        self._withheld.clear()
        for setting in settings:
            self._problems.pop(setting, None)

    def refuse(self, setting: str, problem: str) -> None:
        """Note why a setting cannot be had, in one line for the user."""
        self._problems[setting] = "; ".join((problem, *self._withheld))

    def put(
        self,
        setting: str,
        flag: str,
        names: Sequence[str],
        asked: Value,
        *,
        notation: Notation = PLAIN,
        clamp: bool = False,
        selected: Sequence[tuple[str, str]] | None = None,
    ) -> Node | None:
        """Set the first of the named features that the device lets be set to what the user asked for.

        Parameters
        ----------
        setting, flag
            The name of the setting, and how the user gives it, for the report and for messages.
        names
            Candidates, the best first.
        asked
            The value; text is turned into what the feature holds.
        notation
            How the feature writes the setting down.
        clamp
            Whether a number outside the limits becomes the nearest limit instead of being refused.
        selected
            Selectors and their values, for a feature that the user asks for by its own name; None for any
            other setting. What no pair names is where it was when the setting was first tried.

        Returns
        -------
        Node or None
            The feature, or None where the value was refused, which `problems` then says.
        """
        self._problems.pop(setting, None)
        self._settings.pop(setting, None)
        is_feature = selected is not None
        node = self._settable(names)
        if node is None:
            self.refuse(setting, f"{flag} {asked}: {self._missing(names)}")
            return None
        try:
            place = self._place(setting, node, selected or ())
            with self.at(place):
                self._check_claim(node, place, flag, asked, notation, is_feature=is_feature)
                taken = self._write(node, asked, notation, clamp=clamp)
        except (ValueError, NodeRefusalError) as error:
            self.refuse(setting, f"{flag} {asked}: {node.name} {error}")
            return None
        clamped = clamp and as_kind(asked, taken) != taken
        kept = _Setting(setting, asked, taken, node, place, notation, is_feature, clamped)
        self._settings[setting] = kept
        return node

    def settled(self, setting: str) -> bool:
        """Say whether a setting was taken, and is still as it was then, whatever was set after it."""
        kept = self._settings.get(setting)
        if kept is None:
            return setting not in self._problems
        return not kept.clamped and self._present(kept) == kept.taken

    def outcome(self) -> tuple[object, ...]:
        """Give what became of all settings, to see whether trying again has changed anything."""
        taken = tuple((name, kept.taken) for name, kept in sorted(self._settings.items()))
        return taken, tuple(sorted(self._problems.items()))

    def readbacks(self) -> tuple[SettingReadback, ...]:
        """Give every setting that was taken, as the device holds it now; features by their own names last."""
        readbacks = []
        for kept in sorted(self._settings.values(), key=lambda kept: kept.is_feature):
            actual = self._present(kept)
            asked = as_kind(kept.asked, actual)
            if kept.node.kind is NodeKind.ENUMERATION and str(asked).casefold() == str(actual).casefold():
                asked = actual  # the spelling is no difference worth reporting
            readbacks.append(SettingReadback(kept.name, asked, actual))
        return tuple(readbacks)

    def raise_problems(self, device: str) -> None:
        """Raise one error for all that was refused.

        Raises
        ------
        CameraSettingError
            There is at least one problem.
        """
        problems = self.problems
        if len(problems) == 1:
            raise CameraSettingError(f"{device} refuses {problems[0]}")
        if problems:
            listed = "\n  ".join(problems)
            raise CameraSettingError(f"{device} refuses {len(problems)} settings:\n  {listed}")

    def _settable(self, names: Sequence[str]) -> Node | None:
        """Choose among what one thing is called: what can be set now, else what there is now, else at all."""
        known = [node for node in map(self.nodes.find, names) if node is not None]
        for fits in (lambda node: node.writable, lambda node: node.readable, lambda _: True):
            for node in known:
                if fits(node):
                    return node
        return None

    def _place(self, setting: str, node: Node, selected: Sequence[tuple[str, str]]) -> Place:
        """Give where a setting is: as the user says, else as the selectors were when it was first tried."""
        key = (setting, node.name)
        if key not in self._places:
            place = dict(self._place_now(node))
            for name, value in selected:
                selector, choice = self._selection(node, name, value)
                place[selector] = choice
            self._places[key] = tuple(place.items())
        return self._places[key]

    def _place_now(self, node: Node) -> Place:
        place: dict[str, Value] = {}
        waiting = [*node.selectors()]
        while waiting:
            selector = self.nodes.find(waiting.pop(0))
            if selector is not None and selector.name not in place and selector.readable:
                place[selector.name] = selector.read()
                waiting += selector.selectors()
        return tuple(reversed(place.items()))

    def _selection(self, node: Node, name: str, value: str) -> tuple[str, Value]:
        """Find the selector that is meant, and its value as it spells it.

        Raises
        ------
        ValueError
            There is none, or more than one; the message says what there is.
        """
        selectors = [found for found in map(self.nodes.find, node.selectors()) if found is not None]
        if not selectors:
            raise ValueError(f"has no selector, so that [{value}] means nothing")
        named = [
            selector for selector in selectors if not name or selector.name.casefold() == name.casefold()
        ]
        fitting: list[tuple[str, Value]] = []
        for selector in named:
            with suppress(ValueError, NodeRefusalError):
                fitting.append(
                    (selector.name, within_limits(selector, converted(selector, value), clamp=False))
                )
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            several = ", ".join(f"[{selector}:{value}]" for selector, _ in fitting)
            raise ValueError(f"has several selectors: say which, {several}")
        has = "; ".join(f"{selector.name} {allowed(selector)}" for selector in selectors)
        raise ValueError(f"has no [{f'{name}:' if name else ''}{value}]: {has}")

    def _check_claim(
        self, node: Node, place: Place, flag: str, asked: Value, notation: Notation, *, is_feature: bool
    ) -> None:
        """Claim a feature for the user, or see that nobody else has.

        Raises
        ------
        ValueError
            What is asked for is not what the user asks of the feature by its own name.
        """
        value = notation.to_node(node, asked)
        claim = self._claims.get((node.name, place))
        if claim is not None and claim.flag != flag and claim.value != value:
            raise ValueError(f"cannot be that and {claim.asked}, as {claim.flag} asks; leave one of them out")
        if is_feature and claim is None:
            self._claims[node.name, place] = _Claim(flag, asked, value)

    def _write(self, node: Node, asked: Value, notation: Notation, *, clamp: bool) -> Value:
        value = notation.to_node(node, asked)
        if not node.writable:
            if node.readable and node.kind is not NodeKind.COMMAND and node.read() == value:
                return notation.from_node(value)
            raise NodeRefusalError(_why_not_writable(node))
        if node.kind is NodeKind.COMMAND:
            if value:
                node.execute()
            return asked
        value = within_limits(node, value, clamp=clamp)
        try:
            node.write(value)
        except NodeRefusalError as error:
            can = allowed(node)
            raise NodeRefusalError(f"{can}; it says: {error}" if can else str(error)) from error
        return notation.from_node(node.read()) if node.readable else asked

    def _present(self, kept: _Setting) -> Value:
        """Read a setting where it was set; what cannot be read is taken for unchanged."""
        if kept.node.kind is NodeKind.COMMAND:
            return kept.taken
        try:
            with self.at(kept.place):
                return kept.notation.from_node(kept.node.read()) if kept.node.readable else kept.taken
        except NodeRefusalError:
            return kept.taken

    def _missing(self, names: Sequence[str]) -> str:
        known = {name.casefold(): name for name in self.nodes.names()}
        near = difflib.get_close_matches(names[0].casefold(), known, n=3, cutoff=0.6)
        hint = f"; the nearest it has: {', '.join(known[name] for name in near)}" if near else ""
        if len(names) > 1:
            return f"it has no feature {' or '.join(names)}"
        return f"it has no feature {names[0]}{hint}"


def _why_not_writable(node: Node) -> str:
    if not node.readable:
        return "is not available in the camera's present state"
    return "cannot be set in the camera's present state" if node.lockable else "is read-only"
