"""Instruments that speak in lines: real ones of a kind, over TCP on loopback and over a pseudo-terminal."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rheed_acquire import Channel, ChannelError, SettingsError
from rheed_acquire_line import LineSettings, open_channels
from rheed_acquire_line.connection import LONGEST_LINE, Connection

HANG_LIMIT_S = 60.0
Answer = Callable[[str], bytes | None]


class Instrument:
    """Answers each line, on as many connections as come; `say` sends a line to all of them."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        self.connected = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()
                self.connected.release()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                self.asked.append(line.decode().rstrip("\r\n"))
                answer = self.answer(self.asked[-1])
                if answer is None:
                    return
                connection.sendall(answer)

    def say(self, data: bytes) -> None:
        for connection in self.connections:
            with suppress(OSError):
                connection.sendall(data)

    def hang_up(self) -> None:
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(HANG_LIMIT_S)


@pytest.fixture
def instrument() -> Iterator[Instrument]:
    one = Instrument(lambda asked: b"650.5\r\n")
    yield one
    one.close()


@pytest.fixture
def channels() -> Iterator[Callable[..., list[Channel]]]:
    made: list[Channel] = []

    def make(*texts: str) -> list[Channel]:
        new = list(open_channels(LineSettings.model_validate({"channels": texts})))
        made.extend(new)
        return new

    yield make
    for channel in made:
        assert channel.close is not None
        channel.close()


Make = Callable[..., list[Channel]]


@pytest.mark.parametrize(
    ("answer", "pattern", "number"),
    [
        (b"650.5\r\n", "", 650.5),
        (b"650.5\n", "", 650.5),
        (b"\r\n\r\n+6.505E+02 C\r", "", 650.5),
        (b"T1 = 21.5; T2 = 650.5\n", r"pattern='T2 = (\S+)'", 650.5),
        (b"1.2e-9,OK\r\n", "", 1.2e-9),
        (b"-.5\n", "", -0.5),
        (b"pressure?\r\n-12\r\n", "", -12.0),
        (b"pressure\xb0: 7\n", "", 7.0),
    ],
)
def test_the_number_is_found_in_what_an_instrument_answers(
    instrument: Instrument, channels: Make, answer: bytes, pattern: str, number: float
) -> None:
    instrument.answer = lambda asked: answer
    (channel,) = channels(f"name=p unit=mbar address={instrument.address} query=pressure? {pattern}")
    assert (channel.name, channel.unit, channel.rate_hz) == ("p", "mbar", 1.0)
    assert channel.read() == [number]
    assert channel.read() == [number]
    assert instrument.asked == ["pressure?", "pressure?"]
    assert len(instrument.connections) == 1


@pytest.mark.parametrize(
    ("ending", "sent"), [("crlf", b"Q\r\n"), ("lf", b"Q\n"), ("cr", b"Q\r"), ("none", b"Q")]
)
def test_a_query_ends_as_the_instrument_wants_it(channels: Make, ending: str, sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        (channel,) = channels(f"name=a address={address} query=Q ending={ending}")
        numbers: list[object] = []
        reading = threading.Thread(target=lambda: numbers.append(channel.read()))
        reading.start()
        connection, _ = listener.accept()
        with connection:
            received = b""
            while len(received) < len(sent):
                received += connection.recv(100)
            connection.sendall(b"5\n")
            reading.join(HANG_LIMIT_S)
        assert (received, numbers) == (sent, [[5.0]])


def test_channels_of_one_address_share_its_connection_and_ask_in_turn(
    instrument: Instrument, channels: Make
) -> None:
    instrument.answer = lambda asked: f"{asked} {len(asked)}\n".encode()
    made = channels(
        *(f"name={query} address={instrument.address} query={query}" for query in ("a", "bb", "ccc"))
    )
    wrong: list[object] = []

    def ask(channel: Channel) -> None:
        wrong.extend(found for _ in range(30) if (found := channel.read()) != [float(len(channel.name))])

    threads = [threading.Thread(target=ask, args=(channel,)) for channel in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_LIMIT_S)
    assert wrong == []
    assert len(instrument.connections) == 1


def test_what_an_instrument_says_more_is_not_taken_for_the_answer_to_the_next_query(
    instrument: Instrument, channels: Make
) -> None:
    answers = iter([b"1\n2\n", b"3\n"])
    instrument.answer = lambda asked: next(answers)
    (channel,) = channels(f"name=a address={instrument.address} query=q")
    assert channel.read() == [1.0]
    assert channel.read() == [3.0]


def test_lines_that_come_by_themselves_are_read_by_each_channel_that_finds_its_number(
    instrument: Instrument, channels: Make
) -> None:
    temperature, pressure = channels(
        f"name=T address={instrument.address} pattern='T=(\\S+)'",
        f"name=p address={instrument.address} pattern='p=(\\S+)'",
    )
    assert temperature.rate_hz == 100.0
    found: dict[str, list[float]] = {"T": [], "p": []}
    ends_s = time.monotonic() + HANG_LIMIT_S
    said = False
    while (len(found["T"]), len(found["p"])) != (2, 1) and time.monotonic() < ends_s:
        for channel in (temperature, pressure):
            found[channel.name] += channel.read()  # type: ignore[arg-type]
        if not said and instrument.connected.acquire(timeout=HANG_LIMIT_S):
            said = True
            instrument.say(b"T=650\r\nT=1.5\r\np=2e-9 T=1.75\r\nhello\r\n")
    assert found == {"T": [1.5, 1.75], "p": [2e-9]}


def test_an_instrument_that_is_not_there_or_says_nothing_of_use_is_told_with_its_address(
    instrument: Instrument, channels: Make
) -> None:
    instrument.answer = lambda asked: b"ERR 5!\r\n" if asked == "e" else b""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = f"127.0.0.1:{gone.getsockname()[1]}"
    error, silent, absent, dumb = channels(
        f"name=e address={instrument.address} query=e pattern=([.]+)",
        f"name=s address={instrument.address} query=s timeout=0.1",
        f"name=a address={nobody} query=q",
        f"name=d address={instrument.address} timeout=0.1 pattern=x(1)",
    )
    for channel, why in ((error, "answered only 'ERR 5!'"), (silent, "answered nothing"), (absent, nobody)):
        with pytest.raises(ChannelError, match=why):
            channel.read()

    with pytest.raises(ChannelError, match="sent no line"):
        read_on(dumb)


def read_on(channel: Channel) -> None:
    while True:
        assert channel.read() == []


@pytest.mark.parametrize("answer", [b"1e999\n", b"--\n"])
def test_what_the_pattern_finds_has_to_be_a_number(
    instrument: Instrument, channels: Make, answer: bytes
) -> None:
    instrument.answer = lambda asked: answer
    (channel,) = channels(f"name=a address={instrument.address} query=q pattern=.+")
    with pytest.raises(ChannelError, match="no number"):
        channel.read()


def test_an_instrument_that_was_gone_is_connected_to_again(instrument: Instrument, channels: Make) -> None:
    (channel,) = channels(f"name=a address={instrument.address} query=q")
    assert channel.read() == [650.5]
    instrument.hang_up()
    ends_s = time.monotonic() + HANG_LIMIT_S
    found: object = None
    while found != [650.5] and time.monotonic() < ends_s:
        with suppress(ChannelError):
            found = channel.read()
    assert instrument.connected.acquire(timeout=1)
    assert instrument.connected.acquire(timeout=1)


def test_a_line_without_an_end_costs_no_memory(instrument: Instrument, channels: Make) -> None:
    instrument.answer = lambda asked: b"9" * 100_000 + b"\n650.5\n"
    (channel,) = channels(f"name=a address={instrument.address} query=q")
    assert channel.read() == [650.5]


class Pieces(Connection):
    """Gives one piece after another, and then nothing."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def _receive(self, timeout_s: float) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def all_lines(self) -> list[str]:
        found = []
        while self._pieces:
            found += self.lines(0.0)
        return found


@given(
    lines=st.lists(st.sampled_from(["1", "-2.5e-9 mbar", "7" * LONGEST_LINE, "8" * (LONGEST_LINE + 1), ""])),
    ends=st.lists(st.sampled_from(["\r\n", "\n", "\r", "\0"]), min_size=1),
    sizes=st.lists(st.integers(1, 3 * LONGEST_LINE), min_size=1, max_size=30),
    midway=st.booleans(),
)
def test_where_a_line_is_cut_on_its_way_makes_no_difference(
    lines: list[str], ends: list[str], sizes: list[int], midway: bool
) -> None:
    said = "".join(line + end for line, end in zip(lines, cycle(ends), strict=False)).encode()
    pieces = []
    for size in cycle(sizes):
        if not said:
            break
        pieces.append(said[:size])
        said = said[size:]
    connection = Pieces(pieces)
    if midway:
        connection.drop_line()
    heard = [line for line in lines[midway:] if 0 < len(line) <= LONGEST_LINE]
    assert connection.all_lines() == heard


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name=a", "address"),
        ("name=a address=10.0.0.5", "HOST:PORT"),
        ("name=a address=10.0.0.5:99999", "HOST:PORT"),
        ("name=a address=user@host:5", "HOST:PORT"),
        ("name=a address=h:1 pattern=(", "regular expression"),
        ("name=a address=h:1 ending=lfcr", "ending"),
        ("name=a address=COM3 framing=9X1", "framing"),
        ("name=a address=h:1 timeout=0", "timeout"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_run(text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LineSettings.model_validate({"channels": [text]})


@pytest.mark.parametrize("address", ["COM3", r"\\.\COM11", "/dev/ttyUSB0", "[::1]:5000", "moxa-1.lab:4001"])
def test_addresses_of_every_kind_are_taken(address: str) -> None:
    (one,) = LineSettings.model_validate({"channels": [f"name=a address={address}"]}).channels
    assert one.address == address


def test_one_port_described_in_two_ways_is_refused() -> None:
    settings = LineSettings.model_validate(
        {"channels": ["name=a address=COM3 query=a", "name=b address=COM3 query=b baud=19200"]}
    )
    with pytest.raises(SettingsError, match="one baud"):
        open_channels(settings)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals that are serial ports")
def test_a_serial_port_is_asked_and_opened_again_after_it_was_gone(channels: Make) -> None:
    import pty
    import tty

    controller, port = pty.openpty()
    tty.setraw(port)

    def serve() -> None:
        asked = b""
        with suppress(OSError):
            while piece := os.read(controller, 100):
                asked += piece
                while b"\r" in asked:
                    query, _, asked = asked.partition(b"\r")
                    os.write(controller, b"6,650.5\r" if query == b"T?" else b"?\r")

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        described = f"address={os.ttyname(port)} query=T? ending=cr baud=19200"
        temperature, index = channels(f"name=T {described} pattern=,(.+)", f"name=i {described} framing=8N1")
        assert (temperature.read(), index.read(), temperature.read()) == ([650.5], [6.0], [650.5])
    finally:
        os.close(port)
        for channel in (temperature, index):
            assert channel.close is not None
            channel.close()
        os.close(controller)
        serving.join(HANG_LIMIT_S)


def test_a_serial_port_that_is_not_there_is_told_by_its_name(channels: Make, tmp_path: object) -> None:
    port = "COM250" if sys.platform == "win32" else f"{tmp_path}/ttyUSB9"
    (channel,) = channels(f"name=a address={port} query=q")
    with pytest.raises(ChannelError, match=r"ttyUSB9|COM250"):
        channel.read()
