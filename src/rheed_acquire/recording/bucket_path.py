"""A place in a bucket, read as `pathlib.Path` reads one on a disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.bucket import open_bucket, time_for, told_as_os_errors

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from obstore import PutMode
    from obstore.store import S3Store

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket_url(text: str) -> bool:
    """Whether a text names a place in a bucket, and no file or folder."""
    return text.startswith(SCHEME)


class BucketFile:
    """An object as an open file, read by ranges: only what is asked for is fetched."""

    def __init__(self, path: BucketPath) -> None:
        self._path, self._at = path, 0
        self.size, self.tag = path.size_and_tag()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place in it."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read from there on.

        Raises
        ------
        OSError
            The store does not give it.
        """
        import obstore

        end = self.size if size < 0 else min(self.size, self._at + size)
        if end <= self._at:
            return b""
        with told_as_os_errors():
            data = bytes(obstore.get_range(self._path.store, self._path.key, start=self._at, end=end))
        self._at = end
        return data


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

    def tagged(self) -> tuple[bytes, str]:
        """Read an object, and the tag by which `replace` knows it; raises as `read_bytes`."""
        import obstore

        with told_as_os_errors():
            found = obstore.get(self.store, self.key)
            return bytes(found.bytes()), str(found.meta["e_tag"])

    def size_and_tag(self) -> tuple[int, str]:
        """Ask for an object's length in bytes and its tag; raises as `read_bytes`."""
        import obstore

        with told_as_os_errors():
            found = obstore.head(self.store, self.key)
        return found["size"], str(found["e_tag"])

    def create(self, data: bytes) -> str:
        """Write an object that is not there yet; its tag.

        Raises
        ------
        FileExistsError
            It is there.
        OSError
            The store does not take it.
        """
        return self._put(data, "create")

    def replace(self, data: bytes, tag: str) -> str:
        """Write an object anew that is still as it was when its tag was told; its new tag.

        Raises
        ------
        ChangedMeanwhileError
            It is not.
        OSError
            The store does not take it.
        """
        return self._put(data, {"e_tag": tag})

    def _put(self, data: bytes, mode: PutMode) -> str:
        import obstore

        store = open_bucket(self.bucket, answers_within_s=time_for(len(data)))
        with told_as_os_errors():
            return str(obstore.put(store, self.key, data, mode=mode)["e_tag"])

    def copy_to(self, target: BucketPath) -> None:
        """Have the store copy an object within its bucket; raises as `read_bytes`."""
        import obstore

        with told_as_os_errors():
            obstore.copy(self.store, self.key, target.key)

    def unlink(self) -> None:
        """Remove an object; one that is not there is removed.

        Raises
        ------
        OSError
            The store does not.
        """
        import obstore

        with contextlib.suppress(FileNotFoundError), told_as_os_errors():
            obstore.delete(self.store, self.key)

    def below(self, after: str | None = None) -> Iterator[tuple[BucketPath, str, datetime]]:
        """Go through all objects below: each with its tag, and when it was written by the store's clock.

        Parameters
        ----------
        after
            Leaves out all up to this one, which lies right below, in the order of their keys.

        Raises
        ------
        OSError
            The store does not tell.
        """
        import obstore

        offset = None if after is None else (self / after).key
        with told_as_os_errors():
            for found in obstore.list(self.store, self._prefix, offset=offset):
                for one in found:
                    yield self._with(tuple(one["path"].split("/"))), str(one["e_tag"]), one["last_modified"]

    def bytes_below(self) -> int:
        """How long all objects below are together; raises as `below`."""
        import obstore

        with told_as_os_errors():
            return sum(one["size"] for found in obstore.list(self.store, self._prefix) for one in found)

    def upload_url(self, valid_for: timedelta) -> str:
        """Make a URL by which whoever has it can put this object, and nothing else, for so long."""
        import obstore

        with told_as_os_errors():
            return obstore.sign(self.store, "PUT", self.key, valid_for)

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

    def folders(self) -> list[str]:
        """The names of the folders right below; raises as `iterdir`, but where there is nothing."""
        import obstore

        with told_as_os_errors():
            found = obstore.list_with_delimiter(self.store, self._prefix)
        return [key.rstrip("/").rpartition("/")[2] for key in found["common_prefixes"]]

    @property
    def _prefix(self) -> str | None:
        return f"{self.key}/" if self.parts else None

    def _with(self, parts: tuple[str, ...]) -> BucketPath:
        made = object.__new__(type(self))
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
