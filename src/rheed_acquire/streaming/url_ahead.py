"""Where a chunk is to be uploaded to, asked for while the chunk is still being encoded.

On a long line that round trip takes as long as the upload of a small chunk. A chunk that need not wait for
others would pay it in full; so it goes on while the processors are at work.
"""

from __future__ import annotations

import queue
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from rheed_acquire.system.priority import make_way
from rheed_acquire.system.worker import Worker, one_by_one

if TYPE_CHECKING:
    import threading

    from rheed_acquire.streaming.api import AtomscaleApi
    from rheed_acquire.streaming.server_answers import UploadTarget
    from rheed_acquire.streaming.sidecar import SpooledShard
    from rheed_acquire.streaming.stream import Stream


@dataclass(slots=True, eq=False)
class _Request:
    stream: Stream
    shard: SpooledShard
    answer: Future[UploadTarget] = field(default_factory=Future)

    def fail(self, error: BaseException) -> None:
        """Let who waits for the answer have an error; again does nothing."""
        if not self.answer.done():
            self.answer.set_exception(error)


class UrlAhead:
    """A thread that asks for one URL at a time.

    Parameters
    ----------
    open_api
        Makes its connection.
    closing
        Set once nothing more is uploaded.
    """

    def __init__(self, open_api: Callable[[], AtomscaleApi], closing: threading.Event) -> None:
        api = open_api()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        # Held by whom it concerns alone: an answer that is an error leads to all that was sent.
        self._latest: weakref.ref[Future[UploadTarget]] | None = None
        step = one_by_one(self._requests.get, partial(_answer, api), _Request.fail)
        self.worker = Worker("url-ahead", step, closing, at_begin=make_way, at_end=api.close)

    def ask(self, stream: Stream, shard: SpooledShard) -> None:
        """Begin to ask for a shard's URL, unless another is being asked for; for one thread alone.

        Whatever comes of it is the shard's `target_of`, once: an error is its first attempt's.
        """
        latest = None if self._latest is None else self._latest()
        if latest is None or latest.done():
            request = _Request(stream, shard)
            shard.target, self._latest = request.answer, weakref.ref(request.answer)
            self._requests.put(request)

    def close(self) -> None:
        """Have the thread end after what was asked for."""
        self._requests.put(None)


def target_of(api: AtomscaleApi, stream: Stream, shard: SpooledShard) -> UploadTarget:
    """Where to send a shard, asked for ahead or else now; raises as `AtomscaleApi.presign`."""
    ahead, shard.target = shard.target, None
    if ahead is not None:
        try:
            return ahead.result()
        finally:
            del ahead  # it may hold an error, whose traceback leads to this frame
    return _asked_now(api, stream, shard)


def _asked_now(api: AtomscaleApi, stream: Stream, shard: SpooledShard) -> UploadTarget:
    growth = shard.growth if stream.takes_growth else None
    return api.presign(shard.chunk_idx, shard.body, shard.times_us, growth)


def _answer(api: AtomscaleApi, request: _Request) -> None:
    try:
        target = _asked_now(api, request.stream, request.shard)
    except Exception as error:  # noqa: BLE001 - whoever sends the shard takes it up
        request.fail(error)
        del request  # it holds the error, whose traceback leads to this frame
    else:
        request.answer.set_result(target)
