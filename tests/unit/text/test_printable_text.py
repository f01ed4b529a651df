"""Text from outside on its way to a terminal, a log, a page or JSON: whatever it is, it is only shown."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheed_acquire.cameras.camera import CameraInfo, DeviceInfo, SettingReadback
from rheed_acquire.commands.progress import LiveDisplay, PlainDisplay, announcement
from rheed_acquire.commands.summary import print_summary
from rheed_acquire.commands.table import print_table
from rheed_acquire.findings import FindingCode
from rheed_acquire.run.report import Journal, RunInfo, RunReport
from rheed_acquire.system import terminal
from rheed_acquire.text.json_text import json_text
from rheed_acquire.text.printable_text import (
    LONGEST_LINE,
    LineFormatter,
    printable,
    well_formed,
)

STEERING = "\x1b\x9b\x07\x08\r\n\x0b\x0c\x85\x7f\x00\u202e\u2066\u200f\u2028\u2029\ud800\udce9\udfff\ufeff"
WORDS = [
    "[red]",
    "[/]",
    ":smile:",
    "\x1b[31m",
    "\x1b]0;owned\x07",
    "\x1b[2J",
    "delivered: all",
    "\\",
    "Wüste",
]
# Any text that Python can hold, lone surrogates too, with what is dangerous in it more often than by chance.
foreign = st.lists(
    st.text(st.characters(codec=None)) | st.sampled_from(WORDS) | st.sampled_from(STEERING), max_size=6
).map("".join)


def is_harmless(text: str) -> bool:
    return (
        all(one == "\n" or one.isprintable() or unicodedata.category(one) == "Zs" for one in text)
        and well_formed(text) == text
    )


class Terminal(io.StringIO):
    """A stream that says that a person looks at it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@contextmanager
def said(*, person: bool) -> Iterator[io.StringIO]:
    """What is said on stdout meanwhile."""
    stream = Terminal() if person else io.StringIO()
    with redirect_stdout(stream):
        yield stream


@pytest.fixture(autouse=True)
def no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")  # rich then writes no sequence of its own, so that any is from outside
    monkeypatch.setenv("COLUMNS", "200")


def info_of(texts: list[str]) -> RunInfo:
    model, vendor, serial, user_id, address, pixel_format, firmware, name = texts
    device = DeviceInfo(vendor, model=model, vendor=vendor, serial=serial, user_id=user_id, address=address)
    camera = CameraInfo(
        device, 8, 8, pixel_format, 50.0, firmware=firmware, settings=(SettingReadback(name, model, serial),)
    )
    return RunInfo(user_id, camera, 50.0, 0.0, 100, datetime.now(UTC), Path(address.replace("\0", "")))


texts = st.lists(foreign, min_size=8, max_size=8)


@settings(max_examples=60)
@given(foreign)
def test_what_is_printable_is_one_line_of_signs_and_stays_so(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert "\n" not in shown
    assert printable(shown) == shown


@settings(max_examples=60)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], codec="utf-8"), max_size=LONGEST_LINE))
def test_what_is_harmless_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert well_formed(text) == text


def test_each_kind_of_character_is_written_as_in_a_python_string() -> None:
    assert printable("a\x1b[31m\n\r\t\x9b\u202e\udce9\ud800é成　") == (
        r"a\x1b[31m\n\r\t\x9b\u202e\xe9\ud800é成　"
    )


@settings(max_examples=60)
@given(st.integers(1, 10**6))
def test_what_is_too_long_keeps_its_beginning_and_its_end(more: int) -> None:
    shown = printable("begin" + "x" * (LONGEST_LINE + more - 8) + "end")
    assert shown.startswith("beginxxx")
    assert shown.endswith("xxxend")
    assert f"[{more} characters left out]" in shown
    assert len(shown) < LONGEST_LINE + 60


@settings(max_examples=60)
@given(texts, st.booleans())
def test_a_summary_holds_nothing_but_signs_whatever_camera_and_server_say(
    texts: list[str], person: bool
) -> None:
    journal = Journal()
    code = next(iter(FindingCode))
    journal.problem(code, texts[0])
    journal.warn(code, texts[1])
    info = info_of(texts)
    report = replace(RunReport(info, datetime.now(UTC)), problems=journal.problems, warnings=journal.warnings)
    with said(person=person) as stream:
        print_summary(report, info.output)
    assert is_harmless(stream.getvalue())


@settings(max_examples=60)
@given(st.lists(st.tuples(foreign, foreign, foreign), max_size=4), st.booleans())
def test_a_table_has_a_line_for_each_row_and_shows_markup_as_it_is(
    rows: list[tuple[str, str, str]], person: bool
) -> None:
    with said(person=person) as stream:
        print_table(("one", "two", "three"), [*rows, ("[red]x[/]", ":smile:", "end")])
    shown = stream.getvalue()
    assert is_harmless(shown)
    assert "[red]x[/]" in shown
    assert ":smile:" in shown
    if not person:
        assert shown.count("\n") == len(rows) + 2


class _Acquisition:
    """As much of one as a display looks at."""

    tap = None

    def __init__(self, info: RunInfo, text: str) -> None:
        delivery = SimpleNamespace(
            chunks_uploaded=1, chunks_queued=0, chunks_failed=0, bytes_uploaded=0, last_error=text
        )
        self._progress = SimpleNamespace(
            info=info,
            delivery=delivery,
            phase=text,
            state=text,
            camera_trouble=text,
            elapsed_s=1.0,
            frames_received=3,
            gap_count=0,
            frames_missing=0,
            frames_overrun=0,
            frames_not_taken=0,
            frames_not_archived=0,
            archive_trouble=None,
        )

    def progress(self) -> Any:
        return self._progress


@settings(max_examples=60)
@given(texts, foreign)
def test_the_displays_show_signs_only(texts: list[str], text: str) -> None:
    from rich.live import Live

    acquisition: Any = _Acquisition(info_of(texts), text)
    stream = Terminal()
    before, sys.stderr = sys.stderr, stream
    try:
        plain = PlainDisplay(acquisition)
        plain._next_s = 0.0
        plain.update()
        plain.say(text)
        with Live(console=terminal.stderr_console(), auto_refresh=False, redirect_stderr=False) as live:
            display = LiveDisplay(acquisition, live)
            display.update()
            display.say(text)
        terminal.write_note(*announcement(acquisition.progress().info))
        terminal.write_failure(text, 1)
    finally:
        sys.stderr = before
    assert is_harmless(stream.getvalue())


@settings(max_examples=60)
@given(foreign, foreign)
def test_a_line_of_the_log_is_one_line_and_a_traceback_is_indented(text: str, raised: str) -> None:
    formatter = LineFormatter("%(levelname)s %(message)s")
    record = logging.LogRecord("rheed_acquire", logging.WARNING, "f.py", 1, "%s", (text,), None)
    line = formatter.format(record)
    assert is_harmless(line)
    assert "\n" not in line
    error = ValueError(raised)
    error.__cause__ = OSError(text)
    record.exc_info = (ValueError, error, None)
    lines = formatter.format(record).split("\n")
    assert lines[0] == line
    assert all(is_harmless(more) and more.startswith("    ") for more in lines[1:])
    assert len(lines) > 1


json_values = st.recursive(
    foreign | st.floats() | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(foreign, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(json_values)
def test_json_is_such_as_the_strictest_reader_takes(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json_text({"value": value, "other": Path("x"), "nan": math.nan})
    assert text.isascii()
    json.dumps(json.loads(text, parse_constant=refuse), ensure_ascii=False).encode()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8", "utf-16"])
@settings(max_examples=60)
@given(text=foreign)
def test_no_encoding_of_stdout_lacks_what_is_said(encoding: str, text: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    with redirect_stdout(stream):
        terminal.write_line(text)
        terminal.write_json([text])
        print_table(("one",), [(text,)])
    assert raw.getvalue().decode(encoding).replace("\r\n", "\n").count("\n") == 4
