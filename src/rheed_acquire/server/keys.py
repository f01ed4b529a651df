"""The API keys of a server: who shows which, what that one may do, and how much of it.

A key is 256 random bits, of which only the SHA-256 is kept. A slow hash makes guesses of what people choose
dear; nobody guesses 256 bits, and a slow hash for each request would be dear for the server alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from rheed_acquire.clocks.allowance import Allowance
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.recording.run_record import utc_now
from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.remembered import Remembered

if TYPE_CHECKING:
    from rheed_acquire.server.documents import Documents

logger = logging.getLogger(__name__)

KEYS_FILE = "keys.json"
NAMES = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""A key's name is a part of paths, and shown."""
MOST_KEYS = 1000
MOST_STREAMS, REQUESTS_A_SECOND = 16, 50.0
"""What a new key may, unless it is said: far more than a camera takes."""
_AT_ONCE = 4
"""So many seconds of requests may come in one."""
_KNOWN_FOR_S = 2.0
"""For so long a server believes what it has read of keys that were added and revoked."""
_FIRST_PATIENCE_S = -1
"""Without a limit: nobody can be let in before they are read."""


class Right(StrEnum):
    """What a key may do."""

    STREAM = "stream"
    """Make streams, and do with its own, and no other, what the protocol has."""
    READ = "read"
    """See every run: the overview, reports, pictures, metrics."""
    ADMINISTER = "administer"
    """All of that, and link and end streams of other keys."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without what is secret.

    Attributes
    ----------
    name
        None for the one that the server itself was given, which may do everything without a limit.
    rights
        What it may do.
    digest
        The SHA-256 of the key, hexadecimal.
    most_streams
        Open at once.
    requests_s
        Requests a second that one server answers.
    """

    name: str | None
    rights: frozenset[Right]
    digest: str = field(repr=False)
    most_streams: int = MOST_STREAMS
    requests_s: float = REQUESTS_A_SECOND
    created_utc: str = ""

    def may(self, right: Right) -> bool:
        """Whether it may do this."""
        return right in self.rights or Right.ADMINISTER in self.rights

    def is_of(self, streamed_by: str | None) -> bool:
        """Whether it may do with a stream what the protocol has, that was made with the key of this name."""
        return self.may(Right.ADMINISTER) or (self.name is not None and self.name == streamed_by)

    def refuse_unless(self, right: Right) -> None:
        """Refuse what it may not do.

        Raises
        ------
        Refusal
            403.
        """
        if not self.may(right):
            may = " and ".join(sorted(self.rights))
            raise Refusal(403, f"the key {self.name!r} may {may}, and not {right}")


class KeyBook:
    """The keys that are kept with the runs. Thread-safe, and safe among servers."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def kept(self) -> list[Key]:
        """Every key, by its name.

        Raises
        ------
        RheedAcquireError
            They cannot be read.
        """
        try:
            document = self._documents.read(KEYS_FILE)
        except OSError as error:
            raise RheedAcquireError(
                f"the keys in {self._documents} cannot be read: {error.strerror or error}"
            ) from None
        return _parsed(document)

    def add(
        self,
        name: str,
        rights: Iterable[Right],
        most_streams: int = MOST_STREAMS,
        requests_s: float = REQUESTS_A_SECOND,
    ) -> str:
        """Make a key; what is returned is kept nowhere.

        Raises
        ------
        SettingsError
            There is one of this name, or the name is none.
        RheedAcquireError
            It cannot be written.
        """
        if not NAMES.fullmatch(name):
            raise SettingsError(
                f"{name!r} is no name of a key: take 1 to 40 of a-z, 0-9 and hyphens, such as chamber-3"
            )
        shown = secrets.token_urlsafe(32)
        added = Key(name, frozenset(rights), _digest(shown), most_streams, requests_s, utc_now())

        def add(document: bytes | None) -> bytes:
            keys = _parsed(document)
            if any(key.name == name for key in keys):
                raise SettingsError(f"there is a key {name!r} already: revoke it first, or take another name")
            if len(keys) >= MOST_KEYS:
                raise SettingsError(f"there are {MOST_KEYS} keys already, and no room for more")
            return _document([*keys, added])

        self._change(add)
        return shown

    def revoke(self, name: str) -> None:
        """Remove a key: servers refuse it within seconds. Streams that were made with it stay as they are.

        Raises
        ------
        SettingsError
            There is none of this name.
        RheedAcquireError
            It cannot be written.
        """

        def revoke(document: bytes | None) -> bytes:
            keys = _parsed(document)
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                known = ", ".join(str(key.name) for key in keys)
                raise SettingsError(
                    f"there is no key {name!r}" + (f"; there are {known}" if known else ", and no other")
                )
            return _document(left)

        self._change(revoke)

    def _change(self, change: Any) -> None:
        try:
            self._documents.change(KEYS_FILE, change, is_private=True)
        except OSError as error:
            raise RheedAcquireError(
                f"the keys in {self._documents} cannot be written: {error.strerror or error}"
            ) from None


class Keys:
    """Tells whose key a request shows. Thread-safe.

    Parameters
    ----------
    own
        A key that the server itself was given, which may do everything; None for none.
    book
        The keys that are kept; None for none. It is read again every few seconds.
    """

    def __init__(self, own: str | None, book: KeyBook | None = None) -> None:
        self._own = None if own is None else Key(None, frozenset({Right.ADMINISTER}), _digest(own))
        self._kept = None if book is None else Remembered(book.kept, _KNOWN_FOR_S, _FIRST_PATIENCE_S)
        self._counting = threading.Lock()
        self._allowances: dict[tuple[str, float], Allowance] = {}

    def find(self, shown: str | None) -> Key:
        """Find the key that is shown, in a time that does not depend on how much of it is right.

        Raises
        ------
        Refusal
            401 where none is shown, 403 for an unknown one, 429 where it asks too often, 503 where the keys
            cannot be read.
        """
        if not shown:
            raise Refusal(401, "the header X-API-KEY is missing")
        digest = _digest(shown)
        own = [] if self._own is None else [self._own]
        found: Key | None = None
        for key in (*own, *self._known()):
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise Refusal(403, "the API key is not this server's")
        if found.name is not None and not self._allows(found.name, found.requests_s):
            raise Refusal(
                429, f"the key {found.name!r} has made more than {found.requests_s:g} requests a second"
            )
        return found

    def _known(self) -> list[Key]:
        if self._kept is None:
            return []
        try:
            return self._kept()
        except RheedAcquireError as error:
            logger.error("%s", error)  # noqa: TRY400 - where they lie is not for whoever knocks
            raise Refusal(503, "the server cannot read its keys at present") from None

    def _allows(self, name: str, requests_s: float) -> bool:
        with self._counting:
            allowance = self._allowances.get((name, requests_s))
            if allowance is None:
                allowance = self._allowances[name, requests_s] = Allowance(requests_s, requests_s * _AT_ONCE)
            return allowance.take()


def _digest(shown: str) -> str:
    return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()


def _parsed(document: bytes | None) -> list[Key]:
    """Take the keys out of their document.

    Raises
    ------
    RheedAcquireError
        It is damaged: then nobody is let in.
    """
    if document is None:
        return []
    try:
        return [
            Key(
                str(one["name"]), frozenset(map(Right, one["may"])), str(one["sha256"]),
                int(one["streams"]), float(one["requests_s"]), str(one["created_utc"]),
            )
            for one in json.loads(document)["keys"]
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError):
        _refuse_damaged()


def _refuse_damaged() -> NoReturn:
    raise RheedAcquireError(f".server/{KEYS_FILE} is damaged: remove it, and make the keys anew")


def _document(keys: Iterable[Key]) -> bytes:
    """Write the keys down, by their names."""
    return encode_document(
        {
            "keys": [
                {
                    "name": key.name,
                    "may": sorted(key.rights),
                    "sha256": key.digest,
                    "streams": key.most_streams,
                    "requests_s": key.requests_s,
                    "created_utc": key.created_utc,
                }
                for key in sorted(keys, key=lambda key: str(key.name))
            ]
        }
    )
