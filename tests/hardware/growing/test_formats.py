"""Every format, by a process that is killed in the middle of a frame; the campaign is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hardware.growing.campaign import follow
from tests.hardware.growing.writers import FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_every_whole_frame_comes_once_in_order_as_it_was_written(name: str, tmp_path: Path) -> None:
    follow(name, tmp_path, frames=150, fps=300.0)
