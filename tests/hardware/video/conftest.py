"""What FFmpeg opens needs PyAV."""

from __future__ import annotations

import pytest

pytest.importorskip("av", reason="PyAV is not installed")
