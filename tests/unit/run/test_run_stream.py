"""What a run asks its stream, from several threads."""

from __future__ import annotations

import threading
from typing import Any, cast

from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.run.report import Journal
from rheed_acquire.run.run_stream import RunStream
from rheed_acquire.streaming.streamer import Streamer


class SlowPatience:
    """Is asked whether the user waits while another thread may be asking too."""

    def __init__(self) -> None:
        self._both = threading.Barrier(2)

    @property
    def ended(self) -> bool:
        """No, after giving the other thread the time to ask as well."""
        try:
            self._both.wait(0.5)
        except threading.BrokenBarrierError:
            return False
        return False


class SilentStreamer:
    """Tells nothing of its streams."""

    def status(self, data_id: str) -> Any:
        """Raise."""
        raise OSError(f"nothing is known of {data_id}")


def test_what_two_threads_find_out_at_once_is_told_once() -> None:
    journal = Journal()
    patience, streamer = cast("Patience", SlowPatience()), cast("Streamer", SilentStreamer())
    stream = RunStream(streamer, journal, patience, lambda: 1.0)
    stream.begin("a-stream")
    threads = [threading.Thread(target=stream.status) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (warning,) = journal.warnings
    assert "nothing is known of a-stream" in warning.text
