"""Where a run lies: in a folder, or in a bucket. What reads the one reads the other."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from rheed_acquire.recording.bucket_path import BucketPath, is_bucket_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

RunPath: TypeAlias = Path | BucketPath
SomePath = TypeVar("SomePath", Path, BucketPath, Path | BucketPath)


def run_path(named: str | PathLike[str] | BucketPath) -> RunPath:
    """Take what a user names: a path, or ``s3://BUCKET/PREFIX``.

    Raises
    ------
    SettingsError
        It begins like a bucket's and is none.
    """
    if isinstance(named, BucketPath):
        return named
    return BucketPath(named) if isinstance(named, str) and is_bucket_url(named) else Path(named)


def path_below(path: RunPath, above: RunPath) -> str:
    """How a path is reached from a folder that it is in, with slashes."""
    if isinstance(path, Path):
        assert isinstance(above, Path)
        return path.relative_to(above).as_posix()
    assert isinstance(above, BucketPath)
    return path.path_from(above)


def folders_below(place: RunPath) -> list[str]:
    """The names of the folders right below a place; none where it is not there.

    Raises
    ------
    OSError
        Disk or store do not tell.
    """
    try:
        if isinstance(place, Path):
            return [path.name for path in place.iterdir() if path.is_dir()]
        return place.folders()
    except FileNotFoundError:
        return []


def zarr_store(path: RunPath) -> Any:
    """What zarr-python opens to read what lies below a path.

    Raises
    ------
    SettingsError
        obstore is not installed.
    """
    return path if isinstance(path, Path) else _bucket_store(path)


def _bucket_store(path: BucketPath) -> Any:
    from zarr.storage import ObjectStore

    from rheed_acquire.recording.bucket import open_bucket, told_as_os_errors

    class BucketStore(ObjectStore):  # type: ignore[type-arg]  # its older versions have none
        """Zarr's store, which raises what reading a file would raise, and is pickled without credentials."""

        def __reduce__(self) -> Any:
            return _bucket_store, (path,)

        async def get(
            self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
        ) -> Buffer | None:
            with told_as_os_errors():
                return await super().get(key, prototype, byte_range)

        async def get_partial_values(
            self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
        ) -> list[Buffer | None]:
            with told_as_os_errors():
                return await super().get_partial_values(prototype, key_ranges)

        async def exists(self, key: str) -> bool:
            with told_as_os_errors():
                return await super().exists(key)

    return BucketStore(open_bucket(path.bucket, path.key), read_only=True)
