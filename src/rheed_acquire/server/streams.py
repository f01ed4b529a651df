"""What the protocol's handlers need of streams, wherever their runs lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rheed_acquire.recording.layout import STREAMED_BY
from rheed_acquire.server.json_body import shown
from rheed_acquire.server.refusal import Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from rheed_acquire.recording.declarations import StreamDeclaration
    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.server.keys import Key


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that is not closed.

    Attributes
    ----------
    heard_utc
        When something was last heard of it, within half a minute.
    """

    data_id: str
    folder: str
    heard_utc: datetime


class Stream(Protocol):
    """A stream."""

    @property
    def data_id(self) -> str:
        """The id that the client knows the stream by."""

    @property
    def streamed_by(self) -> str | None:
        """The name of the key that it was made with; None for the server's own."""

    @property
    def folder(self) -> RunPath:
        """Where its run is."""

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, and all of it is in its place."""

    def link(self, **links: Any) -> None:
        """Record ``physical_sample`` ({"id", "name"}), more ``tags`` (of the same form), or ``growth``."""


AnyStream = TypeVar("AnyStream", bound=Stream)
AStream_co = TypeVar("AStream_co", bound=Stream, covariant=True)


class Streams(Protocol[AStream_co]):
    """The streams of a server."""

    def create(self, declaration: StreamDeclaration, key: Key | None = None, /) -> AStream_co:
        """Make a stream; 429 where the key has as many open as it may."""

    def get(self, data_id: str, /) -> AStream_co:
        """Find a stream, open or closed; 404 where there is none."""

    def close(self, data_id: str, reason: str, /) -> None:
        """End a stream; again does nothing."""

    def refusals(self, data_id: str, /, *, after_a_look: bool = False) -> Sequence[Mapping[str, Any]]:
        """The chunks of a stream that were confirmed and did not hold, each as the protocol tells of it."""

    def open_streams(self) -> Iterable[OpenStream]:
        """Those that are open, of whichever server."""


def no_stream(data_id: str) -> Refusal:
    """Say that there is no such stream, or none that whoever asks may know of."""
    return Refusal(404, f"there is no stream {shown(data_id)}")


def too_many_open(name: str, count: int) -> Refusal:
    """Say that a key has as many streams open as it may."""
    return Refusal(
        429, f"the key {name!r} has {count} streams open, as many as it may: end some of them first"
    )


def links_of(key: Key | None) -> dict[str, Any]:
    """What a new stream's record says of the key that it is made with."""
    return {} if key is None or key.name is None else {STREAMED_BY: key.name}
