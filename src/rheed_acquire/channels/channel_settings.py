"""The settings that channels share; a plugin derives those of its channels from them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rheed_acquire.channels.channel import MOST_RATE_HZ, channel_name, channel_unit

_PART = re.compile(
    r"""\s*(?P<name>\w[\w-]*)=(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>(?:[^\s"']\S*)?))(?=\s|$)"""
)


class ChannelSettings(BaseModel):
    """A channel, as an item of a plugin's setting: a table of the settings file, or one text.

    As text, for a flag or a variable: ``name=temperature unit=°C rate=10``. A value with blanks stands
    between quotation marks, in which nothing else has a meaning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: Annotated[str, AfterValidator(channel_name)] = Field(description="what the channel is called")
    unit: Annotated[str | None, AfterValidator(channel_unit)] = Field(
        None, description="what its numbers are in"
    )
    rate: Annotated[float, Field(gt=0, le=MOST_RATE_HZ, allow_inf_nan=False)] | None = Field(
        None, description="how often a second to read it"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        fields: dict[str, str] = {}
        place = 0
        text = value.strip()
        while place < len(text):
            part = _PART.match(text, place)
            if part is None:
                raise ValueError(
                    "must be NAME=VALUE pairs with blanks between, such as name=temperature unit=K"
                )
            name = part["name"].replace("-", "_")
            if name in fields:
                raise ValueError(f"{name} is in it twice; leave one out")
            fields[name] = next(
                found for found in part.group("double", "single", "bare") if found is not None
            )
            place = part.end()
        return fields

    def __str__(self) -> str:
        said = [(name, str(getattr(self, name))) for name in type(self).model_fields]
        given = [(name, text) for name, text in said if name in self.model_fields_set]
        return " ".join(f'{name}="{text}"' if " " in text else f"{name}={text}" for name, text in given)
