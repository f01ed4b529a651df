"""What the user says of a recording that it does not tell, or tells wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rheed_acquire import CameraSettingError
from rheed_acquire_replay.samples import Scale
from rheed_acquire_replay.settings import ReplaySettings, parse_scale

if TYPE_CHECKING:
    from rheed_acquire_replay.raw_file import RawLayout


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says.

    Attributes
    ----------
    dataset
        Which array of a file is meant.
    axes
        Which axis of an array is which, such as ``TYX``.
    bits
        Significant bits of a sample.
    scale
        What is black and what is white.
    raw
        How frames lie in a file without a header.
    skip_bad
        Whether frames and files that cannot be read are left out.
    """

    dataset: str | None = None
    axes: str | None = None
    bits: int | None = None
    scale: Scale | None = None
    raw: RawLayout | None = None
    skip_bad: bool = False

    @classmethod
    def of(cls, settings: ReplaySettings) -> Self:
        """Take them from the settings.

        Raises
        ------
        CameraSettingError
            How the frames lie in a raw file cannot be understood.
        """
        from rheed_acquire_replay.raw_file import RawLayout

        try:
            raw = None if settings.raw is None else RawLayout.parse(settings.raw)
        except ValueError as error:
            raise CameraSettingError(f"--replay.raw {settings.raw}: {error}") from None
        return cls(
            dataset=settings.dataset,
            axes=settings.axes,
            bits=settings.bits,
            scale=None if settings.scale is None else Scale(*parse_scale(settings.scale)),
            raw=raw,
            skip_bad=settings.skip_bad,
        )
