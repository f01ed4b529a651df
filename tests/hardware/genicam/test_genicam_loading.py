"""Producers lie in folders of their vendors' and users' choice, with libraries beside them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from rheed_acquire_genicam import GenicamSettings, discover

SERIALS = ["MOCK-0001", "MOCK-0002"]
C_LIBRARY, NEIGHBOUR = b"msvcrt.dll", b"neighb.dll"


def serials(cti: Path) -> list[str]:
    return [device.serial for device in discover(GenicamSettings(cti=(cti,)))]


@pytest.mark.parametrize("folder", ["Kamera Größe", "カメラ", "a b & c (x86)"])
def test_a_producer_is_loaded_from_a_folder_of_any_name(cti: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    assert serials(Path(shutil.copy(cti, tmp_path / folder))) == SERIALS


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere a library itself says where to look")
def test_a_producers_libraries_are_found_beside_it(cti: Path, tmp_path: Path) -> None:
    content = cti.read_bytes()
    if C_LIBRARY not in content:
        pytest.skip("the producer was not built with mingw, and has no library that can be renamed")
    library = Path(os.environ["SYSTEMROOT"], "System32", C_LIBRARY.decode())
    (tmp_path / "producer.cti").write_bytes(content.replace(C_LIBRARY, NEIGHBOUR))
    shutil.copy(library, tmp_path / NEIGHBOUR.decode())
    assert serials(tmp_path / "producer.cti") == SERIALS
