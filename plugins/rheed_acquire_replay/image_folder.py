"""Folders of pictures, one frame in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rheed_acquire import CameraError, CameraSettingError
from rheed_acquire_replay.frame_times import take_times
from rheed_acquire_replay.names import Named, jumps_in_words
from rheed_acquire_replay.options import Options
from rheed_acquire_replay.picture_headers import Looked, look
from rheed_acquire_replay.pictures import Picture, decode
from rheed_acquire_replay.recording import Block, Recording

_LISTED = 5


class ImageFolder(Recording):
    """Pictures in the order that their names mean.

    Parameters
    ----------
    named
        The files in their order.
    warnings
        What is to be said of how they were chosen.

    Raises
    ------
    CameraError
        The first one cannot be read.
    CameraSettingError
        Among good ones there is a file that is none, or of another size.
    """

    kind: ClassVar[str] = "an image"

    def __init__(self, path: Path, named: Named, options: Options, warnings: Sequence[str] = ()) -> None:
        looked = _look_at_all(named.files, options)
        # What is no picture of this recording is left out; one that cannot be read is a frame that is
        # missing.
        places = [place for place, one in enumerate(looked) if not one.is_foreign]
        self._files = [named.files[place] for place in places]
        self._bad = {number for number, place in enumerate(places) if looked[place].why is not None}
        first = next((number for number in range(len(places)) if number not in self._bad), None)
        if first is None:
            raise CameraError(f"{path} holds no picture that can be read; {looked[0].why}")
        picture = decode(self._files[first])
        super().__init__(path, picture.pixels.shape, picture.pixels.dtype, len(self._files))
        self.warnings += warnings
        left_out = [str(one.why) for one in looked if one.why is not None]
        if left_out:
            self.warnings.append(f"{len(left_out)} files are left out: {'; '.join(left_out[:_LISTED])}")
        self._describe(named, picture)
        self._take_times(named, places, [looked[place].captured_ns for place in places])

    def blocks(self, first: int, end: int | None) -> Iterator[Block]:
        """See `Recording.blocks`."""
        for number, file in enumerate(self._files[first:end], start=first):
            if number not in self._bad:
                yield Block([number], self.checked(decode(file).pixels, str(file)))

    def _describe(self, named: Named, picture: Picture) -> None:
        last = self._files[-1]
        names = f"{self._files[0].name} to {last.name}" if len(self._files) > 1 else last.name
        self.notes["files"] = f"{len(self._files)}, {names}"
        if picture.bits is not None:
            self.bits, by = picture.bits
            self.notes["depth"] = f"{self.bits} bits, {by}"
        if named.jumps:
            self.warnings.append(jumps_in_words(named.jumps))

    def _take_times(
        self, named: Named, places: Sequence[int], captured: Sequence[tuple[int, str] | None]
    ) -> None:
        """Take the finest that is told: within the files, else in their names."""
        stamps = [None if one is None else one[0] for one in captured]
        by = next((one[1] for one in captured if one is not None), "")
        if stamps[0] is not None and take_times(self, stamps, by):
            return
        if named.moments is not None:
            moments = [named.moments[place] for place in places]
            zone = "" if moments[0].tzinfo else ", taken for this computer's local time"
            take_times(
                self,
                [
                    round(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000
                    for moment in moments
                ],
                f"the files' names{zone}",
            )
        elif named.seconds is not None:
            seconds = [named.seconds[place] for place in places]
            captured_ns, notes = self.captured_ns, dict(self.notes)
            take_times(self, [round(second * 1e6) * 1000 for second in seconds], "the files' names")
            if seconds[0] < 1e8:  # from any origin
                self.captured_ns = captured_ns
                self.notes.pop("captured", None)
                if "captured" in notes:
                    self.notes["captured"] = notes["captured"]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was seen of a file without decoding it whole.

    Attributes
    ----------
    why
        It is left out; None for a good one.
    is_foreign
        Whether it is no frame of the recording at all.
    """

    captured_ns: tuple[int, str] | None = None
    why: str | None = None
    is_foreign: bool = False


def _look_at_all(files: Sequence[Path], options: Options) -> list[_Looked]:
    looked: list[_Looked] = []
    sizes: Counter[tuple[int, int]] = Counter()
    forms: Counter[str] = Counter()
    seen: list[tuple[Looked | None, _Looked]] = []
    for file in files:
        try:
            found = look(file)
        except CameraError as error:
            if not options.skip_bad:
                hint = "; --replay.skip-bad leaves it out" if len(files) > 1 else ""
                raise CameraSettingError(f"{error}{hint}") from None
            seen.append((None, _Looked(None, str(error))))
            continue
        sizes[found.size] += 1
        if found.form is not None:
            forms[found.form] += 1
        seen.append((found, _Looked(found.captured_ns)))
    size = sizes.most_common(1)[0][0] if sizes else (0, 0)
    form = forms.most_common(1)[0][0] if forms else None
    for file, (this, one) in zip(files, seen, strict=True):
        if this is None or (this.size == size and this.form in (form, None)):
            looked.append(one)
            continue
        if this.size != size:
            why = (
                f"{file} has {this.size[1]} x {this.size[0]} pixels, where most of the recording has "
                f"{size[1]} x {size[0]}: all frames of a stream have one size"
            )
        else:
            why = (
                f"{file} is {this.form}, where most of the recording is {form}: all frames of a stream are "
                "alike"
            )
        if not options.skip_bad:
            raise CameraSettingError(f"{why}; --replay.skip-bad leaves it out")
        looked.append(_Looked(None, why, is_foreign=True))
    return looked
