"""TIFF stacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rheed_acquire_replay.arrays import ArrayRecording
from rheed_acquire_replay.recording import Block, Recording, reading

if TYPE_CHECKING:
    import tifffile


class TiffPages(Recording):
    """A TIFF file with a frame on each page, compressed or not."""

    kind: ClassVar[str] = "a TIFF file"

    def __init__(self, path: Path, file: tifffile.TiffFile) -> None:
        picture = decode_page(file.pages[0])
        super().__init__(path, picture.shape, picture.dtype, len(file.pages))
        self._file = file

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        assert self.count is not None
        for number in range(first, self.count if end is None else end):
            with reading(self.path, f"{self.kind}, from page {number + 1} on"):
                picture = decode_page(self._file.pages[number])
            yield Block([number], self.checked(picture, f"page {number + 1} of {self.path}"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TiffSeries(ArrayRecording):
    """A TIFF file with one page that describes all frames, which lie one behind the other (ImageJ's)."""

    kind: ClassVar[str] = "a TIFF file"


def open_tiff(path: Path) -> Recording:
    """Open a TIFF file; raises as `open_recording`."""
    with reading(path, TiffPages.kind):
        import tifffile

        file = tifffile.TiffFile(path)
        try:
            series = file.series[0]
            if len(file.pages) == 1 and series.ndim == 3 and series.axes.endswith("YX"):
                with file:
                    return TiffSeries(path, tifffile.memmap(path, mode="r"))
            return TiffPages(path, file)
        except BaseException:
            file.close()
            raise


def decode_page(page: Any) -> NDArray[Any]:
    """Decode one page, in which 0 is black.

    Raises
    ------
    ValueError
        It has colours by palette.
    """
    import tifffile

    whole = page.aspage()
    picture = np.asarray(whole.asarray())
    if whole.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise ValueError("it has colours by palette; save it as gray or RGB")
    if whole.photometric == tifffile.PHOTOMETRIC.MINISWHITE and picture.dtype.kind == "u":
        return np.asarray(np.iinfo(picture.dtype).max - picture)
    return picture
