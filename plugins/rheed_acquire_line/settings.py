"""Which instruments are asked, what, and where the number is in what they answer."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rheed_acquire import ChannelSettings

_SERIAL_PORT = re.compile(r"/.+|COM[1-9][0-9]*|\\\\\.\\.+", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>[0-9]{1,5})")
ENDINGS = {"crlf": b"\r\n", "cr": b"\r", "lf": b"\n", "none": b""}


def host_and_port(address: str) -> tuple[str, int] | None:
    """Read ``HOST:PORT``; None where it is a serial port's name."""
    spelled = _HOST_AND_PORT.fullmatch(address)
    if spelled is None or _SERIAL_PORT.fullmatch(address):
        return None
    return spelled["v6"] or spelled["host"], int(spelled["port"])


def _address(address: str) -> str:
    address = address.strip()
    if _SERIAL_PORT.fullmatch(address):
        return address
    where = host_and_port(address)
    if where is None or not 0 < where[1] < 2**16:
        raise ValueError("must be HOST:PORT, or a serial port such as COM3 or /dev/ttyUSB0")
    return address


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from None
    return pattern


class LineChannel(ChannelSettings):
    """A number in the lines of an instrument; channels of one address share its connection."""

    address: Annotated[str, AfterValidator(_address)] = Field(
        description="HOST:PORT of an instrument or serial server, or a serial port: COM3, /dev/ttyUSB0"
    )
    query: Annotated[str, Field(min_length=1, max_length=1_000)] | None = Field(
        None, description="what to send for each reading; without it, what the instrument sends by itself"
    )
    pattern: Annotated[str, Field(max_length=1_000), AfterValidator(_pattern)] | None = Field(
        None,
        description="regular expression that finds the number in a line: its first group, or all of it; "
        "without one, the first number",
    )
    ending: Literal["crlf", "cr", "lf", "none"] = Field("crlf", description="what ends a query")
    timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = Field(
        2.0, description="seconds to wait for a line before the connection is made anew"
    )
    baud: Annotated[int, Field(gt=0, le=10_000_000)] = Field(
        9_600, description="of a serial port, bits a second"
    )
    framing: Annotated[str, Field(pattern=r"^[5-8][NEOMS][12]$")] = Field(
        "8N1", description="of a serial port: data bits, parity (N, E, O, M, S) and stop bits"
    )


class LineSettings(BaseModel):
    """Instruments that speak in lines of text, over TCP or a serial port."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    channels: tuple[LineChannel, ...] = Field(
        (),
        max_length=32,
        description="a number to read: name, unit, rate, address, query, pattern, ending, timeout, baud, "
        "framing",
        json_schema_extra={"flag": "channel", "metavar": '"name=... address=..."'},
    )
