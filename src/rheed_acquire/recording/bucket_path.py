"""A place in a bucket, read as `pathlib.Path` reads one on a disk."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.bucket import open_bucket, told_as_os_errors

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket_url(text: str) -> bool:
    """Whether a text names a place in a bucket, and no file or folder."""
    return text.startswith(SCHEME)


@total_ordering
class BucketPath:
    """``s3://BUCKET/PREFIX``: a folder or an object in a bucket, with the methods of a `pathlib.Path`.

    It holds no credentials and no connection: pickled, it is the URL, and whoever unpickles it needs
    credentials of his own. Folders are what stands before a slash in objects' keys, so that an empty one is
    not there.

    Parameters
    ----------
    url
        Such as ``s3://growth/runs/2026-11-29-120000-growth-1-1a2b3c4d``.

    Raises
    ------
    SettingsError
        It is no such URL, or has ``.`` or ``..`` in it.
    """

    __slots__ = ("bucket", "parts")

    def __init__(self, url: str) -> None:
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if not is_bucket_url(url) or not _BUCKET.fullmatch(bucket):
            raise SettingsError(f"{url!r} is no place in a bucket, which is spelled s3://BUCKET/PREFIX")
        self.bucket = bucket
        self.parts: tuple[str, ...] = _parts(key)

    def __str__(self) -> str:
        return SCHEME + "/".join((self.bucket, *self.parts))

    def __repr__(self) -> str:
        return f"BucketPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketPath) and self._place == other._place

    def __lt__(self, other: BucketPath) -> bool:
        return self._place < other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __reduce__(self) -> tuple[type[BucketPath], tuple[str]]:
        return BucketPath, (str(self),)

    def __truediv__(self, below: str) -> BucketPath:
        return self.joinpath(below)

    @property
    def _place(self) -> tuple[str, ...]:
        return (self.bucket, *self.parts)

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return "/".join(self.parts)

    @property
    def store(self) -> S3Store:
        """The bucket, for what needs more than a path does."""
        return open_bucket(self.bucket)

    @property
    def name(self) -> str:
        """Its last part; empty for the bucket itself."""
        return self.parts[-1] if self.parts else ""

    @property
    def parent(self) -> BucketPath:
        """The folder that it is in; of the bucket itself, the bucket."""
        return self._with(self.parts[:-1])

    def joinpath(self, *below: str) -> BucketPath:
        """A place below this one."""
        return self._with(self.parts + tuple(part for piece in below for part in _parts(piece)))

    def absolute(self) -> BucketPath:
        """Itself."""
        return self

    def path_from(self, above: BucketPath) -> str:
        """How it is reached from a folder that it is in, with slashes."""
        return "/".join(self.parts[len(above.parts) :])

    def read_bytes(self) -> bytes:
        """Read an object.

        Raises
        ------
        OSError
            It is not there, or the store does not give it.
        """
        import obstore

        with told_as_os_errors():
            return bytes(obstore.get(self.store, self.key).bytes())

    def write_bytes(self, data: bytes) -> None:
        """Write an object, all of it at once.

        Raises
        ------
        OSError
            The store does not take it.
        """
        import obstore

        with told_as_os_errors():
            obstore.put(self.store, self.key, data)

    def is_file(self) -> bool:
        """Whether there is an object.

        Raises
        ------
        OSError
            The store does not tell.
        """
        import obstore

        if not self.parts:
            return False
        with contextlib.suppress(FileNotFoundError), told_as_os_errors():
            obstore.head(self.store, self.key)
            return True
        return False

    def is_dir(self) -> bool:
        """Whether there is anything below; raises as `is_file`."""
        import obstore

        with told_as_os_errors():
            return bool(next(iter(obstore.list(self.store, self._prefix, chunk_size=1)), None))

    def exists(self) -> bool:
        """Whether there is an object, or anything below; raises as `is_file`."""
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator[BucketPath]:
        """Go through what is right below.

        Raises
        ------
        OSError
            There is nothing, or the store does not tell.
        """
        import obstore

        with told_as_os_errors():
            found = obstore.list_with_delimiter(self.store, self._prefix)
        keys = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
        if not keys:
            raise FileNotFoundError(errno.ENOENT, "there is nothing", str(self))
        yield from (self._with(tuple(key.split("/"))) for key in keys)

    @property
    def _prefix(self) -> str | None:
        return f"{self.key}/" if self.parts else None

    def _with(self, parts: tuple[str, ...]) -> BucketPath:
        made = object.__new__(BucketPath)
        made.bucket, made.parts = self.bucket, parts
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """As a setting it is written as its URL."""
        from pydantic_core import core_schema

        def parse(value: Any) -> BucketPath:
            if isinstance(value, BucketPath):
                return value
            if not isinstance(value, str) or not is_bucket_url(value):
                raise ValueError("must be spelled s3://BUCKET/PREFIX")
            try:
                return cls(value)
            except SettingsError as error:
                raise ValueError(str(error)) from None

        return core_schema.no_info_plain_validator_function(
            parse, serialization=core_schema.to_string_ser_schema()
        )


def _parts(key: str) -> tuple[str, ...]:
    parts = tuple(part for part in key.split("/") if part)
    if {".", ".."} & set(parts):
        raise SettingsError(f"'.' and '..' mean nothing in a bucket: {key!r}")
    return parts
