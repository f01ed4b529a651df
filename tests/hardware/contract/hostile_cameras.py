"""Cameras that keep every rule of streaming, and tell what is not so, or of another kind than it must be."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from tests.hardware.contract.wrong_cameras import HEIGHT, WIDTH, Right

from rheed_acquire import CameraInfo, DeviceInfo, Frame, OnFault, OnFrame


class Telling(Right):
    """Brings what `told` makes of the number of a frame: id, stamp and pixels."""

    said: Mapping[str, Any] = MappingProxyType({})

    @property
    def info(self) -> CameraInfo:
        info = CameraInfo(DeviceInfo("right"), WIDTH, HEIGHT, "Mono8", 1 / self.period_s)
        return replace(info, **self.said)

    def id_of(self, number: int) -> Any:
        return number

    def stamp(self, number: int) -> int:
        # As the frame was due, so that a busy computer changes nothing.
        return round(number * self.period_s * 1e9)

    def stamp_of(self, number: int) -> Any:
        return self.stamp(number)

    def pixels_of(self, number: int) -> Any:
        self.pixels[:] = number % 256
        return self.pixels

    def deliver(self, number: int) -> None:
        self.on_frame(Frame(self.pixels_of(number), self.id_of(number), self.stamp_of(number)))


# ---- stamps --------------------------------------------------------------------------------------------


class StampsInMicroseconds(Telling):
    def stamp_of(self, number: int) -> Any:
        return self.stamp(number) // 1000


class StampsInMilliseconds(Telling):
    def stamp_of(self, number: int) -> Any:
        return self.stamp(number) // 1_000_000


class StampsInTicks(Telling):
    """Of 8 ns."""

    def stamp_of(self, number: int) -> Any:
        return self.stamp(number) // 8


class StampsWithoutARate(StampsInTicks):
    """Nothing but the arrivals can tell."""

    said = MappingProxyType({"fps": None})


class StampsInPicoseconds(Telling):
    def stamp_of(self, number: int) -> Any:
        return self.stamp(number) * 1000


class StampsStandStill(Telling):
    def stamp_of(self, number: int) -> Any:
        return 0


class StampsAreFloats(Telling):
    def stamp_of(self, number: int) -> Any:
        return float(self.stamp(number))


class DeclaresAThousandthOfItsRate(Telling):
    said = MappingProxyType({"fps": 0.5})

    def stamp_of(self, number: int) -> Any:
        return time.perf_counter_ns()


# ---- ids -----------------------------------------------------------------------------------------------


class IdsStandStill(Telling):
    def id_of(self, number: int) -> Any:
        return 7


class IdsComeTwice(Telling):
    def id_of(self, number: int) -> Any:
        return number // 2


class IdsGoRoundAndRound(Telling):
    """Its cycle explains every one of them."""

    said = MappingProxyType({"frame_id_cycle": 3})

    def id_of(self, number: int) -> Any:
        return number % 3


class IdsAreFloats(Telling):
    def id_of(self, number: int) -> Any:
        return float(number)


class IdsAreTexts(Telling):
    def id_of(self, number: int) -> Any:
        return f"{number:09}"


class IdsStartAgain(Telling):
    """After 65535, as GigE Vision's do, and nothing says so."""

    def id_of(self, number: int) -> Any:
        return (65525 + number) % 65535 + 1


class IdsStartAgainTooEarly(IdsStartAgain):
    said = MappingProxyType({"frame_id_cycle": 2**32})


class IdsGoBeyondTheirCycle(Telling):
    said = MappingProxyType({"frame_id_cycle": 65535})

    def id_of(self, number: int) -> Any:
        return 70_000 + number


# ---- what it says of itself ----------------------------------------------------------------------------


class HasNoRate(Telling):
    said = MappingProxyType({"fps": 0.0})


class HasNoNumberForARate(Telling):
    said = MappingProxyType({"fps": float("nan")})


class HasARateInWords(Telling):
    said = MappingProxyType({"fps": "500"})


class HasAnEndlessRate(Telling):
    said = MappingProxyType({"fps": float("inf")})


class HasNoInfo(Telling):
    @property
    def info(self) -> Any:
        return None


class FailsToTell(Telling):
    @property
    def info(self) -> CameraInfo:
        raise OSError("no answer")


class ChangesItsRateWhenStarted(Telling):
    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        self.said = {"fps": 400.0}
        super().start(on_frame, on_fault)


class ChangesItsWidthWhenStopped(Telling):
    def stop(self) -> None:
        super().stop()
        self.said = {"width": 2 * WIDTH}


class CountsInWords(Telling):
    def statistics(self) -> Any:
        return {"frames_lost": "none"}


class CountsBackwards(Telling):
    def statistics(self) -> Any:
        return {"frames_lost": -1}


class CountsNothing(Telling):
    def statistics(self) -> Any:
        return None


class FailsToCountWhenStopped(Telling):
    def statistics(self) -> Any:
        if not self.threads:
            raise KeyError("Statistic_Buffer_Underrun_Count")
        return {}


class IsAsHotAsItsKelvins(Telling):
    def temperature_c(self) -> Any:
        return 308.15


class HasItsTemperatureInWords(Telling):
    def temperature_c(self) -> Any:
        return "35 C"


class FailsToTellItsTemperature(Telling):
    def temperature_c(self) -> Any:
        raise OSError("not while it streams")


class HoldsItsGainInWords(Telling):
    def adjustable(self) -> Any:
        return {"gain": "2"}


class CannotTakeWhatItHolds(Telling):
    def adjustable(self) -> Any:
        return {"gain": 2.0}


class MakesAnotherGainOfIt(CannotTakeWhatItHolds):
    def adjust(self, changes: Mapping[str, float]) -> Any:
        return {name: 1.01 * value for name, value in changes.items()}


class HasEveryLine(Telling):
    def line_is_high(self, line: str) -> bool:
        return False


# ---- pixels --------------------------------------------------------------------------------------------


class ShiftsItsBitsUp(Telling):
    """Twelve bits in the upper ones of sixteen."""

    said = MappingProxyType({"pixel_format": "Mono12"})

    def pixels_of(self, number: int) -> Any:
        return np.full((HEIGHT, WIDTH), (3000 + number % 1000) << 4, np.uint16)


class LendsBytes(Telling):
    def pixels_of(self, number: int) -> Any:
        return bytes(HEIGHT * WIDTH)


class LendsNothing(Telling):
    def pixels_of(self, number: int) -> Any:
        return None


class LendsACut(Telling):
    """This one is right: every second column of a wider picture, turned, sixteen bits deep."""

    said = MappingProxyType({"pixel_format": "Mono16"})

    def __init__(self) -> None:
        super().__init__()
        self.wide = np.zeros((HEIGHT, 2 * WIDTH), np.uint16)

    def pixels_of(self, number: int) -> Any:
        self.wide[:] = number
        return self.wide[::-1, ::-2]


class KeepsTheFirstCut(LendsACut):
    """And this one shows an old picture in it."""

    def pixels_of(self, number: int) -> Any:
        return self.wide[::-1, ::-2]


# ---- calls that fail or do not return ------------------------------------------------------------------


class FailsInStart(Telling):
    def start(self, on_frame: OnFrame, on_fault: OnFault) -> None:
        raise ZeroDivisionError("frames by seconds")


class FailsInStop(Telling):
    def stop(self) -> None:
        running = bool(self.threads)
        super().stop()
        if running:
            raise OSError("no answer")


class FailsInClose(Telling):
    def close(self) -> None:
        super().close()
        raise OSError("no answer")


class HangsInStop(Telling):
    """So does its close, which stops."""

    never = threading.Event()

    def stop(self) -> None:
        super().stop()
        self.never.wait()


class EndsItsThreadLate(Telling):
    """This one is right: what it has begun ends by itself, a moment after close."""

    def close(self) -> None:
        super().close()
        threading.Thread(target=time.sleep, args=(0.05,), daemon=True).start()
