"""Physical samples, tags and projects: small files that every server on the directory shares."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.server.json_body import shown
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.server_folder import server_folder
from rheed_acquire.system.durable_files import read_json, write_atomically

MOST_ENTRIES = 10_000
"""Of each kind: whoever lists them gets them all, and each new one rewrites the file."""


class Catalogue:
    """What streams can be linked to. Thread-safe, and safe among processes."""

    def __init__(self, directory: Path) -> None:
        self._folder = server_folder(directory)
        self._threads = threading.Lock()

    def samples(self) -> list[dict[str, str]]:
        """Every physical sample: its id and name."""
        return self._read("samples")

    def tags(self) -> list[dict[str, str]]:
        """Every tag: its id and name."""
        return self._read("tags")

    def add_sample(self, name: str) -> dict[str, str]:
        """Make a sample.

        Raises
        ------
        Refusal
            409 with the id of the sample that has this name already, ignoring case.
        """
        with self._exclusively():
            samples = self.samples()
            for sample in samples:
                if sample["name"].casefold() == name.casefold():
                    raise Refusal(
                        409,
                        {
                            "message": f"there is a physical sample named '{sample['name']}' already",
                            "physical_sample_id": sample["id"],
                        },
                    )
            return self._add("samples", samples, name)

    def add_tag(self, name: str) -> dict[str, str]:
        """Make a tag.

        Raises
        ------
        Refusal
            400 where there is a tag of this name already, ignoring case.
        """
        with self._exclusively():
            tags = self.tags()
            if any(tag["name"].casefold() == name.casefold() for tag in tags):
                raise Refusal(400, f"there is a tag named '{name}' already")
            return self._add("tags", tags, name)

    def sample(self, sample_id: str) -> dict[str, str]:
        """Find a sample; 404 where there is none."""
        return self._find("physical sample", self.samples(), sample_id)

    def tag(self, tag_id: str) -> dict[str, str]:
        """Find a tag; 404 where there is none."""
        return self._find("tag", self.tags(), tag_id)

    def track_sample(self, project_id: str, sample_id: str, *, active: bool) -> None:
        """Note that a project tracks a sample, and whether it is its active one."""
        with self._exclusively():
            projects = self._load("projects") or {}
            if project_id not in projects and len(projects) >= MOST_ENTRIES:
                raise Refusal(422, f"there are {len(projects)} projects here already, and no room for more")
            project = projects.setdefault(project_id, {"tracking_samples": [], "active_sample": None})
            if sample_id not in project["tracking_samples"]:
                project["tracking_samples"].append(sample_id)
            if active:
                project["active_sample"] = sample_id
            self._write("projects", projects)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with self._threads, FileLock(self._folder / "catalogue.lock"):
            yield

    def _find(self, kind: str, items: list[dict[str, str]], item_id: str) -> dict[str, str]:
        for item in items:
            if item["id"] == item_id:
                return item
        raise Refusal(404, f"there is no {kind} {shown(item_id)}")

    def _add(self, kind: str, items: list[dict[str, str]], name: str) -> dict[str, str]:
        if len(items) >= MOST_ENTRIES:
            raise Refusal(422, f"there are {len(items)} {kind} here already, and no room for more")
        item = {"id": str(uuid.uuid4()), "name": name}
        self._write(kind, [*items, item])
        return item

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}.json"

    def _read(self, kind: str) -> list[dict[str, str]]:
        return self._load(kind) or []

    def _load(self, kind: str) -> Any:
        return read_json(self._path(kind))

    def _write(self, kind: str, content: Any) -> None:
        write_atomically(self._path(kind), encode_document(content), self._folder, durable=True)
