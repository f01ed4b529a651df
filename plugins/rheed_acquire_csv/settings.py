"""Which file is followed, and which of its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rheed_acquire import ChannelSettings

_Column = Annotated[str, Field(min_length=1, max_length=200)]


class CsvChannel(ChannelSettings):
    """A column of a table that another program writes."""

    path: Path = Field(description="the file; it need not be there yet")
    column: _Column = Field(description="the column's name in the header, or its number, counted from 1")
    time: _Column | None = Field(
        None,
        description="the column that says when, by name or number: seconds or milliseconds since 1970, or a "
        "date; without it, readings are dated when they are found",
    )
    time_format: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="of dates that are not ISO 8601, as Python's strptime has it: %d.%m.%Y %H:%M:%S"
    )
    delimiter: Annotated[str, Field(pattern=r"^(.|tab)$")] | None = Field(
        None, description="between columns, tab for a tab; without it, whichever the header has"
    )


class CsvSettings(BaseModel):
    """CSV files that other programs write while they measure."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    channels: tuple[CsvChannel, ...] = Field(
        (),
        max_length=32,
        description="a column to read: name, unit, rate, path, column, time, time-format, delimiter",
        json_schema_extra={"flag": "channel", "metavar": '"name=... path=... column=..."'},
    )
