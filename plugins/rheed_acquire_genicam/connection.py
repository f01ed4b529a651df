"""One opened device on harvesters: what belongs to it, taken down in the one order that does not crash.

Streaming stops, the acquirer is destroyed, its Harvester is reset, the producer is given back; each step is
tried whatever became of the one before, as all of them fail when the device is gone.
"""

from __future__ import annotations

import logging
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

from rheed_acquire import CameraError
from rheed_acquire_genicam.devices import FoundDevice
from rheed_acquire_genicam.producers import Lease
from rheed_acquire_genicam.sdk import SDK_ERRORS, core, genapi, gentl, harvesters_log, reason

logger = logging.getLogger(__name__)

_HELD_BY_ANOTHER = (
    gentl.AccessDeniedException,
    gentl.BusyException,
    gentl.NotAvailableException,
    gentl.ResourceInUseException,
)


class Connection:
    """An opened device.

    Parameters
    ----------
    found
        Whose lease goes over to the connection, also where opening fails.

    Attributes
    ----------
    acquirer
        harvesters' ``ImageAcquirer``.
    node_map
        The device's features.
    stream
        The binding's data stream: counters, and where buffers are queued.
    before_close
        Called before the device is taken down: what ends the threads that use it, while it streams.
    new_buffers, errors
        Event managers; ``errors`` is None where the producer has no such event.

    Raises
    ------
    CameraError
        Another program has the device, or it does not answer.
    """

    def __init__(self, found: FoundDevice) -> None:
        self.found = found
        self._harvester: Any = None
        self.acquirer: Any = None
        self._streaming = False
        self.before_close: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        try:
            self._harvester = core.Harvester(config=harvesters_log())
            self._harvester.device_info_list.append(found.device)
            self.acquirer = _without_signal_handler(lambda: self._harvester.create(found.device))
            self.node_map = self.acquirer.remote_device.node_map
            stream = self.acquirer.data_streams[0]
            self.stream = stream.module
            # harvesters has registered the event and a device gives it once; its own fetch loop holds
            # Python's lock while it waits and reads each buffer's clock again for statistics of its own.
            self.new_buffers = self.acquirer._new_buffer_event_monitor_dict[stream]
            self.errors = self._error_events()
        except (*SDK_ERRORS, ValueError, IndexError) as error:
            self.close()
            raise CameraError(f"{found.info} cannot be opened: {_why(error)}") from None
        except BaseException:
            self.close()
            raise
        # After harvesters' own, so that it runs before them at the interpreter's exit.
        parts = (self.before_close, self._harvester, self.acquirer, found.lease)
        self._at_exit = weakref.finalize(self, _close_parts, *parts)

    def start(self, buffers: int) -> None:
        """Begin to stream into this many buffers.

        Raises
        ------
        GenericException
            Of the SDK: the device refuses.
        """
        self.acquirer.num_buffers = buffers
        with self._lock:
            self._streaming = True
        self.acquirer.start()

    def stop(self) -> None:
        """End streaming; on a stopped one nothing happens."""
        with self._lock:
            was_streaming, self._streaming = self._streaming, False
        if was_streaming:
            self.before_close.clear()
            _stop(self.acquirer)

    def close(self) -> None:
        """Give the device back; a second time does nothing."""
        self.stop()
        if hasattr(self, "_at_exit"):
            self._at_exit()
        else:
            _close_parts(self.before_close, self._harvester, self.acquirer, self.found.lease)

    def min_buffers(self) -> int:
        """Give the least number of buffers that the producer takes."""
        return int(self.acquirer.min_num_buffers)

    def chunk_reader(self) -> Callable[[Any], int]:
        """Give a function that reads the time stamp, in ticks, from a buffer's chunk data."""
        node = self.node_map.get_node("ChunkTimestamp")
        update = self.acquirer._update_chunk_data

        def ticks(buffer: Any) -> int:
            update(buffer=buffer, is_manual=True)
            return int(node.value)

        return ticks

    def _error_events(self) -> Any:
        try:
            token = self.acquirer.device.module.register_event(gentl.EVENT_TYPE_LIST.EVENT_ERROR)
            return gentl.EventManagerError(token)
        except gentl.GenericException as error:
            logger.debug("%s has no error event: %s", self.found.info, reason(error))
            return None


def _why(error: Exception) -> str:
    """Say why a device cannot be opened, and what to do where another program is the reason."""
    if isinstance(error, _HELD_BY_ANOTHER):
        return (
            f"{reason(error)}. Close any other program that uses it; after a crash of that program a GigE "
            "camera is free again once its heartbeat has timed out"
        )
    if isinstance(error, genapi.GenericException):
        return f"the description of its features (GenICam XML) cannot be used: {reason(error)}"
    return reason(error)


def _without_signal_handler(create: Callable[[], Any]) -> Any:
    """Undo harvesters' handler of Ctrl-C, which it installs from the main thread and never removes."""
    if threading.current_thread() is not threading.main_thread():
        return create()
    before = signal.getsignal(signal.SIGINT)
    try:
        return create()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _stop(acquirer: Any) -> None:
    try:
        acquirer.stop()
    except SDK_ERRORS as error:
        logger.debug("stopping: %s", reason(error))
        # harvesters gave up at the device's refusal; the producer still fills buffers that will go.
        for stream in acquirer.data_streams:
            try:
                stream.stop_acquisition(gentl.ACQ_STOP_FLAGS_LIST.ACQ_STOP_FLAGS_KILL)
            except gentl.GenericException as again:
                logger.debug("stopping the stream: %s", reason(again))


def _close_parts(before: list[Callable[[], None]], harvester: Any, acquirer: Any, lease: Lease) -> None:
    """Close what there is, in order; at the interpreter's exit too."""
    for finish in before:
        finish()
    before.clear()
    if acquirer is not None:
        if acquirer.is_valid() and acquirer.is_acquiring():
            _stop(acquirer)
        # The binding's chunk adapter keeps itself and the device's features, half a megabyte, until the
        # interpreter's exit, unless its finalizer is called.
        adapter = acquirer._chunk_adapter
        if adapter is not None:
            _forget(lambda *_: adapter._finalizer())
        try:
            acquirer.destroy()
        except SDK_ERRORS as error:
            logger.debug("destroying the acquirer: %s", reason(error))
        # harvesters keeps each acquirer until the interpreter's exit, unless it is left like this.
        _forget(acquirer.__exit__)
    if harvester is not None:
        _forget(harvester.__exit__)
    lease.release()


def _forget(leave: Callable[..., object]) -> None:
    try:
        leave(None, None, None)
    except SDK_ERRORS as error:
        logger.debug("leaving harvesters: %s", reason(error))
