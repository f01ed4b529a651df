"""A channel as a user describes it: as a table of the file, or as one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rheed_acquire import ChannelSettings
from rheed_acquire.channels.channel import channel_name, times_of

PLAIN = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)


@given(PLAIN, PLAIN, st.floats(0.001, 100))
def test_a_text_says_the_same_as_a_table(name: str, unit: str, rate: float) -> None:
    table = {"name": f"{name} {name}", "unit": unit, "rate": rate}
    for quote in "\"'":
        text = f"  unit={unit}   name={quote}{name} {name}{quote} rate={rate!r} "
        assert ChannelSettings.model_validate(text) == ChannelSettings.model_validate(table)
        assert ChannelSettings.model_validate(str(ChannelSettings.model_validate(text))).rate == rate


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("temperature", "NAME=VALUE"),
        ("name='temperature", "NAME=VALUE"),
        ("name=a name=b", "twice"),
        ("unit=K", "name"),
        ("name=", "1 to 64"),
        ("name=time", "cannot be"),
        ("name=a_time", "cannot be"),
        ("name=a rate=1000", "rate"),
        ("name=a colour=red", "colour"),
    ],
)
def test_what_describes_no_channel_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ChannelSettings.model_validate(text)


def test_no_channel_can_be_called_as_another_ones_times_are() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        channel_name(times_of("temperature"))
