"""The producer's C functions called directly: leaks, threads, sanitizers, configurations, the package."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BuildProducer = Callable[..., Path]
PACKAGE = Path(__file__).parents[3] / "hardware_mocks" / "gentl_producer"
INFINITE = ctypes.c_uint64(2**64 - 1)
INVALID_HANDLE, INVALID_PARAMETER, NOT_INITIALIZED, ERROR = -1006, -1009, -1002, -1001


class Producer:
    """The library and the chain of modules down to one stream."""

    def __init__(self, cti: Path) -> None:
        self.gc = ctypes.CDLL(str(cti))
        self.system, self.interface, self.device, self.stream = (ctypes.c_void_p() for _ in range(4))

    def good(self, result: int) -> None:
        assert result == 0, f"error {result}: {self.last_error()}"

    def last_error(self) -> str:
        text, size = ctypes.create_string_buffer(600), ctypes.c_size_t(600)
        self.gc.GCGetLastError(ctypes.byref(ctypes.c_int32()), text, ctypes.byref(size))
        return text.value.decode()

    def open(self, serial: str = "MOCK-0001") -> None:
        gc, ref = self.gc, ctypes.byref
        self.good(gc.GCInitLib())
        self.good(gc.TLOpen(ref(self.system)))
        self.good(gc.TLUpdateInterfaceList(self.system, None, ctypes.c_uint64(0)))
        self.good(gc.TLOpenInterface(self.system, b"rheed_mock_interface_0", ref(self.interface)))
        self.good(gc.IFUpdateDeviceList(self.interface, None, ctypes.c_uint64(0)))
        self.good(
            gc.IFOpenDevice(self.interface, f"rheed_mock_{serial}".encode(), 4, ctypes.byref(self.device))
        )
        self.good(gc.DevOpenDataStream(self.device, b"stream_0", ref(self.stream)))

    def close(self) -> None:
        self.good(self.gc.GCCloseLib())


@pytest.fixture
def producer(cti: Path) -> Producer:
    return Producer(cti)


def resident_kb() -> int:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_hundreds_of_opened_and_closed_streams_take_no_memory(producer: Producer) -> None:
    def cycle() -> None:
        producer.open()
        buffer = ctypes.c_void_p()
        for _ in range(4):
            size = ctypes.c_size_t(640 * 480)
            producer.good(
                producer.gc.DSAllocAndAnnounceBuffer(producer.stream, size, None, ctypes.byref(buffer))
            )
            producer.good(producer.gc.DSQueueBuffer(producer.stream, buffer))
        producer.good(producer.gc.DSStartAcquisition(producer.stream, 0, INFINITE))
        producer.close()

    for _ in range(20):
        cycle()
    before = resident_kb()
    for _ in range(300):
        cycle()
    assert resident_kb() - before < 4_000  # one leaked buffer a cycle would be 90,000


def test_calls_before_the_library_is_initialised_say_so(producer: Producer) -> None:
    assert producer.gc.TLOpen(ctypes.byref(producer.system)) == NOT_INITIALIZED
    assert "GCInitLib" in producer.last_error()


def test_each_thread_has_its_own_last_error(producer: Producer) -> None:
    producer.open()
    assert producer.gc.TLClose(None) == INVALID_HANDLE
    seen: list[str] = []

    def other() -> None:
        assert producer.gc.TLGetNumInterfaces(producer.system, None) == INVALID_PARAMETER
        seen.append(producer.last_error())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == ["the pointer to the count is NULL"]
    assert producer.last_error() == "the handle is NULL"
    producer.close()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**64 - 1), st.integers(1, 2000))
def test_no_address_or_size_reads_outside_a_register(producer: Producer, address: int, size: int) -> None:
    if not producer.stream:
        producer.open()
    memory, length = ctypes.create_string_buffer(size + 1), ctypes.c_size_t(size)
    memory[size] = b"\xaa"
    port = ctypes.c_void_p()
    producer.good(producer.gc.DevGetPort(producer.device, ctypes.byref(port)))
    where = address % 5000 if address % 2 else address
    result = producer.gc.GCReadPort(port, ctypes.c_uint64(where), memory, ctypes.byref(length))
    assert result in (0, -1015, -1005)
    assert memory[size] == b"\xaa"


@pytest.fixture(autouse=True)
def closed_library(request: pytest.FixtureRequest) -> Any:
    """Close what a test (or hypothesis, between its examples) leaves open."""
    yield
    if "cti" in request.fixturenames:
        ctypes.CDLL(str(request.getfixturevalue("cti"))).GCCloseLib()


def run_driver(command: list[str | Path], **environment: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "MOCK_GENTL_DEVICES": "2", **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all good" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the driver is written for POSIX")
@pytest.mark.parametrize("sanitize", ["address,undefined", "thread"])
def test_the_c_driver_is_clean_under_the_sanitizers(build_producer: BuildProducer, sanitize: str) -> None:
    folder = build_producer(sanitize=sanitize, driver=True)
    run_driver([folder / "driver", folder / "rheed_mock.cti"])


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_the_c_driver_is_clean_under_valgrind(build_producer: BuildProducer) -> None:
    folder = build_producer(driver=True)
    valgrind = ["valgrind", "--error-exitcode=9", "--leak-check=full", "--fair-sched=yes"]
    kinds = "--errors-for-leak-kinds=definite,indirect"
    run_driver([*valgrind, kinds, folder / "driver", folder / "rheed_mock.cti"])


def refuse(cti: Path) -> str:
    producer = Producer(cti)
    assert producer.gc.GCInitLib() == ERROR
    return producer.last_error()


def test_a_wrong_configuration_names_its_file_and_line(
    cti: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mock.toml").write_text('tl_type = "U3V"\n[[device]]\nserail = "A"\n')
    monkeypatch.setenv("MOCK_GENTL_CONFIG", str(tmp_path / "mock.toml"))
    assert f"{tmp_path / 'mock.toml'}: line 3: no such key" in refuse(cti)
    monkeypatch.setenv("MOCK_GENTL_CONFIG", str(tmp_path / "none.toml"))
    assert "none.toml: No such file" in refuse(cti)
    monkeypatch.delenv("MOCK_GENTL_CONFIG")
    monkeypatch.setenv("MOCK_GENTL_WIDTH", "wide")
    assert "MOCK_GENTL_WIDTH: " in refuse(cti)


def test_a_configuration_file_makes_the_devices(
    cti: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "mock.toml").write_text(
        'tl_type = "U3V"\n\n[[device]]\nserial = "RHEED-1"  # the gun\nmodel = "Eye"\nvendor = "Lab"\n'
        'user_id = "chamber"\nwidth = 1388\nheight = 1038\nmax_fps = 60.5\n\n[[device]]\nserial = "RHEED-2"\n'
    )
    monkeypatch.setenv("MOCK_GENTL_CONFIG", str(tmp_path / "mock.toml"))
    monkeypatch.delenv("MOCK_GENTL_DEVICES")
    harvester = request.getfixturevalue("harvester")
    found = [info.property_dict for info in harvester.device_info_list]
    assert [d["serial_number"] for d in found] == ["RHEED-1", "RHEED-2"]
    assert (found[0]["model"], found[0]["vendor"], found[0]["user_defined_name"]) == ("Eye", "Lab", "chamber")
    camera = harvester.create(0)
    nodes = camera.remote_device.node_map
    assert (nodes.Width.value, nodes.Height.value, nodes.AcquisitionFrameRate.max) == (1388, 1038, 60.5)
    camera.destroy()


ParseConfigs = Callable[[list[bytes]], list[list[str]]]


@pytest.fixture(scope="session")
def parse_configs(build_producer: BuildProducer) -> ParseConfigs:
    """Give texts to the producer's parser, built with sanitizers, in one process."""
    if sys.platform == "win32":
        pytest.skip("the driver is written for POSIX")
    driver = build_producer(sanitize="address,undefined", driver=True) / "driver"

    def parse(texts: list[bytes]) -> list[list[str]]:
        given = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
        done = subprocess.run(
            [driver, "--configs"], input=given, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        lines = done.stdout.decode("utf-8", "replace").split("\n")[:-1]
        assert len(lines) == len(texts)
        return [line.split("\t") for line in lines]

    return parse


plain_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=50)
numbers = st.one_of(
    st.integers(-5, 20000), st.floats(0.5, 2e6, allow_nan=False).map(lambda value: round(value, 3))
)
values = st.one_of(plain_text, numbers)
keys = st.sampled_from(
    ["serial", "width", "height", "max_fps", "model", "tl_type", "rename", "initial", "listings", "colour"]
)
pairs = st.lists(
    st.sampled_from(["Gain=Boost", "Gamma=2.5", "Width=64", "Gain=", "=3", "Gamma", "Gamma=99", "X=1", " "])
)


def as_toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:.3f}" if isinstance(value, float) else str(value)


pieces = st.one_of(
    st.just("[[device]]"),
    st.just("# comment"),
    st.just(""),
    st.tuples(keys, values).map(lambda pair: f"{pair[0]} = {as_toml(pair[1])}"),
    pairs.map(lambda given: f'rename = "{" ".join(given)}"'),
    pairs.map(lambda given: f'initial = "{" ".join(given)}"'),
    st.sampled_from(["width = 1_0", "serial = 'x", "max_fps = inf", "width = 07", "a.b = 1", "[device]"]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(pieces, max_size=8).map("\n".join), min_size=1, max_size=40))
def test_what_the_parser_takes_means_what_toml_says(parse_configs: ParseConfigs, texts: list[str]) -> None:
    for text, line in zip(texts, parse_configs([t.encode() for t in texts]), strict=True):
        if line[0] == "error":
            continue
        document = tomllib.loads(text)  # whatever the producer takes is TOML
        devices = document.get("device", [{}])
        assert line[1] == document.get("tl_type", "Custom")
        assert int(line[2]) == len(devices)
        first = {"serial": "MOCK-0001", "width": 640, "height": 480, "max_fps": 10000.0, **devices[0]}
        assert (line[3], int(line[4]), int(line[5])) == (first["serial"], first["width"], first["height"])
        assert float(line[6]) == pytest.approx(first["max_fps"], rel=1e-12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=50).map(str.encode)), max_size=60))
def test_the_parser_survives_any_bytes(parse_configs: ParseConfigs, texts: list[bytes]) -> None:
    parse_configs(texts)


def test_the_module_prints_where_the_producer_is(cti: Path) -> None:
    def run(path: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MOCK_GENTL_CTI": path, "PYTHONPATH": str(PACKAGE / "python")}
        command = [sys.executable, "-m", "rheed_mock_gentl"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run(str(cti)).stdout.strip() == str(cti)
    missing = run("/nowhere/rheed_mock.cti")
    assert missing.returncode == 1
    assert missing.stderr.startswith("MOCK_GENTL_CTI names /nowhere/rheed_mock.cti")
    assert "Traceback" not in missing.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the symbols of an ELF file")
@pytest.mark.skipif(not shutil.which("nm"), reason="nm is not installed")
def test_nothing_but_the_standards_functions_is_exported(cti: Path) -> None:
    listed = subprocess.run(["nm", "-D", "--defined-only", cti], capture_output=True, text=True, check=True)
    names = [line.split()[-1] for line in listed.stdout.splitlines()]
    assert len(names) == 64
    assert [n for n in names if not n.startswith(("GC", "TL", "IF", "Dev", "DS", "Event"))] == []
