"""Physical samples, tags and projects: small documents that every server of a place shares."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rheed_acquire.recording.zarr_metadata import encode_document
from rheed_acquire.server.json_body import shown
from rheed_acquire.server.refusal import Refusal

if TYPE_CHECKING:
    from rheed_acquire.server.documents import Documents

MOST_ENTRIES = 10_000
"""Of each kind: whoever lists them gets them all, and each new one rewrites the document."""


class Catalogue:
    """What streams can be linked to. Thread-safe, and safe among servers."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

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

        def refuse_known(known: dict[str, str]) -> Refusal:
            message = f"there is a physical sample named {shown(known['name'])} already"
            return Refusal(409, {"message": message, "physical_sample_id": known["id"]})

        return self._add("samples", name, refuse_known)

    def add_tag(self, name: str) -> dict[str, str]:
        """Make a tag.

        Raises
        ------
        Refusal
            400 where there is a tag of this name already, ignoring case.
        """
        return self._add("tags", name, lambda _: Refusal(400, f"there is a tag named {shown(name)} already"))

    def sample(self, sample_id: str) -> dict[str, str]:
        """Find a sample; 404 where there is none."""
        return self._find("physical sample", self.samples(), sample_id)

    def tag(self, tag_id: str) -> dict[str, str]:
        """Find a tag; 404 where there is none."""
        return self._find("tag", self.tags(), tag_id)

    def track_sample(self, project_id: str, sample_id: str, *, active: bool) -> None:
        """Note that a project tracks a sample, and whether it is its active one."""

        def track(document: bytes | None) -> bytes:
            projects: dict[str, Any] = json.loads(document or b"{}")
            if project_id not in projects and len(projects) >= MOST_ENTRIES:
                raise Refusal(422, f"there are {len(projects)} projects here already, and no room for more")
            project = projects.setdefault(project_id, {"tracking_samples": [], "active_sample": None})
            if sample_id not in project["tracking_samples"]:
                project["tracking_samples"].append(sample_id)
            if active:
                project["active_sample"] = sample_id
            return encode_document(projects)

        self._documents.change("projects.json", track)

    def _find(self, kind: str, items: list[dict[str, str]], item_id: str) -> dict[str, str]:
        for item in items:
            if item["id"] == item_id:
                return item
        raise Refusal(404, f"there is no {kind} {shown(item_id)}")

    def _read(self, kind: str) -> list[dict[str, str]]:
        return _entries(self._documents.read(f"{kind}.json"))

    def _add(self, kind: str, name: str, refuse: Callable[[dict[str, str]], Refusal]) -> dict[str, str]:
        added = {"id": str(uuid.uuid4()), "name": name}

        def add(document: bytes | None) -> bytes:
            items = _entries(document)
            for item in items:
                if item["name"].casefold() == name.casefold():
                    raise refuse(item)
            if len(items) >= MOST_ENTRIES:
                raise Refusal(422, f"there are {len(items)} {kind} here already, and no room for more")
            return encode_document([*items, added])

        self._documents.change(f"{kind}.json", add)
        return added


def _entries(document: bytes | None) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads(document or b"[]")
    return entries
