"""Channels beside a run: whatever an instrument or its plugin does costs that channel only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import BaseModel

from rheed_acquire.channels.channel import Channel, ChannelError, Reading
from rheed_acquire.findings import FindingCode
from rheed_acquire.hookspecs import ChannelBackend
from rheed_acquire.host.guard.calls import Patience
from rheed_acquire.host.guard.channels import GuardedChannel, GuardedChannelBackend
from rheed_acquire.recording.readings import read_readings
from rheed_acquire.run import channels as run_channels
from rheed_acquire.run import readings as run_readings
from rheed_acquire.run.channels import Channels, SentReadingError
from rheed_acquire.run.readings import RunReadings
from rheed_acquire.run.report import Journal

if TYPE_CHECKING:
    from tests.unit.run.conftest import Stage

HANG_LIMIT_S = 60.0
NOW_MS = 1.8e12


class NoSettings(BaseModel):
    pass


def backend(*channels: Any, opens: Callable[[Any], Any] | None = None) -> GuardedChannelBackend:
    registered = ChannelBackend("lab", "instruments", NoSettings, opens or (lambda settings: channels))
    return GuardedChannelBackend(registered, "lab 1.0", Patience())


def opened(*channels: Channel) -> list[GuardedChannel]:
    return backend(*channels).open(NoSettings())


def reader(deed: Callable[[], Any], name: str = "temperature") -> Channel:
    return Channel(name, deed, "K", 100.0)


def raising(error: BaseException) -> Callable[[], Any]:
    def deed() -> Any:
        raise error

    return deed


def wait_until(done: Callable[[], object]) -> None:
    """Wait for what another thread does; the limit is for hangs."""
    ends_s = time.monotonic() + HANG_LIMIT_S
    while not done():
        assert time.monotonic() < ends_s, "it does not happen"
        time.sleep(0.005)


class Mute(Exception):  # noqa: N818 - as a plugin may call it
    def __str__(self) -> str:
        raise SystemExit


BAD: dict[str, Callable[[], Any]] = {
    "OSError": raising(OSError(5, "Input/output error")),
    "SystemExit": raising(SystemExit("bye")),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "Mute": raising(Mute()),
    "text": lambda: "650.5",
    "bytes": lambda: b"650.5",
    "object": object,
    "dict": lambda: {"value": 1},
    "nan": lambda: float("nan"),
    "infinity": lambda: np.float32("inf"),
    "complex": lambda: 1j,
    "texts": lambda: ["650.5"],
    "without end": lambda: iter(int, 1),
    "raising iterator": lambda: (1 / 0 for _ in range(1)),
    "tomorrow": lambda: Reading(1.0, NOW_MS + 86_400_000),
    "time nan": lambda: Reading(1.0, float("nan")),
    "time text": lambda: Reading(1.0, "now"),  # type: ignore[arg-type]
    "value text": lambda: Reading("1"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_reading_is_a_channels_error_and_nothing_else(bad: str) -> None:
    (channel,) = opened(reader(BAD[bad]))
    with pytest.raises(ChannelError):
        channel.read(NOW_MS)


@pytest.mark.parametrize(
    ("given", "readings"),
    [
        (None, []),
        (650, [Reading(650.0)]),
        (True, [Reading(1.0)]),
        (np.float32(0.5), [Reading(0.5)]),
        (np.array(2), [Reading(2.0)]),
        (np.array([1, 2]), [Reading(1.0), Reading(2.0)]),
        (Reading(np.int16(3), 5), [Reading(3.0, 5.0)]),  # type: ignore[arg-type]
        ([Reading(1.0, 5.0), 2], [Reading(1.0, 5.0), Reading(2.0)]),
        ([], []),
    ],
)
def test_numbers_of_every_kind_are_readings(given: Any, readings: list[Reading]) -> None:
    (channel,) = opened(reader(lambda: given))
    assert channel.read(NOW_MS) == readings


@pytest.mark.parametrize(
    "channels",
    [
        None,
        "text",
        [5],
        [Channel("", lambda: 1.0)],
        [Channel("frames", lambda: 1.0)],
        [Channel("a", lambda: 1.0, unit="u" * 41)],
        [Channel("a", lambda: 1.0, rate_hz=0)],
        [Channel("a", lambda: 1.0, rate_hz=float("nan"))],
        [Channel("a", lambda: 1.0, rate_hz=101)],
        [Channel("a", "650.5")],  # type: ignore[arg-type]
        [Channel(5, lambda: 1.0)],  # type: ignore[arg-type]
    ],
)
def test_what_is_no_channel_is_refused_by_the_name_of_its_plugin(channels: Any) -> None:
    with pytest.raises(ChannelError, match=r"channel lab \(lab 1.0\) failed in open"):
        backend(opens=lambda settings: channels).open(NoSettings())


@pytest.fixture
def make_channels() -> Iterator[Callable[..., Channels]]:
    made: list[Channels] = []

    def make(*channels: Channel, failures: tuple[tuple[str, str], ...] = ()) -> Channels:
        made.append(Channels(opened(*channels), failures))
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        one.close()
    wait_until(lambda: not any(thread.name.startswith("channel-") for thread in threading.enumerate()))


MakeChannels = Callable[..., Channels]


def test_a_run_keeps_what_was_read_while_it_recorded_and_no_more(
    make_channels: MakeChannels, tmp_path: Path
) -> None:
    count = iter(range(1_000_000))
    channels = make_channels(reader(lambda: next(count)))
    wait_until(lambda: channels.states[0].recent)
    run, other = channels.of_run(), channels.of_run()
    before_ms = time.time() * 1e3
    run.begin([tmp_path], Journal())
    wait_until(lambda: run.summaries and run.summaries[0].readings >= 20)
    run.close()
    (kept,) = read_readings(tmp_path)
    taken = run.summaries[0].readings
    assert taken == len(kept)
    assert kept.unit == "K"
    # Of a counter every value is there once, in order: none was lost and none is there twice.
    assert kept.value.tolist() == list(range(int(kept.value[0]), int(kept.value[0]) + len(kept)))
    assert (np.diff(kept.time_unix_ms) >= 0).all()
    assert before_ms - 1e3 < kept.time_unix_ms[0] < time.time() * 1e3 + 1e3
    channels.take_sent("sent", None, [Reading(1.0, before_ms)])
    assert len(run.summaries) == 1
    assert other.summaries == ()  # it has not begun


def test_each_bad_channel_is_named_once_and_the_good_one_goes_on(
    make_channels: MakeChannels, tmp_path: Path
) -> None:
    bad = [Channel(name, deed, None, 100.0) for name, deed in BAD.items() if "time" not in name]
    channels = make_channels(
        *bad, reader(lambda: 1.0, "good"), failures=(("channel lost (lab 1.0)", "gone"),)
    )
    journal, run = Journal(), channels.of_run()
    run.begin([tmp_path], journal)
    wait_until(lambda: {one.name for one in run.summaries if one.failed} == {one.name for one in bad})
    wait_until(lambda: len(read_readings(tmp_path)) == 1)
    run.close()
    texts = [str(warning) for warning in journal.warnings]
    for one in bad:
        (named,) = [text for text in texts if text.startswith(f"{one.name}, of channel lab (lab 1.0), ")]
        assert "cannot be read" in named
    assert sum("channel lost (lab 1.0): gone" in text for text in texts) == 1
    assert {warning.code for warning in journal.warnings} == {FindingCode.CHANNEL_FAILED}
    assert [one.name for one in read_readings(tmp_path)] == ["good"]


def test_a_channel_that_failed_is_read_again_once_it_can_be(
    make_channels: MakeChannels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_channels, "RETRY_S", 0.02)
    is_there = threading.Event()

    def read() -> float:
        if not is_there.is_set():
            raise ChannelError("the cable is out")
        return 650.5

    channels = make_channels(reader(read))
    run = channels.of_run()
    run.begin([tmp_path], Journal())
    wait_until(lambda: channels.states[0].trouble == "the cable is out" and run.summaries)
    is_there.set()
    wait_until(lambda: channels.states[0].trouble is None and run.summaries[0].readings)
    run.close()
    assert run.summaries[0].failed


def test_a_channel_that_hangs_is_named_and_left_behind(
    make_channels: MakeChannels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_channels, "HANG_S", 0.05)
    monkeypatch.setattr(run_channels, "CLOSE_S", 0.05)
    monkeypatch.setattr(run_readings, "FLUSH_S", 0.02)
    over = threading.Event()
    channels = make_channels(reader(lambda: over.wait(HANG_LIMIT_S), "stuck"), reader(lambda: 1.0, "good"))
    journal, run = Journal(), channels.of_run()
    run.begin([tmp_path], journal)
    wait_until(lambda: journal.warnings and channels.states[0].trouble)
    run.close()
    channels.close()  # does not wait for it
    over.set()
    (warning,) = journal.warnings
    assert "stuck, of channel lab (lab 1.0), cannot be read: it has not returned" in warning.text


def test_of_two_channels_with_one_name_the_second_is_left_out(
    make_channels: MakeChannels, tmp_path: Path
) -> None:
    channels = make_channels(reader(lambda: 1.0), reader(lambda: 2.0))
    journal, run = Journal(), channels.of_run()
    run.begin([tmp_path], journal)
    wait_until(lambda: read_readings(tmp_path) and journal.warnings)
    run.close()
    assert set(read_readings(tmp_path)[0].value) == {1.0}
    assert "another channel 'temperature'" in journal.warnings[0].text


def test_readings_that_are_sent_are_kept_under_their_name_and_unit(
    make_channels: MakeChannels, tmp_path: Path
) -> None:
    channels = make_channels(reader(lambda: 1.0))
    run = channels.of_run()
    run.begin([tmp_path], Journal())
    channels.take_sent("flux", "nA", [Reading(2.5, NOW_MS), Reading(2.6, NOW_MS + 10)])
    channels.take_sent("flux", None, [Reading(2.7, NOW_MS + 20)])
    with pytest.raises(SentReadingError, match="in nA, not in mA"):
        channels.take_sent("flux", "mA", [Reading(1.0, NOW_MS)])
    with pytest.raises(SentReadingError, match="read by the station itself"):
        channels.take_sent("temperature", None, [Reading(1.0, NOW_MS)])
    run.close()
    flux = next(one for one in read_readings(tmp_path) if one.name == "flux")
    assert (flux.unit, flux.value.tolist()) == ("nA", [2.5, 2.6, 2.7])


def test_no_more_channels_than_a_run_can_keep_are_made_by_sending(
    make_channels: MakeChannels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_channels, "MOST_CHANNELS", 2)
    channels = make_channels()
    channels.take_sent("a", None, [])
    channels.take_sent("b", None, [])
    with pytest.raises(SentReadingError, match="2 channels"):
        channels.take_sent("c", None, [])


def test_no_run_takes_readings_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_readings, "MOST_READINGS", 5)
    journal, run = Journal(), RunReadings()
    run.begin([tmp_path], journal)
    for _ in range(4):
        run.add("a", None, [Reading(1.0, 1.0), Reading(2.0, 2.0)])
    run.close()
    assert len(read_readings(tmp_path)[0]) == run.summaries[0].readings == 5
    assert [warning.code for warning in journal.warnings] == [FindingCode.READINGS_NOT_KEPT]


def test_readings_wait_for_a_disk_that_is_away_and_each_folder_has_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_readings, "FLUSH_S", 0.02)
    (tmp_path / "output").mkdir()
    journal, run = Journal(), RunReadings()
    run.begin([tmp_path / "archive", tmp_path / "output"], journal)
    run.add("a", None, [Reading(1.0, 1.0)])
    wait_until(lambda: journal.warnings and read_readings(tmp_path / "output"))
    (tmp_path / "archive").mkdir()
    run.add("a", None, [Reading(2.0, 2.0)])
    run.close()
    for name in ("archive", "output"):
        assert read_readings(tmp_path / name)[0].value.tolist() == [1.0, 2.0]
    assert [warning.code for warning in journal.warnings] == [FindingCode.READINGS_NOT_KEPT]


def test_what_was_written_survives_the_process_that_wrote_it(tmp_path: Path) -> None:
    script = """if True:
        import os, signal, sys, time
        from pathlib import Path
        from rheed_acquire.channels.channel import Reading
        from rheed_acquire.run.readings import RunReadings
        from rheed_acquire.run.report import Journal
        folder, run = Path(sys.argv[1]), RunReadings()
        run.begin([folder], Journal())
        for number in range(100):
            run.add("a", "K", [Reading(float(number), float(number))])
        while not (folder / "readings.jsonl").exists() or not (folder / "readings.jsonl").stat().st_size:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    """
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, timeout=120, env={**os.environ}
    )
    assert killed.returncode != 0
    assert read_readings(tmp_path)[0].value.tolist() == [float(number) for number in range(100)]


def test_a_run_beside_channels_that_do_their_worst_loses_no_frame(
    stage: Stage, make_channels: MakeChannels, tmp_path: Path
) -> None:
    def wait_for_all_of_them() -> None:
        wait_until(lambda: len(run.summaries) > len(bad) and read_readings(tmp_path))

    bad = [Channel(name, deed, None, 100.0) for name, deed in BAD.items() if "time" not in name]
    run = make_channels(*bad, reader(lambda: 1.0, "good")).of_run()
    camera = stage.camera([*range(10), wait_for_all_of_them, 10])
    session = stage.session(camera, stage.streamer(), locate_output=lambda data_id: tmp_path, readings=run)
    session.start()
    stage.wait_for(camera.played)
    session.acquisition.stop()
    report = session.result()
    assert (report.frames_received, report.frames_pushed, report.adds_up) == (11, 11, True)
    assert {one.name for one in report.channels if one.failed} == {one.name for one in bad}
    assert next(one for one in report.as_json()["channels"] if one["name"] == "good")["readings"] > 0
    assert [one.name for one in read_readings(tmp_path)] == ["good"]
