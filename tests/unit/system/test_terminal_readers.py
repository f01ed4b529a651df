"""What a failed write says of the reader, on each system."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from rheed_acquire.system.terminal import is_reader_gone

WRITES_ON = """
import sys

sys.stdin.readline()
from rheed_acquire.system.terminal import is_reader_gone

try:
    for _ in range(1000):
        sys.stdout.write("x" * 65536)
        sys.stdout.flush()
except OSError as error:
    sys.exit(7 if is_reader_gone(error) else f"not known: {error!r}")
"""


def test_the_error_of_this_system_is_known_for_a_reader_that_has_gone() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES_ON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    writer.stdin.write("\n")
    writer.stdin.close()
    said = writer.stderr.read()
    writer.stderr.close()
    assert writer.wait(60) in (7, 120), (
        said
    )  # 120: what is left of the buffer could not be written at the end


@pytest.mark.parametrize(
    ("number", "windows", "expected"),
    [
        (errno.EPIPE, False, True),
        (errno.EPIPE, True, True),
        (errno.EINVAL, True, True),
        (errno.EINVAL, False, False),
        (errno.ENOSPC, True, False),
    ],
)
def test_only_what_a_lost_reader_causes_counts(number: int, windows: bool, expected: bool) -> None:
    assert is_reader_gone(OSError(number, os.strerror(number)), windows=windows) == expected
