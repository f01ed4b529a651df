"""The library as it may be: not there, another one, an older one."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheed_acquire import CameraError, CaptureRequest
from rheed_acquire_aravis import AravisSettings
from rheed_acquire_aravis.camera import AravisCamera
from rheed_acquire_aravis.connection import Connection
from rheed_acquire_aravis.devices import choose
from rheed_acquire_aravis.functions import ARAVIS
from rheed_acquire_aravis.library import Library, how_to_install, load

if TYPE_CHECKING:
    from tests.hardware.aravis.conftest import Cameras


class Older:
    """The library of this system without the functions that came in the course of 0.8."""

    def __init__(self) -> None:
        self._loaded = ctypes.CDLL("libaravis-0.8.so.0")

    def __getattr__(self, name: str) -> Any:
        if name in ARAVIS and ARAVIS[name].may_be_missing:
            raise AttributeError(name)
        return getattr(self._loaded, name)


def test_an_older_library_gives_frames_and_the_counters_that_it_has(cameras: Cameras) -> None:
    library = Library(Older())  # type: ignore[arg-type]
    settings = AravisSettings(fake=True, serial="1", width=16, height=16)
    connection = Connection(library, choose(library, settings))
    with AravisCamera(connection, settings, CaptureRequest(fps=500.0)) as camera:
        taken = cameras.start(camera)
        taken.wait_for_frames(3)
        camera.stop()
        counters = camera.statistics()
    drivers = {"completed_buffers", "failures", "underruns"}
    assert set(counters) == {*drivers, "incomplete_buffers", "frames_lost"}


def test_a_library_that_is_named_and_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"--aravis\.library .*none\.so cannot be loaded"):
        load(tmp_path / "none.so")


def test_another_library_is_not_taken_for_aravis(tmp_path: Path) -> None:
    name = ctypes.util.find_library("c")
    if name is None:
        pytest.skip("this system does not tell where its C library is")
    loaded = next(
        (line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(name)), None
    )
    if loaded is None:
        pytest.skip("the C library is not in the list of what is loaded")
    with pytest.raises(CameraError, match=r"is no libaravis 0\.8: it has no arv_"):
        load(Path(loaded.split()[-1]))


@pytest.mark.parametrize(
    ("system", "said"), [("linux", "apt install"), ("darwin", "brew install"), ("win32", "pacman -S")]
)
def test_each_system_has_one_sentence_on_how_to_install_it(system: str, said: str) -> None:
    assert said in how_to_install(system)
    assert "\n" not in how_to_install(system)
