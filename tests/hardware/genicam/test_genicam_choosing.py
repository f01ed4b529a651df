"""Finding producers and choosing GenICam cameras, on the mock GenTL producer."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire import AmbiguousCameraError, CameraError, CameraNotFoundError
from rheed_acquire_genicam import GenicamSettings, discover

if TYPE_CHECKING:
    from tests.hardware.genicam.conftest import Genicam

FIRST, SECOND = "MOCK-0001", "MOCK-0002"


def not_found(genicam: Genicam, **settings: Any) -> str:
    with pytest.raises(CameraNotFoundError) as raised:
        genicam.open(**({"serial": None} | settings))
    return str(raised.value)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.cti"
    path.write_bytes(b"no shared library")
    return path


def test_importing_the_plugin_does_not_import_its_sdk() -> None:
    program = (
        "import sys, rheed_acquire_genicam; assert not {'harvesters', 'genicam', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_search_paths_producers_cameras_are_discovered() -> None:
    devices = discover(GenicamSettings())
    assert [device.serial for device in devices] == [FIRST, SECOND]
    assert {(device.backend, device.model, device.vendor) for device in devices} == {
        ("genicam", "RheedMock", "RheedAcquire")
    }


def test_a_named_producer_is_used_and_the_search_path_is_not(
    cti: Path, broken: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(broken.parent))
    assert [device.serial for device in discover(GenicamSettings(cti=(cti,)))] == [FIRST, SECOND]
    assert not caplog.records


def test_a_broken_producer_is_named_with_its_reason_and_passed_over(
    cti: Path, broken: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENICAM_GENTL64_PATH", os.pathsep.join((str(broken.parent), str(cti.parent))))
    with caplog.at_level(logging.WARNING):
        assert len(discover(GenicamSettings())) == 2
    (record,) = caplog.records
    assert str(broken) in record.getMessage()
    assert "Failed to load CTI file" in record.getMessage()


def test_where_no_producer_works_the_error_says_why(genicam: Genicam, broken: Path, tmp_path: Path) -> None:
    message = not_found(genicam, cti=(broken, tmp_path / "missing.cti"))
    assert f"{broken}: Failed to load CTI file" in message
    assert "missing.cti: there is no such file" in message


def test_without_any_producer_the_error_says_how_to_name_one(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENICAM_GENTL64_PATH")
    message = not_found(genicam)
    assert "--genicam.cti" in message
    assert "GENICAM_GENTL64_PATH" in message


def test_a_producer_without_cameras_is_named(genicam: Genicam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "0")
    assert "rheed_mock.cti" in not_found(genicam, serial="4711")
    assert "--genicam.serial 4711" in not_found(genicam, serial="4711")


def test_several_cameras_and_no_choice_are_listed_with_the_flags_that_choose(genicam: Genicam) -> None:
    with pytest.raises(AmbiguousCameraError) as raised:
        genicam.open(serial=None)
    flags = [f"--genicam.{name}" for name in ("serial", "user-id", "model", "vendor", "index")]
    for part in (FIRST, SECOND, *flags):
        assert part in str(raised.value)


def test_the_only_camera_needs_no_choice(genicam: Genicam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "1")
    assert genicam.open(serial=None).info.device.serial == FIRST


def test_a_camera_that_its_producer_lists_twice_is_one(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_GENTL_DEVICES", "1")
    monkeypatch.setenv("MOCK_GENTL_LISTINGS", "2")
    assert [device.serial for device in discover(GenicamSettings())] == [FIRST]
    genicam.record(genicam.open(serial=None), 3)


def test_each_way_of_choosing_finds_its_camera(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "devices.toml"
    config.write_text(
        '[[device]]\nserial = "A"\nmodel = "Eye"\nvendor = "Lab"\nuser_id = "growth"\n'
        '[[device]]\nserial = "B"\nmodel = "Ear"\nvendor = "Lab"\nuser_id = "load lock"\n'
        '[[device]]\nserial = "C"\nmodel = "Eye"\nvendor = "Works"\n'
    )
    monkeypatch.delenv("MOCK_GENTL_DEVICES")
    monkeypatch.setenv("MOCK_GENTL_CONFIG", str(config))
    for chosen, serial in (
        ({"serial": "B"}, "B"),
        ({"user_id": "growth"}, "A"),
        ({"model": "Ear"}, "B"),
        ({"vendor": "Works"}, "C"),
        ({"index": 2}, "C"),
        ({"model": "Eye", "index": 1}, "C"),
        ({"model": "Eye", "vendor": "Lab"}, "A"),
    ):
        camera = genicam.open(**({"serial": None} | chosen))
        assert camera.info.device.serial == serial, chosen
        camera.close()
    with pytest.raises(AmbiguousCameraError, match=r"several GenICam cameras fit --genicam\.vendor Lab"):
        genicam.open(serial=None, vendor="Lab")


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"serial": "42"}, "no GenICam camera with --genicam.serial 42"),
        ({"user_id": "gun"}, "--genicam.user-id gun"),
        ({"index": 2}, "--genicam.index 2: there are 2 GenICam cameras"),
        ({"serial": FIRST, "model": "X"}, f"--genicam.serial {FIRST} --genicam.model X"),
    ],
)
def test_a_choice_that_fits_none_is_repeated_beside_what_there_is(
    genicam: Genicam, chosen: dict[str, Any], named: str
) -> None:
    message = not_found(genicam, **chosen)
    assert named in message
    assert FIRST in message
    assert SECOND in message


def test_a_camera_that_is_open_cannot_be_opened_again_until_it_is_closed(genicam: Genicam) -> None:
    first = genicam.open()
    with pytest.raises(CameraError, match=f"{FIRST}.*cannot be opened: .* Close any other program"):
        genicam.open()
    first.close()
    assert genicam.open().info.width == 64


def test_a_description_that_cannot_be_read_is_not_blamed_on_other_programs(
    genicam: Genicam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCK_GENTL_RENAME", "Width=Height")
    with pytest.raises(CameraError, match=r"cannot be opened: the description of its features") as raised:
        genicam.open()
    assert "Close" not in str(raised.value)


def test_looking_for_cameras_does_not_disturb_one_that_streams(genicam: Genicam) -> None:
    camera, recorder = genicam.open(), genicam.recorder()
    camera.start(recorder.on_frame, recorder.on_fault)
    recorder.wait_for_frames(20)
    assert len(discover(GenicamSettings())) == 2
    recorder.wait_for_frames(len(recorder.ids) + 20)
    camera.stop()
    assert recorder.ids == list(range(len(recorder.ids)))
    assert not recorder.faults
