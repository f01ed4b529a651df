"""What the overview answers, to keys that may read. It changes nothing.

Names come from whoever streams: Jinja2 escapes them, `printable` shows what a reader would not see, and no
script or style runs but the page's own files. A report, which has scripts in it, is in a sandbox: it is of no
origin, and can ask for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.overview.pictures import Pictures, report_of
from rheed_acquire.overview.runs import found, open_runs, past_runs
from rheed_acquire.server.app import guarded
from rheed_acquire.server.keys import Right
from rheed_acquire.server.refusal import Refusal
from rheed_acquire.server.remembered import Remembered
from rheed_acquire.text.page_headers import PAGE_HEADERS
from rheed_acquire.text.printable_text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

    from rheed_acquire.recording.run_path import RunPath
    from rheed_acquire.server.audit import Audit
    from rheed_acquire.server.keys import Keys
    from rheed_acquire.server.streams import Streams

PAGE = Path(__file__).with_name("page")
ROWS = 100
"""Runs on one page."""
_OPEN_FOR_S, _PAST_FOR_S, _PATIENCE_S = 2.0, 10.0, 10.0
_LONGEST_SEARCH = 200
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_FILES = {"overview.css": "text/css; charset=utf-8", "overview.js": "text/javascript; charset=utf-8"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Overview:
    """The pages.

    Parameters
    ----------
    place
        Where the runs are.
    streams, audit, keys
        Of the server.
    """

    def __init__(self, place: RunPath, streams: Streams[Any], audit: Audit, keys: Keys) -> None:
        self._place, self._keys = place, keys
        self._open = Remembered(lambda: open_runs(place, streams), _OPEN_FOR_S, _PATIENCE_S)
        self._past = Remembered(lambda: past_runs(place, audit, streams), _PAST_FOR_S, _PATIENCE_S)
        self._pictures = Pictures()

    def rules(self) -> list[Rule]:
        """Every page with its path."""
        pages: list[tuple[str, Callable[..., Response]]] = [
            ("/", self.overview),
            ("/overview/open", self.open_streams),
            ("/overview/<name>", self.file),
            ("/overview/runs/<folder>/newest.jpg", self.newest),
            ("/overview/runs/<folder>/report", self.report),
        ]
        return [
            Rule(path, methods=["GET"], endpoint=guarded(self._keys, Right.READ, page))
            for path, page in pages
        ]

    def overview(self, request: Request) -> Response:
        """The page itself."""
        searched = request.args.get("q", "")[:_LONGEST_SEARCH]
        runs = found(self._past(), searched)
        last = max(0, (len(runs) - 1) // ROWS)
        asked = request.args.get("page", "0")
        page = min(int(asked), last) if asked.isascii() and asked.isdecimal() and len(asked) < 9 else 0
        links = {
            word: "/?" + urlencode({"q": searched, "page": number})
            for word, number in (("newer", page - 1), ("older", page + 1))
            if 0 <= number <= last
        }
        text = _template("overview.html").render(
            open=self._open(),
            runs=runs[page * ROWS : (page + 1) * ROWS],
            count=len(runs),
            searched=searched,
            first=page * ROWS + 1,
            links=links,
        )
        return _page(text)

    def open_streams(self, request: Request) -> Response:  # noqa: ARG002
        """The part of the page that it renews by itself."""
        return _page(_template("open.html").render(open=self._open()))

    def file(self, request: Request, name: str) -> Response:  # noqa: ARG002
        """A file of the page."""
        if name not in _FILES:
            raise Refusal(404, "there is no such file")
        return Response((PAGE / name).read_bytes(), headers={**PAGE_HEADERS, "Content-Type": _FILES[name]})

    def newest(self, request: Request, folder: str) -> Response:  # noqa: ARG002
        """The newest frame of a run."""
        try:
            picture = self._pictures.newest(self._run(folder))
        except RheedAcquireError as error:
            raise Refusal(404, str(error)) from None
        if picture is None:
            raise Refusal(404, "no frame has come yet")
        # The page asks for another URL once there are more frames.
        kept = {"Cache-Control": "private, max-age=600", "Content-Type": "image/jpeg"}
        return Response(picture, headers=PAGE_HEADERS | kept)

    def report(self, request: Request, folder: str) -> Response:  # noqa: ARG002
        """The report of a run."""
        run = self._run(folder)
        try:
            text = report_of(run)
        except RheedAcquireError as error:
            answer = _page(_template("failed.html").render(folder=folder, reason=str(error)))
            answer.status_code = HTTPStatus.NOT_FOUND
            return answer
        return _page(text, _REPORT_POLICY)

    def _run(self, folder: str) -> RunPath:
        if not _FOLDER.fullmatch(folder):
            raise Refusal(404, "there is no such run")
        return self._place / folder


def _page(text: str | bytes, policy: str = _POLICY) -> Response:
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
    return Response(text, headers=headers)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment


def _template(name: str) -> Any:
    return _environment().get_template(name)
