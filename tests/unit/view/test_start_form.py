"""The page's form asks for everything that a run can be told."""

from __future__ import annotations

from html.parser import HTMLParser

from rheed_acquire.view.interface_requests import StartRequest
from rheed_acquire.view.page_files import PAGE


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._inside = False
        self.feed((PAGE / "index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self._inside = values.get("id") == "start-form"
        if self._inside and values.get("name"):
            self.names.add(str(values["name"]))


def test_the_form_has_a_field_for_each_part_of_a_request_to_start() -> None:
    assert _Form().names == set(StartRequest.model_fields) - {"wait_s"}
