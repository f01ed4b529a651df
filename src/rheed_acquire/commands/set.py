"""``rheed-acquire set``: change a station's camera while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.station import StationParser
from rheed_acquire.system.terminal import write_json, write_line


def main(arguments: Sequence[str]) -> int:
    """Change exposure or gain, and say what the camera holds then."""
    parser = StationParser(
        "set",
        "Change exposure or gain of the station's camera while it runs, where its backend can. The run that "
        "records has a mark of it, and the camera keeps it until the station ends.",
    )
    parser.add_argument("--exposure-us", type=float, metavar="US", help="exposure time in microseconds")
    parser.add_argument(
        "--gain",
        type=float,
        metavar="GAIN",
        help="in dB, or in raw units where the camera has no dB",
    )
    given, station = parser.read(arguments)
    with station:
        held = station.adjust_camera(exposure_us=given.exposure_us, gain=given.gain)
    if given.json:
        write_json(held.model_dump(mode="json"))
        return 0
    where = "" if held.run is None else f", marked in run {held.run}"
    values = (("exposure", held.exposure_us, " us"), ("gain", held.gain, ""))
    told = ", ".join(f"{name} {value:.10g}{unit}" for name, value, unit in values if value is not None)
    write_line(f"{told}{where}")
    return 0
