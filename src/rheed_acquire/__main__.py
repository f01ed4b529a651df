"""``python -m rheed_acquire``, the same as ``rheed-acquire``."""

from __future__ import annotations

from rheed_acquire.cli import command

command()
