"""A log whose output stands still holds nobody up, and loses nothing that it need not."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rheed_acquire.system.stalling_output import StallingHandler

LIMIT_S = 60.0


class Console:
    """Takes nothing while somebody marks text in it."""

    def __init__(self) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self.text = ""
        self.changed = threading.Condition()

    def write(self, text: str) -> int:
        self.flows.wait()
        with self.changed:
            self.text += text
            self.changed.notify_all()
        return len(text)

    def flush(self) -> None:
        pass

    def wait_for(self, text: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: text in self.text, LIMIT_S), self.text


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console()
    yield console
    console.flows.set()


def log_to(console: Console, **options: Any) -> logging.Logger:
    logger = logging.Logger("stalling")
    handler = StallingHandler(**options)
    handler.setStream(console)
    logger.addHandler(handler)
    return logger


def test_while_the_output_flows_a_line_is_written_when_the_call_returns(console: Console) -> None:
    logger = log_to(console, flows_within_s=LIMIT_S)
    for number in range(100):
        logger.warning("line %d", number)
        assert console.text.endswith(f"line {number}\n")


def test_while_it_stalls_lines_wait_and_stay_in_their_order(console: Console) -> None:
    logger = log_to(console)
    console.flows.clear()
    for number in range(1000):
        logger.warning("line %d", number)
    assert console.text == ""
    console.flows.set()
    console.wait_for("line 999\n")
    assert console.text == "".join(f"line {number}\n" for number in range(1000))


def test_of_too_many_the_newest_are_counted(console: Console) -> None:
    logger = log_to(console, most_waiting=10)
    console.flows.clear()
    for number in range(25):
        logger.warning("line %d", number)
    console.flows.set()
    console.wait_for("left out")
    lines = console.text.splitlines()
    assert lines[:10] == [f"line {number}" for number in range(10)]
    assert lines[10].startswith("15 lines")
    logger.warning("and on")
    console.wait_for("and on\n")


def test_an_error_brings_its_traceback(console: Console) -> None:
    try:
        int("gone")
    except ValueError:
        log_to(console, flows_within_s=LIMIT_S).exception("it failed")
    assert console.text.startswith("it failed\nTraceback")


def test_what_is_logged_last_is_written_before_the_process_ends() -> None:
    program = (
        "import logging\nfrom rheed_acquire.streaming.log import apply_verbosity\napply_verbosity(4)\n"
        "for number in range(50): logging.getLogger('rheed_acquire').info('line %d', number)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line.rpartition("line ")[2] for line in done.stderr.splitlines()] == [*map(str, range(50))]


def test_whoever_closes_it_before_the_processs_end_keeps_stderr(console: Console) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", console)
        logger = log_to(console, flows_within_s=0.05)
        console.flows.clear()
        logger.warning("it stands still")
        logger.handlers[0].close()
        assert sys.stderr is console


def test_a_process_whose_output_stalls_can_end() -> None:
    program = (
        "import logging, os\nfrom rheed_acquire.streaming.log import apply_verbosity\napply_verbosity(4)\n"
        "for number in range(2000): logging.getLogger('rheed_acquire').info('x' * 200)\n"
        "print('done', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"done"
        assert process.wait(LIMIT_S) == 0
