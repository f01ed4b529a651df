"""Channels whose numbers are found in an instrument's lines."""

from __future__ import annotations

import importlib.util
import math
import re
import threading
import time
from collections import deque
from collections.abc import Sequence

from rheed_acquire import Channel, ChannelError, SettingsError
from rheed_acquire_line.connection import Connection, SerialPort, Tcp
from rheed_acquire_line.settings import ENDINGS, LineChannel, host_and_port

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RATE_HZ, _LISTENING_RATE_HZ = 1.0, 100.0
"""How often a channel is read that does not say: by its query, and where lines come by themselves."""
_SLICE_S = 1.0
"""How long one call waits at most for a line that comes by itself: the command's end waits for it."""
_KEPT_LINES = 100
_SHOWN = 60


def channels_of(described: Sequence[LineChannel]) -> list[Channel]:
    """Make a channel of each description, and one instrument of each address.

    Raises
    ------
    SettingsError
        A serial port is described in two ways, or pyserial is not installed.
    """
    instruments: dict[str, _Instrument] = {}
    ports: dict[str, tuple[int, str]] = {}
    made = []
    for one in described:
        if host_and_port(one.address) is None:
            if importlib.util.find_spec("serial") is None:
                raise SettingsError(
                    f'channel {one.name!r} of {one.address} needs pyserial: pip install "rheed-acquire[line]"'
                )
            if ports.setdefault(one.address, (one.baud, one.framing)) != (one.baud, one.framing):
                raise SettingsError(f"channels of {one.address} must have one baud and one framing")
        instrument = instruments.setdefault(one.address, _Instrument(one))
        reader = _Reader(instrument, one)
        rate = one.rate or (_LISTENING_RATE_HZ if one.query is None else _RATE_HZ)
        made.append(Channel(one.name, reader.read, one.unit, rate, instrument.leave))
    return made


class _Instrument:
    """One address: its connection, which its channels use in turn, and who listens to what it says."""

    def __init__(self, described: LineChannel) -> None:
        self._address = described.address
        self._baud, self._framing = described.baud, described.framing
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._users = 0
        self._listeners: list[deque[str]] = []

    def join(self, listens: bool) -> deque[str]:
        """Count one more channel; what it hears is put into the queue."""
        heard: deque[str] = deque(maxlen=_KEPT_LINES)
        self._users += 1
        if listens:
            self._listeners.append(heard)
        return heard

    def leave(self) -> None:
        """Let the connection go with the last channel."""
        with self._lock:
            self._users -= 1
            if self._users <= 0:
                self._disconnect()

    def ask(self, query: bytes, pattern: re.Pattern[str], timeout_s: float) -> str:
        """Send a query and return the first line after it that fits the pattern; what echoes it does not.

        Raises
        ------
        ChannelError
            It cannot be connected to, or does not answer so.
        """
        with self._lock:
            connection = self._connected(timeout_s)
            try:
                self._hear(connection.lines(0.0))  # what came before the query is no answer to it
                connection.send(query)
                ends_s = time.monotonic() + timeout_s
                last = ""
                while (left_s := ends_s - time.monotonic()) > 0:
                    lines = connection.lines(left_s)
                    self._hear(lines)
                    for line in lines:
                        if pattern.search(line):
                            return line
                        last = line
            except OSError as error:
                raise self._gone(error) from None
            self._disconnect()
            said = f"only {last[:_SHOWN]!r}" if last else "nothing"
            raise ChannelError(f"{self._address} answered {said} within {timeout_s:g} s")

    def listen(self, heard: deque[str], timeout_s: float) -> list[str]:
        """Wait a moment for lines that come by themselves, and return those that nobody has taken.

        Who connects while an instrument speaks hears the end of a line first, which may be another number:
        the first line is dropped.

        Raises
        ------
        ChannelError
            It cannot be connected to.
        """
        with self._lock:
            if not heard:
                new = self._connection is None
                connection = self._connected(timeout_s)
                if new:
                    connection.drop_line()
                try:
                    self._hear(connection.lines(min(timeout_s, _SLICE_S)))
                except OSError as error:
                    raise self._gone(error) from None
            lines = list(heard)
            heard.clear()
        return lines

    def reconnect(self) -> None:
        """Let the connection go, so that the next call makes it anew."""
        with self._lock:
            self._disconnect()

    def _connected(self, timeout_s: float) -> Connection:
        if self._connection is None:
            where = host_and_port(self._address)
            try:
                if where is None:
                    self._connection = SerialPort(self._address, self._baud, self._framing)
                else:
                    self._connection = Tcp(*where, min(timeout_s, 5.0))
            except OSError as error:
                raise self._gone(error) from None
        return self._connection

    def _hear(self, lines: Sequence[str]) -> None:
        for heard in self._listeners:
            heard.extend(lines)

    def _gone(self, error: OSError) -> ChannelError:
        self._disconnect()
        return ChannelError(f"{self._address}: {error.strerror or error}")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Reader:
    """What reads one channel."""

    def __init__(self, instrument: _Instrument, described: LineChannel) -> None:
        self._instrument, self._described = instrument, described
        self._pattern = re.compile(described.pattern or NUMBER)
        self._query = b""
        if described.query is not None:
            self._query = described.query.encode() + ENDINGS[described.ending]
        self._heard = instrument.join(listens=described.query is None)
        self._silent_since_s: float | None = None

    def read(self) -> list[float]:
        """Ask, or take what has come."""
        timeout_s = self._described.timeout
        if self._query:
            return [self._number_in(self._instrument.ask(self._query, self._pattern, timeout_s))]
        lines = [
            line for line in self._instrument.listen(self._heard, timeout_s) if self._pattern.search(line)
        ]
        if lines:
            self._silent_since_s = None
            return [self._number_in(line) for line in lines]
        now_s = time.monotonic()
        self._silent_since_s = self._silent_since_s or now_s
        if now_s - self._silent_since_s >= timeout_s:
            self._silent_since_s = None
            self._instrument.reconnect()
            raise ChannelError(
                f"{self._described.address} sent no line with such a number in {timeout_s:g} s"
            )
        return []

    def _number_in(self, line: str) -> float:
        found = self._pattern.search(line)
        assert found is not None
        text = found[1] if self._pattern.groups else found[0]
        try:
            number = float(text)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            said, text = line[:_SHOWN], str(text)[:_SHOWN]
            raise ChannelError(f"{self._described.address} says {said!r}, in which {text!r} is no number")
        return number
