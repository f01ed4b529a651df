"""What is said of a stream and of each of its chunks before any frame of it has come."""

from __future__ import annotations

from dataclasses import dataclass

from rheed_acquire.cameras.pixel_formats import find_pixel_format
from rheed_acquire.recording.shards import index_bytes, longest_frame


@dataclass(frozen=True, slots=True)
class StreamDeclaration:
    """A stream as its client declares it.

    Attributes
    ----------
    fps
        Frames per second.
    rotational_period
        Frames per rotation of the stage, None for a stationary one.
    """

    name: str
    fps: float
    rotations_per_min: float
    rotational_period: float | None
    project_id: str | None
    azimuth_label: str | None


@dataclass(frozen=True, slots=True)
class PixelDeclaration:
    """What an archive's frames are, which are kept as the camera delivered them.

    Attributes
    ----------
    pixel_format
        In PFNC spelling; samples that came packed have an element each. Mosaics and colour are as they are.
    bit_depth
        Significant bits of a sample: uint8 up to 8, uint16 above.
    bit_shift
        How far samples are shifted right to be the stream's 8 bits.
    """

    pixel_format: str
    bit_depth: int
    bit_shift: int

    @property
    def sample_bytes(self) -> int:
        """That one sample takes."""
        return 1 if self.bit_depth <= 8 else 2

    @property
    def channels(self) -> str:
        """The samples of each pixel in colour, such as ``RGB``; empty where it has one."""
        return find_pixel_format(self.pixel_format).channels

    @property
    def axes(self) -> int:
        """Of the array of frames."""
        return 4 if self.channels else 3


@dataclass(frozen=True, slots=True)
class ChunkDeclaration:
    """A chunk as its client declares it.

    Attributes
    ----------
    index
        Its place in the stream, from 0.
    frames, height, width
        Its shape: ``frames`` images of ``height`` rows and ``width`` columns.
    chunk_size
        Frames in a full chunk of this stream.
    start_unix_ms
        When its first frame was captured, ms since 1970, UTC.
    clock_offset_ms, clock_uncertainty_ms
        The clock correction already in ``start_unix_ms`` and its bound; None where none was applied.
    avg_frame_rate
        Frames per second at which its frames follow the first; None (of chunks kept by earlier versions) for
        the stream's.
    """

    index: int
    frames: int
    height: int
    width: int
    chunk_size: int
    start_unix_ms: int
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None
    avg_frame_rate: float | None = None

    @property
    def largest_shard(self) -> int:
        """More bytes than any shard of this chunk can have."""
        frames = self.frames * longest_frame(self.height * self.width)
        return frames + index_bytes(self.chunk_size) + 65_536
