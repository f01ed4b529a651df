"""The backends under the contract: one entry each says what there is to know about it and its mock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.hardware.contract import pictures
from tests.hardware.contract.observer import Taken

from rheed_acquire import Camera, CameraInfo

Settings = Mapping[str, Any]
Exact = Callable[[Settings, CameraInfo, list[Taken]], None]

SELECTS = "it selects a device: see test_contract_choosing"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting to set and read back, with what else it needs, and how the device spells the value."""

    name: str
    value: Any
    beside: Settings = field(default_factory=dict)
    spelt: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Loss:
    """How to make a device vanish and come back a moment later."""

    settings: Settings
    lose: Callable[[Camera], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What the contract needs to know about one backend.

    Attributes
    ----------
    settings, fps
        With which its camera is opened in every test.
    serials
        Those that have to be discovered.
    second
        Settings that choose another device; None where there is none.
    absent
        Settings that choose a device that is not there; None where nothing can be chosen.
    ambiguous
        Settings that fit several devices; None where that cannot be.
    exact
        Compares frames of one run bit by bit with what they have to be; None where nobody can know.
    changes, unread
        What is set and read back, and why any other setting is not.
    loss, no_loss
        How it is lost, or why it cannot be.
    leak_kb, leak_why
        Resident memory in kB that one more opening may cost, and why so much.
    """

    backend: str
    settings: Settings = field(default_factory=dict)
    fps: float | None = None
    serials: Sequence[str] = ()
    second: Settings | None = None
    absent: Settings | None = None
    ambiguous: Settings | None = None
    exact: Exact | None = None
    changes: Sequence[Change] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    loss: Loss | None = None
    no_loss: str = ""
    leak_kb: float = 80.0
    leak_why: str = "what an allocator keeps"
    real: bool = False


SFNC_CHANGES = (
    Change("exposure_us", 1234.0),
    Change("pixel_format", "Mono12"),
    Change("width", 128),
    Change("height", 32),
    Change("offset_x", 16),
    Change("offset_y", 8),
    Change("trigger", "software", spelt="Software"),
    Change("trigger_line", "Line1", {"trigger": "line"}),
    Change("trigger_edge", "falling", {"trigger": "line"}, "FallingEdge"),
    Change("buffers", 17),
)


def _execute(feature: str) -> Callable[[Camera], None]:
    """Command a fault of the mock producer; the public API has no commands."""

    def lose(camera: Camera) -> None:
        camera._connection.node_map.get_node(feature).execute()  # type: ignore[attr-defined]

    return lose


SIMULATED = Subject(
    "simulated",
    {"width": 64, "height": 48, "seed": 5, "stamp": True},
    fps=500.0,
    second={"seed": 6},  # there are as many as one opens
    exact=pictures.simulated_frames,
    changes=(
        Change("seed", 7),
        Change("width", 128),
        Change("height", 32),
        Change("pixel_format", "Mono12"),
        Change("noise", 0.5),
        Change("oscillation_period_s", 1.5),
        Change("oscillation_damping_s", 9.0),
        Change("stamp", True),
    ),
    unread={"images": "it needs a folder of images: see test_simulated_images"},
    no_loss="a computed camera has no cable",
)
BASLER = Subject(
    "basler",
    {"serial": "0815-0000", "width": 64, "height": 48, "exposure_us": 500.0},
    fps=200.0,
    serials=("0815-0000", "0815-0001"),
    second={"serial": "0815-0001"},
    absent={"serial": "0815-4711"},
    ambiguous={"serial": None},
    exact=pictures.image_files,
    changes=(
        *SFNC_CHANGES,
        Change("gain", 12.0),
        Change("binning_horizontal", 2),
        Change("binning_vertical", 2),
        Change("features", {"TestImageSelector": "Testimage2"}),
    ),
    unread={"serial": SELECTS, "user_id": SELECTS, "ip": SELECTS},
    no_loss="pylon's emulation has no way to remove a camera: see test_basler_frames",
    leak_why="pylon 26.9 by itself keeps 46 kB of each opening of an emulated camera",
)
GENICAM = Subject(
    "genicam",
    {"serial": "MOCK-0001", "width": 64, "height": 48, "exposure_us": 50.0},
    fps=500.0,
    serials=("MOCK-0001", "MOCK-0002"),
    second={"serial": "MOCK-0002"},
    absent={"serial": "MOCK-4711"},
    ambiguous={"serial": None},
    exact=pictures.mock_producer_frames,
    changes=(
        *SFNC_CHANGES,
        Change("gain", 6.0),
        Change("binning_horizontal", 2),
        Change("binning_vertical", 4),
        Change("features", {"TestPattern": "White"}),
    ),
    unread={
        **dict.fromkeys(("serial", "user_id", "cti", "vendor", "model", "index"), SELECTS),
        "chunk_timestamps": "it chooses what the plugin reads, not what the camera holds",
    },
    loss=Loss({"features": {"FaultReturnAfter": 300}}, _execute("FaultLoseDevice")),
    leak_why="harvesters and genicam kept 30 kB of each of 1,000 openings",
)
FAULTY = Subject(
    "faulty",
    {"width": 64, "height": 48, "seed": 3},
    fps=500.0,
    serials=("F-1",),
    exact=pictures.faulty_frames,
    changes=(Change("width", 128), Change("height", 32)),
    loss=Loss({"vanish_at": 20, "vanish_s": 0.3}, lambda camera: None),
)
MOCKS = (SIMULATED, BASLER, GENICAM, FAULTY)


def real_camera(config: pytest.Config) -> Subject:
    """Describe the camera that ``--camera`` names."""
    serials = config.getoption("serial")
    settings: dict[str, Any] = dict(_setting(text) for text in config.getoption("setting"))
    if serials:
        settings["serial"] = serials[0]
    return Subject(
        config.getoption("camera"),
        settings,
        fps=config.getoption("fps"),
        serials=serials,
        second={"serial": serials[1]} if len(serials) > 1 else None,
        absent={"serial": "no-such-camera"} if serials else None,
        changes=(
            *(Change(name, value) for name, value in settings.items() if name not in ("serial", "cti")),
            Change("exposure_us", 1500.0),
            Change("width", 64),
            Change("height", 64),
            Change("buffers", 17),
        ),
        loss=Loss({}, _ask_to_unplug) if config.getoption("unplug") else None,
        no_loss="give --unplug, and -s, to be asked to unplug the camera",
        leak_kb=1000.0,
        leak_why="nobody knows what its driver keeps; a real camera's description is large",
        real=True,
    )


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def _ask_to_unplug(camera: Camera) -> None:
    print(f"\n>>> Unplug {camera.info.device} now, count to five, and plug it in again.", flush=True)
