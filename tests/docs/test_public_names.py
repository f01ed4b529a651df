"""The reference of the API is complete: the build of the pages fails where a public name has no entry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from public_names import described_fields, members, public_names, told_in_docstring, without_an_entry

import rheed_acquire
from rheed_acquire import CameraSettings, Frame, GrabLoopCamera, Trigger
from rheed_acquire.testing import CameraContract

ROOT = Path(__file__).parents[2]


def test_every_name_that_can_be_imported_and_all_its_members_are_asked_for() -> None:
    names = {name for _, name in public_names()}
    assert names >= set(rheed_acquire.__all__)
    assert "CameraContract" in names
    assert {"grab", "release", "grab_timeout_s"} <= set(members(GrabLoopCamera))
    assert {"OFF", "LINE", "SOFTWARE"} <= set(members(Trigger))
    assert {"lose_frames", "entry_points", "changes"} <= set(members(CameraContract))


def test_what_has_no_entry_is_named_and_what_a_docstring_explains_needs_none() -> None:
    missing = without_an_entry({"rheed_acquire.cameras.camera.Camera", "rheed_acquire.cameras.camera.Frame"})
    assert {"rheed_acquire.cameras.camera.Camera.start", "rheed_acquire.testing.contract.CameraContract"} <= {
        *missing
    }
    assert not [name for name in missing if name.startswith("rheed_acquire.cameras.camera.Frame.")]
    assert {"pixels", "id", "timestamp_ns"} <= set(told_in_docstring(Frame))
    assert "microseconds" in described_fields(CameraSettings)["exposure_us"]


@pytest.mark.timeout(600)
def test_the_build_says_which_public_name_has_no_entry(tmp_path: Path) -> None:
    pytest.importorskip("myst_parser", reason="what builds the pages is not installed: the extra docs")
    source = tmp_path / "docs"
    source.mkdir()
    for name in ("conf.py", "_ext"):
        (source / name).symlink_to(ROOT / "docs" / name)
    (source / "reference").mkdir()
    for name in ("command", "settings"):
        shutil.copy(ROOT / "docs" / "reference" / f"{name}.md", source / "reference")
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    entry = ".. automodule:: rheed_acquire.cameras.grab_loop\n"
    assert entry in text
    (source / "reference" / "api.md").write_text(text.replace(entry, ""), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "reference" / "hooks.md", source / "reference")
    index = "# Reference\n\n```{toctree}\n:glob:\n\nreference/*\n```\n"
    (source / "index.md").write_text(index, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "dummy", str(source), str(tmp_path / "built")],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "without an entry" in line]
    assert said, done.stderr
    assert said[-1].endswith("in docs/reference: rheed_acquire.cameras.grab_loop.GrabLoopCamera")
