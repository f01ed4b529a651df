"""What a `RHEEDStreamer` needs of its server and of this computer to deliver streams, and opens for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.streaming.api import AtomscaleApi, Timeouts
from rheed_acquire.streaming.delivery import Delivery
from rheed_acquire.streaming.intake import Intake
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.recovery import Recovery
from rheed_acquire.streaming.reference_clock import ReferenceClock
from rheed_acquire.streaming.registration import StreamDescription, end_abandoned, register_stream
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.stream import Stream
from rheed_acquire.streaming.stream_record import StreamRecord
from rheed_acquire.system.worker import Worker

if TYPE_CHECKING:
    from pydantic import SecretStr

    from rheed_acquire.streaming.open_streams import OpenStreams

logger = logging.getLogger(__name__)

DRAIN_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class ServerLink:
    """Opens connections, deliveries, streams and recoveries; the fields are `RHEEDStreamer`'s parameters.

    Raises
    ------
    ValueError
        A field is out of its range.
    """

    api_key: SecretStr
    endpoint: str
    compression_level: int | None
    upload_workers: int
    ring_chunks: int
    backoff: Backoff
    spool_folder: Path
    spool_limits: SpoolLimits
    sync_always: bool
    server: str
    timeouts: Timeouts
    bare_confirmations: bool

    def __post_init__(self) -> None:
        if self.compression_level is not None and not 0 <= self.compression_level <= 22:
            raise ValueError(
                f"compression_level is {self.compression_level}, but zstd has levels 1 to 22, and 0 stores"
            )
        if self.upload_workers < 1:
            raise ValueError(f"upload_workers is {self.upload_workers}, but it takes at least 1 to upload")
        if self.ring_chunks < 2:
            raise ValueError(f"ring_chunks is {self.ring_chunks}, but at least 2 are needed")

    def open_api(self) -> AtomscaleApi:
        """Make the connections of one thread."""
        return AtomscaleApi(
            self.endpoint, self.api_key, self.timeouts, bare_confirmations=self.bare_confirmations
        )

    def open_delivery(self) -> Delivery:
        """Open the spool and the reference clock, and start the threads that deliver."""
        spool = Spool(self.spool_folder, self.spool_limits)
        clock = ReferenceClock(self.endpoint)
        clock.start()
        try:
            return Delivery(
                self.open_api,
                spool,
                clock,
                compression_level=self.compression_level,
                workers=self.upload_workers,
                backoff=self.backoff,
            )
        except BaseException:
            clock.stop()
            spool.close()
            raise

    def open_stream(
        self, delivery: Delivery, description: StreamDescription, chunk_size: int, streams: OpenStreams
    ) -> str:
        """Create a stream on the server, in the spool and here; where that fails, it is ended again."""
        with closing(self.open_api()) as api:
            data_id = register_stream(api, description, self.backoff)
            try:
                now_s, correction = time.time(), delivery.clock.correction(wall=True)
                record = StreamRecord(
                    data_id=data_id,
                    server=self.server,
                    name=description.name,
                    fps=description.fps,
                    rotations_per_min=description.rotations_per_min,
                    chunk_size=chunk_size,
                    created_unix_s=now_s,
                    created_reference_unix_s=None
                    if correction is None
                    else now_s + correction.offset_ms / 1000,
                )
                folder = delivery.spool.open_stream(record)
                stream = Stream(folder, self.ring_chunks, self.spool_limits.when_full)
                delivery.register(stream)
                streams.add(Intake(stream, delivery, sync_always=self.sync_always))
            except BaseException:
                streams.remove(data_id)
                delivery.spool.close_stream(data_id, delete=True)
                end_abandoned(api, data_id, self.backoff)
                raise
        return data_id

    def make_recovery(
        self,
        delivery: Delivery,
        drain_timeout_s: float,
        on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
    ) -> Recovery:
        """Prepare to finish what earlier processes have left."""
        return Recovery(self.server, delivery, self.open_api, self.backoff, drain_timeout_s, on_chunks)

    def recover_in_background(self, delivery: Delivery, one_at_a_time: threading.Lock) -> None:
        """Begin to finish what earlier processes have left, in a thread of its own."""
        recovery = self.make_recovery(delivery, DRAIN_TIMEOUT_S)

        def recover() -> None:
            with one_at_a_time:
                reports = recovery.finish()
            for report in reports:
                logger.info("earlier stream %s: %s", report["data_id"], report)

        # It goes on where it stumbles, for as long as the delivery is open.
        Worker("recovery", recover, delivery.stopping).start()
