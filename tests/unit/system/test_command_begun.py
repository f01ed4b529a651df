from __future__ import annotations

import subprocess
import sys
import time

from rheed_acquire.system.command_begun import command_begun_ns

PROGRAM = """
import time
sum(range(3_000_000))
from rheed_acquire.system.command_begun import command_begun_ns, note_command
assert command_begun_ns() is None
note_command()
print(command_begun_ns(), time.perf_counter_ns() - time.process_time_ns())
"""


def test_a_process_that_is_for_more_than_a_command_says_nothing() -> None:
    assert command_begun_ns() is None


def test_a_command_was_entered_before_its_process_worked() -> None:
    before_ns = time.perf_counter_ns()
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    begun_ns, estimate_ns = map(int, done.stdout.split())
    # One clock for both processes, as the station relies on.
    assert before_ns - 20_000_000 <= begun_ns <= time.perf_counter_ns()
    assert begun_ns <= estimate_ns + 20_000_000
