"""The contract catches cameras that stream as they should and tell what is not so, with what to do."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from tests.hardware.contract import hostile_cameras as hostile
from tests.hardware.contract.test_contract_catches import CHECKS
from tests.hardware.contract.wrong_cameras import Right

from rheed_acquire import CameraInfo, DeviceInfo, SettingReadback
from rheed_acquire.testing import ContractBreachError, Rule
from rheed_acquire.testing.calls import abandoned
from rheed_acquire.testing.rules import PAGE
from rheed_acquire.testing.telling import check_telling
from rheed_acquire.testing.tried_settings import Change, check_readback

ALL = {**CHECKS, "telling": check_telling}

CAUGHT: list[tuple[type[Right], str, Rule, str]] = [
    (hostile.StampsInMicroseconds, "delivery", Rule.STAMP, r"\d+ frames .* they look like microseconds"),
    (hostile.StampsInMilliseconds, "delivery", Rule.STAMP, r"\(info.fps is 500\); they look like millisec"),
    (hostile.StampsInTicks, "delivery", Rule.STAMP, "they look like ticks: make nanoseconds of them"),
    (hostile.StampsWithoutARate, "delivery", Rule.STAMP, "they look like"),
    (hostile.StampsInPicoseconds, "delivery", Rule.STAMP, "give them in nanoseconds"),
    (hostile.StampsStandStill, "delivery", Rule.STAMP, r"all of \d+ frames have the stamp 0; pass on the de"),
    (hostile.StampsAreFloats, "delivery", Rule.STAMP, r"Frame.timestamp_ns is .*, a float, .*; pass on the"),
    (hostile.DeclaresAThousandthOfItsRate, "delivery", Rule.INFO, "info.fps is 0.5; tell the rate that the"),
    (hostile.IdsStandStill, "delivery", Rule.ID, "two frames in a row have the id 7; pass on the device's o"),
    (hostile.IdsComeTwice, "delivery", Rule.ID, "two frames in a row have the id 0"),
    (hostile.IdsAreFloats, "delivery", Rule.ID, "Frame.id is 0.0, a float, and must be an int or None; pass"),
    (hostile.IdsAreTexts, "delivery", Rule.ID, "Frame.id is '000000000', a str, and must be an int or None"),
    (hostile.IdsGoRoundAndRound, "delivery", Rule.CYCLE, "cycle is 3: a loss of 3 frames would not show; se"),
    (hostile.IdsStartAgain, "delivery", Rule.CYCLE, "id 1 follows 65535: .* info.frame_id_cycle is None; se"),
    (hostile.IdsStartAgainTooEarly, "delivery", Rule.CYCLE, "the counter starts again, .* is 4294967296; se"),
    (hostile.IdsGoBeyondTheirCycle, "delivery", Rule.CYCLE, "frame id 70001 came, .*cycle is 65535; set fra"),
    (hostile.HasNoRate, "telling", Rule.INFO, "CameraInfo.fps is 0.0, and must be a number from"),
    (hostile.HasNoNumberForARate, "telling", Rule.INFO, "CameraInfo.fps is nan, and must be a number from"),
    (hostile.HasARateInWords, "telling", Rule.INFO, "CameraInfo.fps is '500', and must be a number from"),
    (hostile.HasAnEndlessRate, "telling", Rule.INFO, "CameraInfo.fps is inf, and must be a number from"),
    (hostile.HasNoInfo, "telling", Rule.INFO, "info is None, not a CameraInfo; tell what the device holds"),
    (hostile.FailsToTell, "telling", Rule.INFO, r"info raised OSError\('no answer'\); tell what the device"),
    (hostile.FailsToTell, "delivery", Rule.INFO, r"info raised OSError\('no answer'\)"),
    (hostile.ChangesItsRateWhenStarted, "telling", Rule.INFO, "fps was 500.0 and is 400.0 while it streams;"),
    (hostile.ChangesItsWidthWhenStopped, "telling", Rule.INFO, "info.width was 8 and is 16 after stop; tell"),
    (hostile.CountsInWords, "telling", Rule.STATISTICS, "statistics before start has 'frames_lost': 'none';"),
    (hostile.CountsBackwards, "telling", Rule.STATISTICS, "'frames_lost': -1; return names with whole num"),
    (hostile.CountsNothing, "telling", Rule.STATISTICS, "statistics before start returned None, not a mapp"),
    (hostile.FailsToCountWhenStopped, "telling", Rule.STATISTICS, "statistics before start raised KeyError"),
    (hostile.IsAsHotAsItsKelvins, "telling", Rule.TEMPERATURE, "returned 308.15, at which no camera works;"),
    (hostile.HasItsTemperatureInWords, "telling", Rule.TEMPERATURE, "temperature_c before start returned '3"),
    (hostile.FailsToTellItsTemperature, "telling", Rule.TEMPERATURE, "temperature_c before start raised OSE"),
    (hostile.HoldsItsGainInWords, "telling", Rule.ADJUSTABLE, "adjustable before start has 'gain': '2'"),
    (
        hostile.CannotTakeWhatItHolds,
        "telling",
        Rule.ADJUSTABLE,
        "adjust gain 2, which it holds, raised Camer",
    ),
    (
        hostile.MakesAnotherGainOfIt,
        "telling",
        Rule.ADJUSTABLE,
        r"which it holds, made 2\.02 of it; return ex",
    ),
    (hostile.HasEveryLine, "telling", Rule.LINE, "line_is_high of no-such-line returned False; raise a Cam"),
    (hostile.ShiftsItsBitsUp, "delivery", Rule.PIXELS, "is 480[0-9]+, and Mono12 has 12 bits; put the value"),
    (hostile.LendsBytes, "delivery", Rule.PIXELS, "pixels of frame 0 are bytes, no numpy array; lend a nump"),
    (hostile.LendsNothing, "delivery", Rule.PIXELS, "the pixels of frame 0 are NoneType, no numpy array"),
    (hostile.KeepsTheFirstCut, "buffers", Rule.IMAGE, "bytes of frame .* were not written by the camera"),
    (hostile.FailsInStart, "delivery", Rule.STARTS, r"start raised ZeroDivisionError\(.*\); make the device"),
    (hostile.FailsInStop, "delivery", Rule.STOPS, r"stop raised OSError\('no answer'\); let stop wait"),
    (hostile.FailsInClose, "delivery", Rule.CLOSES, r"close raised OSError\('no answer'\); let close stop"),
    (hostile.HangsInStop, "delivery", Rule.STOPS, "stop has not returned within 1 s; let stop wait for the"),
    (hostile.HangsInStop, "idle", Rule.CLOSES, "stop on a stopped camera has not returned within 0.5 s"),
]


@pytest.mark.parametrize(
    ("camera_class", "check", "rule", "message"),
    CAUGHT,
    ids=[f"{one[0].__name__}-{one[1]}" for one in CAUGHT],
)
def test_a_camera_that_tells_what_is_not_so_is_caught_with_what_was_seen_and_what_to_do(
    camera_class: type[Right], check: str, rule: Rule, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never, cameras = threading.Event(), []
    monkeypatch.setattr(hostile.HangsInStop, "never", never)
    if camera_class is hostile.HangsInStop:
        monkeypatch.setattr("rheed_acquire.testing.calls.LIMIT_S", 1.0)

    def open_camera() -> Right:
        cameras.append(camera_class())
        return cameras[-1]

    try:
        with pytest.raises(ContractBreachError) as raised:
            ALL[check](open_camera)
    finally:
        never.set()
        for camera in cameras:
            Right.stop(camera)
        abandoned.clear()
    line = str(raised.value).splitlines()[0]
    assert re.search(message, line), line
    assert line.endswith(f"breaks rule {rule.name}: {rule.value} ({PAGE}#{rule.anchor})")


@pytest.mark.parametrize("check", ["delivery", "telling", "buffers", "lent"])
def test_pixels_whose_rows_do_not_follow_one_another_are_as_good_as_any(check: str) -> None:
    if check == "delivery":
        CHECKS["restarts"](hostile.LendsACut)
    else:
        ALL[check](hostile.LendsACut)


def test_a_thread_that_ends_a_moment_after_close_is_not_left_behind() -> None:
    for _ in range(3):
        CHECKS["leaks"](hostile.EndsItsThreadLate)


def info(name: str, asked: Any, actual: Any) -> CameraInfo:
    settings = (SettingReadback(name, asked, actual),)
    return CameraInfo(DeviceInfo("c"), 64, 48, "Mono8", 500.0, settings=settings)


@pytest.mark.parametrize(
    ("told", "name", "value", "message"),
    [
        (info("gain", 3.0, 3.0), "gain", 6.0, "gain=6.0 was asked for, and .* says that 3.0 was"),
        (info("width", 64, 128), "width", 64, "width=64 was asked for, and width is 128"),
        (info("width", 128, 128), "width", 128, "width is read back as 128, but info.width is 64"),
        (
            info("pixel_format", "Mono12", "Mono12"),
            "pixel_format",
            "Mono12",
            "but info.pixel_format is Mono8",
        ),
        (info("exposure_us", 1e6, 1e6), "exposure_us", 1e6, "which leaves no more than 2000 us for a frame"),
        (info("exposure_us", 1e3, 1e3), "gain", 6.0, "gain=6.0 was asked for and is not among info.settings"),
    ],
)
def test_a_read_back_that_lies_is_told(told: CameraInfo, name: str, value: Any, message: str) -> None:
    with pytest.raises(ContractBreachError) as raised:
        check_readback(told, name, Change(value), exactly=True)
    assert re.search(f"{message}.*; read each value back .*; this breaks rule SETTINGS", str(raised.value))


def test_a_read_back_in_steps_of_the_device_is_taken() -> None:
    told = info("exposure_us", 1500.0, 1500.4)
    check_readback(told, "exposure_us", Change(1500.0), exactly=True)
